"""What the hardware may be: the treaty that compiler, estimator and RTL all sign."""

from accelgen.arch.params import ArchParams
from accelgen.arch.presets import PRESETS

__all__ = ["PRESETS", "ArchParams"]
