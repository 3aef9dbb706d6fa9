"""Slices of a time line as a Chrome trace, which Perfetto (ui.perfetto.dev) and chrome://tracing
open.

The format: "Trace Event Format" (Google, 2016), JSON object form: complete events (``ph`` "X", with
``ts`` and ``dur`` in microseconds) on threads of processes that metadata events (``ph`` "M") name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Slice", "chrome_trace"]


@dataclass(frozen=True, kw_only=True)
class Slice:
    """``track`` works on ``name`` from cycle ``start`` to cycle ``end`` of a frame."""

    track: str
    name: str
    start: float
    end: float
    args: dict[str, Any] = field(default_factory=dict)


def chrome_trace(
    runs: Mapping[str, Sequence[Slice]], tracks: Sequence[str], clock_mhz: float,
    about: Mapping[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """The trace's object for JSON: a process for each of ``runs``, a thread for each of ``tracks``
    that has slices, in this order.

    ``about`` is what the trace is of (``otherData``). A cycle is 1 / ``clock_mhz`` microseconds;
    slices of a track do not overlap.
    """
    events: list[dict[str, Any]] = []
    for pid, (name, slices) in enumerate(runs.items(), 1):
        events.append(_named("process_name", pid, 0, name=name))
        used = {piece.track for piece in slices}
        threads = {track: tid for tid, track in enumerate(tracks, 1) if track in used}
        for track, tid in threads.items():
            events.append(_named("thread_name", pid, tid, name=track))
            events.append(_named("thread_sort_index", pid, tid, sort_index=tid))
        events += [
            {
                "name": piece.name, "cat": piece.track, "ph": "X", "pid": pid,
                "tid": threads[piece.track], "ts": piece.start / clock_mhz,
                "dur": (piece.end - piece.start) / clock_mhz, "args": piece.args,
            }
            for piece in slices
        ]  # fmt: skip
    return {"displayTimeUnit": "ns", "otherData": dict(about), "traceEvents": events}


def _named(what: str, pid: int, tid: int, **args: Any) -> dict[str, Any]:
    return {"name": what, "ph": "M", "pid": pid, "tid": tid, "ts": 0, "args": args}
