"""Run the command line inside the test's process."""

from dataclasses import dataclass

from typer.testing import CliRunner

from accelgen.cli.app import app
from accelgen.errors import AccelgenError

__all__ = ["Outcome", "answer", "run"]


@dataclass(frozen=True)
class Outcome:
    """What a command left: status and both streams."""

    status: int
    out: str
    err: str


def run(*arguments) -> Outcome:
    """``accelgen`` with ``arguments``; an exception that is not an exit is the test's failure."""
    result = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    return Outcome(result.exit_code, result.stdout, result.stderr)


def answer(function, *arguments, **options):
    """What ``function`` returns, or the AccelgenError that it raises."""
    try:
        return function(*arguments, **options)
    except AccelgenError as error:
        return error
