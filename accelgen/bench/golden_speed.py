"""Pictures per second of the integer golden model on this machine.

``python -m accelgen.bench.golden_speed MODEL``. Every tensor of every picture is made. The pictures
are random numbers, which does not change the time.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

import numpy as np
import typer

from accelgen.ends import guarded
from accelgen.flow.network import load, quantized
from accelgen.golden.interpret import walk
from accelgen.ir import Graph

__all__ = ["golden_speed", "main"]


def golden_speed(
    graph: Graph, *, pictures: int = 32, batch: int = 8, threads: int = 2
) -> tuple[float, float]:
    """Pictures per second, and per second of one processor's time, of an int8 graph.

    ``batch`` pictures go through the network together, ``threads`` of such batches at a time.
    """
    shape = graph.tensors[graph.input].shape[1:]
    rng = np.random.default_rng(0)
    x = rng.integers(-128, 128, (batch, *shape)).astype(np.int8)

    def run(_: int) -> None:
        for _tensor in walk(graph, x):
            pass

    run(0)  # what is loaded and made once
    rounds = -(-pictures // batch)
    begin, spent = time.monotonic(), time.process_time()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(run, range(rounds)))
    made = rounds * batch
    return made / (time.monotonic() - begin), made / (time.process_time() - spent)


def main(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="As of accelgen estimate.")],
    pictures: Annotated[int, typer.Option(min=1, help="At least so many.")] = 32,
    batch: Annotated[int, typer.Option(min=1, help="Pictures that go together.")] = 8,
    threads: Annotated[int, typer.Option(min=1, help="Batches that go at a time.")] = 2,
) -> None:
    """Pictures per second of the integer golden model on this machine."""
    int8, _ = quantized(load(model))
    wall, processor = golden_speed(int8.graph, pictures=pictures, batch=batch, threads=threads)
    typer.echo(f"{wall:.1f} pictures per second, {processor:.1f} per second of processor time")


if __name__ == "__main__":
    guarded(lambda: lambda: typer.run(main))
