"""What commands print: results on stdout, warnings and notes on stderr."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from accelgen.cli.outcome import Results, log
from accelgen.errors import OutputError

if TYPE_CHECKING:
    from accelgen.flow.compiled import Compiled

__all__ = ["note", "print_json", "print_results", "said", "warn", "width"]

#: A pipe has no width: a table must not be cut to a terminal's there.
PIPE_COLUMNS = 200


def width() -> int:
    """Columns of the terminal, or of COLUMNS; wide where there is neither."""
    named = os.environ.get("COLUMNS", "")
    if named.isdecimal() and int(named):
        return int(named)
    return os.get_terminal_size(1).columns if sys.stdout.isatty() else PIPE_COLUMNS


def note(sentence: str) -> None:
    """For people, beside the result; ``--quiet`` drops it."""
    if log.notes:
        log.print(sentence, markup=False)


def warn(sentences: Sequence[str]) -> None:
    """Warnings, each once; ``--quiet`` drops them."""
    for sentence in dict.fromkeys(sentences):
        if log.notes:
            log.print(f"warning: {sentence}", markup=False, style="yellow")


def said(compiled: Compiled) -> Compiled:
    """What was compiled; warnings, and where things were placed, go to stderr."""
    warn(compiled.warnings)
    if compiled.reason:
        note(compiled.reason)
    return compiled


def print_json(value: Any) -> None:
    """One object on stdout. Not through rich: it would wrap and colour."""
    with _output() as out:
        out.write(json.dumps(value, indent=1) + "\n")


def print_results(*values: Any) -> None:
    """Tables and lines on stdout."""
    console = Results(width=width(), highlight=False, markup=False)
    with _output():
        for value in values:
            console.print(value)


@contextlib.contextmanager
def _output() -> Iterator[TextIO]:
    """stdout, written to its end. Raises OutputError when it cannot be, on a full disk."""
    try:
        yield sys.stdout
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"cannot write the output: {error.strerror}") from error
