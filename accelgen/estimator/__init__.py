"""Program and board in; cycles, frames per second and resources out. No RTL, no simulator."""

from accelgen.cost import Memory
from accelgen.estimator.report import Estimate, LayerEstimate, estimate

__all__ = ["Estimate", "LayerEstimate", "Memory", "estimate"]
