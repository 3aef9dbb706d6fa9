"""Float graph in, simpler float graph out: one file, one rule, pure."""

from accelgen.passes.run import run_passes

__all__ = ["run_passes"]
