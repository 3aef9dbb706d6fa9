"""A second thread, for what the library does while this one goes on."""

from __future__ import annotations

from queue import SimpleQueue
from threading import Thread
from typing import Any, Callable

__all__ = ["Helper"]


class Helper:
    """Does one thing at a time: ``begin`` it, later ``finish`` it. concurrent.futures would take
    more time for that than the driver does for all the rest of a frame."""

    def __init__(self) -> None:
        self._todo: Any = SimpleQueue()
        self._done: Any = SimpleQueue()
        self._thread = Thread(target=self._work, daemon=True)
        self._thread.start()

    def __enter__(self) -> Helper:
        return self

    def __exit__(self, *_: Any) -> None:
        self._todo.put(None)
        self._thread.join()

    def begin(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Call ``function`` there."""
        self._todo.put((function, arguments))

    def finish(self) -> None:
        """Wait until it has returned. Raises what it raised."""
        error = self._done.get()
        if error is not None:
            raise error

    def _work(self) -> None:
        for function, arguments in iter(self._todo.get, None):
            self._done.put(_error_of(function, arguments))


def _error_of(function: Callable[..., Any], arguments: Any) -> Any:
    """What ``function`` raises; None when it returns."""
    try:
        function(*arguments)
    except BaseException as error:
        return error
    return None
