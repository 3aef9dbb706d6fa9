"""What the hardware may be: the treaty that compiler, estimator and RTL all sign."""

from accelgen.arch.params import DSP_ACC_BITS, ArchParams
from accelgen.arch.presets import PRESETS, single_clock

__all__ = ["DSP_ACC_BITS", "PRESETS", "ArchParams", "single_clock"]
