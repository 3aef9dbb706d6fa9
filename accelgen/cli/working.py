"""What a command is doing, on a terminal's last line, while it does."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

from rich.markup import escape
from rich.status import Status

from accelgen.cli.outcome import log

__all__ = ["working"]


class _LastLine(logging.Handler):
    """Shows the latest of accelgen's own log."""

    def __init__(self, status: Status) -> None:
        super().__init__(logging.INFO)
        self._status = status

    def emit(self, record: logging.LogRecord) -> None:
        """As logging asks for."""
        # Only an update that names the spinner is drawn at once: else a line that the next one
        # follows within the 80 ms between two drawings is never seen.
        self._status.update(f"{escape(record.getMessage())} ...", spinner="dots")


@contextlib.contextmanager
def working(first: str) -> Iterator[None]:
    """Show ``first``, then what the log says, on stderr; nothing stays there.

    Only on a terminal, and neither with ``--quiet`` nor with ``--verbose``, whose lines say more.
    """
    logger = logging.getLogger("accelgen")
    if not (log.notes and log.is_terminal) or logger.isEnabledFor(logging.INFO):
        yield
        return
    level, propagate = logger.level, logger.propagate
    with log.status(f"{escape(first)} ...") as status:
        handler = _LastLine(status)
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate
