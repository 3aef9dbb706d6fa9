"""The command line. No logic: it reads options, calls accelgen.flow, prints."""

from __future__ import annotations

import os
from collections.abc import Callable

from accelgen.ends import guarded

__all__ = ["main"]


def main() -> None:
    """Entry point of the ``accelgen`` command."""
    # Amaranth's own Yosys wheel, whatever else is installed: the Verilog must not depend on it.
    os.environ.setdefault("AMARANTH_USE_YOSYS", "builtin")
    guarded(_command)


def _command() -> Callable[[], object]:
    # Here, behind the signal handlers: it takes a second, and Ctrl-C may come in it.
    from accelgen.cli.app import app

    return app
