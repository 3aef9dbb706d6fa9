"""The truth, in numpy: what every tensor must be."""

from accelgen.golden.interpret import interpret

__all__ = ["interpret"]
