"""Progress of long simulations, on stderr."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from accelgen.arch.isa import Opcode
from accelgen.program.records import Program

__all__ = ["show_build", "show_progress"]

Event = dict[str, Any]


@contextlib.contextmanager
def show_build(show: bool = True) -> Iterator[None]:
    """A spinner while a simulator is built."""
    if not show:
        yield
        return
    with Console(stderr=True).status("Building the simulator (kept for next time)"):
        yield


@contextlib.contextmanager
def show_progress(
    programs: Sequence[tuple[str, Program]], show: bool = True
) -> Iterator[Callable[[Event], None] | None]:
    """A bar over the EXECs of all ``programs``; yields what takes the simulator's events."""
    if not show:
        yield None
        return
    execs = [sum(c.opcode is Opcode.EXEC for c in program.commands) for _, program in programs]
    columns = (
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"),
        TextColumn("{task.fields[cycles]:,} cycles"), TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Simulating", total=sum(execs), cycles=0)
        finished = 0

        def on_event(event: Event) -> None:
            nonlocal finished
            job = event["job"]
            now = finished + event.get("cycles", 0)
            if event["event"] == "result":
                finished = now = finished + event["counters"].get("cycles", 0)
            done = sum(execs[:job]) + (
                event["execs"] if event["event"] == "progress" else execs[job]
            )
            bar.update(task, completed=done, description=programs[job][0], cycles=now)

        yield on_event
