"""How a command ends: deliberate errors and interrupts as one sentence and an exit status."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import typer
from rich.console import Console

from accelgen.errors import AccelgenError

__all__ = ["BAD_INPUT", "log", "verb"]

BAD_INPUT = 2
INTERRUPTED = 130

#: Logs and warnings; stdout is for results.
log = Console(stderr=True, highlight=False, soft_wrap=True)


def verb(
    function: Callable[..., Any], *, interrupted: str = "nothing was written"
) -> Callable[..., Any]:
    """Deliberate errors become one sentence and status 2, an interrupt status 130.

    ``interrupted`` says what an interrupt leaves behind.
    """

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except AccelgenError as error:
            log.print(f"error: {error}", markup=False, style="red")
            raise typer.Exit(BAD_INPUT) from None
        except KeyboardInterrupt:
            log.print(f"interrupted; {interrupted}")
            raise typer.Exit(INTERRUPTED) from None

    return guarded
