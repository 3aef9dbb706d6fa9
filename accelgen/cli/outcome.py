"""How a command ends: deliberate errors and interrupts as one sentence and an exit status."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from typing import Any

import typer
from rich.console import Console

from accelgen.ends import CLOSED_PIPE, Interrupted, interrupted_sentence, status_of
from accelgen.errors import AccelgenError

__all__ = ["BAD_INPUT", "Log", "Results", "log", "verb"]

BAD_INPUT = 2


class Results(Console):
    """Console whose reader may go away: that is an error like others, and not rich's to answer."""

    def on_broken_pipe(self) -> None:
        """Called while the error is handled."""
        raise


class Log(Console):
    """Console for what must not fail: a sentence that nobody can read ends no command."""

    #: Whether notes and warnings are told; errors always are.
    notes = True

    def print(self, *values: Any, **options: Any) -> None:
        """As Console's."""
        with contextlib.suppress(OSError):
            super().print(*values, **options)

    def on_broken_pipe(self) -> None:
        """Nobody reads it."""


#: Logs and warnings; stdout is for results.
log = Log(stderr=True, highlight=False, soft_wrap=True)


def verb(function: Callable[..., Any]) -> Callable[..., Any]:
    """Deliberate errors become one sentence and status 2, an interrupt 128 and the signal's number.

    So do a full disk and missing memory, wherever they strike; a closed pipe ends quietly.
    """

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except AccelgenError as error:
            _say(str(error))
            raise typer.Exit(BAD_INPUT) from None
        except (KeyboardInterrupt, Interrupted) as error:
            log.print(interrupted_sentence(), markup=False)
            raise typer.Exit(status_of(error)) from None
        except BrokenPipeError:
            raise typer.Exit(CLOSED_PIPE) from None
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            _say(f"{where}{error.strerror or error}")
            raise typer.Exit(BAD_INPUT) from None
        except MemoryError as error:
            _say(f"there is not enough memory for this ({error or 'nothing more is known'})")
            raise typer.Exit(BAD_INPUT) from None

    return guarded


def _say(sentence: str) -> None:
    log.print(f"error: {sentence}", markup=False, style="red")
