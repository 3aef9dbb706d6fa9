"""`make fuzz ARGS="--count 30000 --seed 1"`: drawn and damaged models against onnxruntime.

Half of the cases are drawn ONNX graphs, half are mutants: of protobuf fields and bytes of models,
of calibration files, of configurations and boards. Case k depends on the seed and k only. Results
are kept in ``build/fuzz/seed-N.jsonl``: what is there is not run again, so that an interrupted
run goes on. ``--failed`` forgets failures first, so that they are run again.

A failure is shrunk and saved in ``build/fuzz/failures``, model and note; files named on the command
line are judged again: ``python -m tests.fuzz build/fuzz/failures/*.onnx``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tests.fuzz.keep import repeat, save, shrunk, whole
from tests.fuzz.workers import Job, Pool, Result

ROOT = Path(__file__).parents[2]
#: Of one cause so many are shrunk and saved; the others are only counted.
MOST_SHRUNK = 1


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0 only if nothing failed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description="Drawn and damaged models against onnxruntime."
    )
    parser.add_argument("files", nargs="*", type=Path, help="saved cases to judge again")
    parser.add_argument("--count", type=int, default=1000, help="cases, from 0 on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="processes side by side")
    parser.add_argument("--failed", action="store_true", help="run again what failed")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "fuzz")
    given = parser.parse_args(arguments)
    if given.files:
        return repeat(given.files)
    return run(given.seed, given.count, given.folder, jobs=given.jobs, failed=given.failed)


def run(
    seed: int, count: int, folder: Path, *, jobs: int = 1, failed: bool = False, **how
) -> int:  # fmt: skip
    """Judge cases 0 to ``count - 1`` of ``seed``; print a table; 1 if anything failed.

    ``how``: limits and preparation of the workers, see :class:`~.workers.Pool`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = folder / f"seed-{seed}.jsonl"
    done = read_state(state)
    if failed:
        done = {k: line for k, line in done.items() if not line["failed"]}
    # Without a line that was cut off.
    state.write_text("".join(json.dumps(line) + "\n" for line in done.values()))
    todo = [Job(seed, k) for k in range(count) if k not in done]
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    causes = Counter((d["verdict"], d["where"]) for d in done.values() if d["failed"])
    found: list[Result] = []
    start = time.monotonic()
    with (
        Pool(min(jobs, max(len(todo), 1)), **how) as pool,
        state.open("a") as file,
        Progress(*columns, TimeRemainingColumn(), console=console) as bar,
    ):
        task = bar.add_task(f"seed {seed}", total=count, completed=count - len(todo))
        for result in pool.run(todo) if todo else ():
            line = to_line(result)
            done[line["k"]] = line
            file.write(json.dumps(line) + "\n")
            file.flush()
            bar.advance(task)
            if line["failed"]:
                cause = line["verdict"], line["where"]
                causes[cause] += 1
                if causes[cause] <= MOST_SHRUNK:
                    said = f"case {line['k']}: {line['verdict']}, {line['where']}: {line['said']}"
                    console.print(said, markup=False)
                    save(whole(result), folder)
                    found.append(result)
    for result in found:  # now that nothing waits for it
        save(shrunk(result, how.get("limits"), how.get("prepare")), folder)
    lines = [line for k, line in done.items() if k < count]
    console.print(table(lines, f"seed {seed}, {time.monotonic() - start:.0f} s of this run"))
    return int(any(line["failed"] for line in lines))


def read_state(state: Path) -> dict[int, dict]:
    """Results by case; a line that was cut off is no result."""
    done = {}
    for text in state.read_text().splitlines() if state.exists() else ():
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            continue
        done[line["k"]] = line
    return done


def to_line(result: Result) -> dict:
    """A result as it is kept."""
    from tests.fuzz.judge import FAILURES

    verdict = result.verdict
    line = {"k": result.job.k, "kind": result.kind, "verdict": verdict["kind"]}
    line["failed"] = verdict["kind"] in FAILURES
    line["where"] = verdict["where"]
    interesting = line["failed"] or verdict["kind"] == "not compared"
    line["said"] = verdict["said"][:300] if interesting else ""
    return {**line, "seconds": round(result.seconds, 3)}


def table(lines: list[dict], title: str) -> Table:
    """Counts by verdict and kind of case, and processor time."""
    kinds = sorted({line["kind"] for line in lines})
    result = Table(title=title)
    for name in ("verdict", *kinds, "all"):
        result.add_column(name, justify="left" if name == "verdict" else "right")
    counts = Counter((line["verdict"], line["kind"]) for line in lines)
    order = ("equal", "refused", "not compared")
    verdicts = sorted(
        {v for v, _ in counts}, key=lambda v: (order.index(v) if v in order else 9, v)
    )
    for verdict in verdicts:
        row = [counts[verdict, kind] for kind in kinds]
        result.add_row(verdict, *(f"{n:,}" for n in row), f"{sum(row):,}")
    times = [sum(line["seconds"] for line in lines if line["kind"] == kind) for kind in kinds]
    result.add_row("seconds", *(f"{t:,.0f}" for t in times), f"{sum(times):,.0f}")
    return result


if __name__ == "__main__":
    sys.exit(main())
