"""What DDR and time lines take: below compiler and estimator, so that both can ask."""

from accelgen.cost.memory import Memory

__all__ = ["Memory"]
