"""What a package's driver itself takes per frame.

``python -m accelgen.bench.driver_time MODEL|DIR``.

Runs the package's own files on this machine, with registers that answer at once, and takes the
processor's time. Not counted: the
kernels of PS steps (fully connected layers, softmax), which the estimate prices by themselves. In
the parts that are C the time is mostly the input's way (quantize, layout, copy).
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from accelgen.bench.null_board import NullBoard
from accelgen.boards import DEFAULT_BOARD
from accelgen.deploy.manifest_file import read_manifest
from accelgen.ends import guarded
from accelgen.flow.compiled import estimated
from accelgen.flow.compiler import compile
from accelgen.flow.hardware import target
from accelgen.flow.packages import build, copy_to_run, open_package
from accelgen.scratch import scratch_directory

__all__ = ["DriverTime", "driver_time", "main"]

ROUNDS = 200


@dataclass(frozen=True, kw_only=True)
class DriverTime:
    """Microseconds per frame on this machine, the least of many rounds.

    ``python_us``: Python, ctypes and register accesses; ``input_us``: the library's part of the
    input's way; ``output_us``: of the outputs', kernels of PS steps not counted, which are
    ``kernels_us``. ``between_us``: the library's part between parts of a frame, kernels and maps
    turned into another order. ``pl_us``: the PL's frame, estimated.
    """

    python_us: float
    input_us: float
    output_us: float
    kernels_us: float
    between_us: float
    pl_us: float

    @property
    def own_us(self) -> float:
        """All but the kernels, and what lies between parts."""
        return self.python_us + self.input_us + self.output_us

    @property
    def share(self) -> float:
        """Of the PL's frame."""
        return self.own_us / self.pl_us


def driver_time(where: Path, pl_us: float, rounds: int = ROUNDS) -> DriverTime:
    """Of the package at ``where``, on this machine. Builds its library there."""
    sys.path.insert(0, str(where))
    try:
        driver: Any = importlib.import_module("driver")
    finally:
        sys.path.remove(str(where))
    for name in [n for n in sys.modules if n.split(".")[0] == "driver"]:
        del sys.modules[name]  # another package's may be next
    manifest = read_manifest(where)
    with driver.Accelerator(NullBoard(manifest), where) as accelerator:
        accelerator.load()
        height, width, channels = manifest["input"]["map"]
        planes = manifest["input"]["layout"] == "nchw"
        shape = (1, channels, height, width) if planes else (1, height, width, channels)
        x = np.random.default_rng(0).normal(0, 1, shape).astype(np.float32)
        frame = accelerator._frame

        def put() -> None:
            frame.make_ready(x, planes, 0)
            frame.hand_over(0)

        whole = _least(lambda: accelerator.run(x), rounds)
        way_in, finish = _least(put, rounds), _least(lambda: frame.finish(0), rounds)
        parts = range(len(manifest["parts"]) - 1)
        between = sum(_least(partial(frame.between, part, 0), rounds) for part in parts)
    # A frame without PS steps has only the outputs' way in `finish`; with them it is a small part.
    steps = bool(manifest["ps_steps"])
    return DriverTime(
        python_us=max(whole - way_in - finish - between, 0.0), input_us=way_in,
        output_us=0.0 if steps else finish, kernels_us=finish if steps else 0.0,
        between_us=between, pl_us=pl_us,
    )  # fmt: skip


def _least(work: Callable[[], object], rounds: int) -> float:
    """Microseconds of this thread's processor time, the least of all rounds: other programs take
    the processor away, which is not counted, and spoil caches and clocks, which only adds."""
    spent = []
    for _ in range(rounds):
        begin = time.thread_time_ns()
        work()
        spent.append(time.thread_time_ns() - begin)
    return 1e-3 * min(spent)


def main(
    model: Annotated[str, typer.Argument(metavar="MODEL|DIR", help="A model, or a package.")],
    board: Annotated[str, typer.Option("--board", help="Board of a model.")] = DEFAULT_BOARD,
    fc_on: Annotated[str, typer.Option("--fc-on", help="As of build.")] = "auto",
) -> None:
    """The driver's own time per frame on this machine, beside the PL's frame."""
    with scratch_directory() as scratch:
        where = Path(model)
        if where.is_dir():
            compiled, _ = open_package(where)
            where = scratch / "package"
            copy_to_run(Path(model), where)
        else:
            where = scratch / "package"
            compiled = compile(model, target(board), fc_on=fc_on)
            build(compiled, where, program_only=True)
        numbers = estimated(compiled)
        found = driver_time(where, 1e6 * numbers.ps.pl_seconds)
    for name, value in asdict(found).items():
        typer.echo(f"{name.removesuffix('_us'):8} {value:10.1f} us")
    typer.echo(
        f"own      {found.own_us:10.1f} us, {found.share:.1%} of the PL's frame (this machine)"
    )


if __name__ == "__main__":
    guarded(lambda: lambda: typer.run(main))
