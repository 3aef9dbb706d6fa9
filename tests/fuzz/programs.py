"""What a case's programs compute, command by command, beside the golden model."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

import numpy as np

from accelgen.golden.interpret import interpret
from accelgen.program import Program
from accelgen.simulation.functional import run_functional
from tests.fuzz.compare import FaultError

__all__ = ["check_programs"]

#: Numbers of a program's tensors above which it is not run: it would take too long.
_MOST_NUMBERS = 300_000


def check_programs(parts: Iterable[Program]) -> None:
    """Raise unless every output of each of ``parts`` is the golden model's, of any pixels.

    One that begins with several tensors, behind work of the host, is not run.
    """
    for program in parts:
        graph = program.graph
        numbers = sum(prod(graph.tensors[name].shape) for name in graph.activations())
        if len(program.inputs) != 1 or numbers > _MOST_NUMBERS:
            continue
        (place,) = program.inputs
        shape = graph.tensors[graph.input].shape
        x = np.random.default_rng(0).integers(-128, 128, shape).astype(np.int8)
        wanted = interpret(graph, x)
        made = run_functional(program, {place.tensor: x[0].reshape(place.shape)})
        for name, got in made.tensors.items():
            wrong = int((got.ravel() != wanted[name].ravel()).sum())
            if wrong:
                raise FaultError("int8 differs", "program", f"{name}: {wrong} numbers")
