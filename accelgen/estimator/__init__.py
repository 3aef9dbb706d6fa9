"""Program and board in; cycles, frames per second and resources out. No RTL, no simulator."""

from accelgen.estimator.report import Estimate, LayerEstimate, estimate
from accelgen.estimator.timeline import Memory

__all__ = ["Estimate", "LayerEstimate", "Memory", "estimate"]
