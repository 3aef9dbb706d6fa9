"""How the process ends: by a signal, on a full disk, at a closed pipe, and what it leaves behind.

Nothing: no process, no scratch directory, no half-made file. Imports little and nothing heavy:
signals are minded before anything else is loaded.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator

from accelgen.errors import AccelgenError

# Not typing's, which takes longer to load than all else here.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "CLOSED_PIPE",
    "Interrupted",
    "end_children",
    "forget_scratch",
    "guarded",
    "interrupted_sentence",
    "is_interrupted",
    "note_scratch",
    "note_written",
    "status_of",
    "undisturbed",
]

#: Ctrl-C, a polite kill, a terminal that went away.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: Exit status when nobody reads the output any more: what a shell shows of SIGPIPE.
CLOSED_PIPE = 128 + signal.SIGPIPE
#: Seconds that clean-up may take before the process ends without it. Longer than any single call
#: into numpy or onnx, during which Python sees no signal.
GRACE_SECONDS = 4.0


class Interrupted(BaseException):
    """A signal asked the process to end. No Exception, so that nobody takes it for a fault; no
    KeyboardInterrupt, so that no library answers in its own words."""

    def __init__(self, number: int):
        super().__init__(number)
        self.number = number


class _State:
    """What the signal handler must know. ``received`` is the first signal's number."""

    working = False
    received: int | None = None
    said = False
    holds = 0
    left_behind = "nothing was written"

    def __init__(self) -> None:
        self.scratch: dict[str, Callable[[], object]] = {}
        self.written: list[str] = []


_state = _State()


def status_of(error: BaseException) -> int:
    """Exit status of an interrupt: 128 and the signal's number."""
    return 128 + (error.number if isinstance(error, Interrupted) else signal.SIGINT)


def interrupted_sentence() -> str:
    """What to say, of what :func:`note_written` was told of too."""
    _state.said = True
    if _state.written:
        return f"interrupted; written before: {', '.join(_state.written)}"
    return f"interrupted; {_state.left_behind}"


def note_written(path: object) -> None:
    """``path`` is whole and in its place: an interrupt from now on says so."""
    _state.written.append(str(path))


def note_scratch(path: object, remove: Callable[[], object]) -> None:
    """``path`` goes by ``remove`` when the process is told to end, unless it is forgotten."""
    _state.scratch[str(path)] = remove


def forget_scratch(path: object) -> None:
    """``path`` is no more, or no scratch any more."""
    _state.scratch.pop(str(path), None)


def is_interrupted() -> bool:
    """A signal has come that ends the process."""
    return _state.received is not None


def guarded(
    start: Callable[[], Callable[[], object]], left_behind: str = "nothing was written"
) -> None:
    """Run a command to its end: ``start`` imports what it needs and returns its work.

    A signal of :data:`SIGNALS` ends it with one sentence and status 128 + number: at once during
    ``start``, and during the work when clean-up is done, or after :data:`GRACE_SECONDS`. Output
    that cannot be written to ends it with a sentence and status 2, a closed pipe quietly with
    :data:`CLOSED_PIPE`. ``left_behind`` is what the sentence says of what is there then. Call in
    the main thread.
    """
    _state.left_behind = left_behind
    _mind_signals()
    work = start()
    _state.working = True
    status: Any = 0
    try:
        work()
    except SystemExit as end:
        status = end.code
    except BaseException as error:
        status = _status(error)
        if status is None:
            raise
    finally:
        _state.working = False
    if _state.received is not None:
        _end_now(_state.received)
    sys.exit(_flushed(status))


def _status(error: BaseException) -> int | None:
    """Exit status of what nobody caught, after its sentence; None when that is a traceback."""
    if _state.received is not None:  # libraries in C turn an interrupt into an error of their own
        return 128 + _state.received
    if isinstance(error, AccelgenError):
        _write(f"error: {error}")
    elif isinstance(error, OSError):  # the help's text on a full disk
        _write(f"error: {error.strerror or error}")
    else:
        return None
    return 2


def _mind_signals() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    for number in SIGNALS:
        # nohup has SIGHUP ignored: it stays so.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _on_signal)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(reader,), daemon=True, name="signals").start()


def _on_signal(number: int, frame: Any) -> None:
    if _state.received is not None:
        return  # clean-up is under way, and _watch sees to its end
    _state.received = number
    if not _state.working:
        _end_now(number)
    if not _state.holds:
        end_children()  # what waits for one of them goes on now
        raise Interrupted(number)


def _watch(reader: int) -> None:
    """Ends the process when its main thread does not: it may be in a call that takes minutes."""
    number = 0
    while number not in SIGNALS:
        number = os.read(reader, 1)[0]
    time.sleep(GRACE_SECONDS)
    _end_now(number)


def _end_now(number: int) -> None:
    """The end, from any thread: no child, no scratch directory stays."""
    end_children()
    for remove in list(_state.scratch.values()):
        with contextlib.suppress(Exception):
            remove()
    if not _state.said:
        # A progress bar hides the cursor.
        cursor = "\x1b[?25h" if os.isatty(2) else ""
        _write(cursor + interrupted_sentence())
    with contextlib.suppress(Exception):
        sys.stdout.flush()
    # Not sys.exit: it would wait for threads.
    os._exit(128 + number)


def _flushed(status: Any) -> Any:
    """``status``, unless the output's last part cannot be written."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        status = CLOSED_PIPE
    except OSError as error:
        if not status:
            _write(f"error: cannot write the output: {error.strerror}")
        status = status or 2
    else:
        return status
    # Python flushes once more at its end; what is left must have somewhere to go.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return status


def _write(sentence: str) -> None:
    """To stderr, from any thread and with nothing loaded; that it fails ends nothing."""
    if sentence:
        with contextlib.suppress(OSError):
            os.write(2, f"{sentence}\n".encode())


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Signals wait until the block is done: for steps of which none may be missing, some renames
    long. Only the main thread can be interrupted, so elsewhere this does nothing."""
    main = threading.current_thread() is threading.main_thread()
    if not main:
        yield
        return
    _state.holds += 1
    before = _state.received
    try:
        yield
    finally:
        _state.holds -= 1
    if not _state.holds and before is None and _state.received is not None:
        end_children()
        raise Interrupted(_state.received)


def end_children() -> None:
    """Kill every process below this one; first all are stopped, so that none starts another."""
    known: set[int] = set()
    while new := _descendants() - known:
        known |= new
        _send(new, signal.SIGSTOP)
    _send(known, signal.SIGKILL)


def _send(processes: Iterable[int], number: int) -> None:
    for process in processes:
        with contextlib.suppress(OSError):
            os.kill(process, number)


def _descendants() -> set[int]:
    """Processes below this one, from /proc; none where there is no such thing."""
    parents: dict[int, int] = {}
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():
        if not name.isdigit():
            continue
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat", errors="replace") as entry:
            # "pid (name) state parent ...": the name may hold anything.
            state, parent = entry.read().rpartition(")")[2].split()[:2]
            if state != "Z":
                parents[int(name)] = int(parent)
    found: set[int] = set()
    level = {os.getpid()}
    while level:
        level = {pid for pid, parent in parents.items() if parent in level} - found
        found |= level
    return found
