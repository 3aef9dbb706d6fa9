"""``python -m accelgen``, and the console script: minds signals, then loads the rest.

Nothing is imported but what Python has loaded when it starts: ``signal`` itself takes longer to
load than all that comes before :mod:`accelgen.ends` takes over.
"""

import _signal  # type: ignore[import-not-found]
import os

__all__ = ["main"]


def main() -> None:
    """Entry point of the ``accelgen`` command."""
    for number in (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP):
        # nohup has SIGHUP ignored: it stays so.
        if _signal.getsignal(number) != _signal.SIG_IGN:
            _signal.signal(number, _end)
    from accelgen.cli import main as command

    command()


def _end(number: int, frame: object) -> None:
    """Of a process that has done nothing yet."""
    os.write(2, b"interrupted; nothing was written\n")
    os._exit(128 + number)


if __name__ == "__main__":
    main()
