"""The command line. No logic: it reads options, calls accelgen.pipeline, prints."""

from accelgen.cli.app import main

__all__ = ["main"]
