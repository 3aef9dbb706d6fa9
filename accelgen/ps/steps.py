"""PS steps of a program through the C library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.arch import ArchParams
from accelgen.errors import ToolError
from accelgen.ir import Graph, Node
from accelgen.program.layout import pack_tensor
from accelgen.program.records import Placement, Program
from accelgen.ps import kernels
from accelgen.ps.kernels import Call, Layout
from accelgen.ps.operators import operator_of
from accelgen.ps.runner import Runner

__all__ = ["node_calls", "run_steps"]

Tensor = npt.NDArray[Any]


def run_steps(program: Program, tensors: Mapping[str, Tensor], runner: Runner) -> dict[str, Tensor]:
    """What the PS adds to what the PL left in DDR: outputs of the program's PS steps, (1, h, w, c).

    Parameters
    ----------
    tensors : mapping
        int8 (h, w, c): the program's outputs (those the PS reads are put back into the feature
        memory's order, for the library to take them from there), and tensors of earlier programs.

    Raises
    ------
    ToolError
        The library has no kernel for a step, or refuses its numbers.
    """
    graph = program.graph
    nodes = {node.name: node for node in graph.nodes}
    places = {p.tensor: p for p in (*program.outputs, *program.inputs)}
    values: dict[str, Tensor] = {}
    made: dict[str, Tensor] = {}
    for step in program.ps_steps:
        for name in step.inputs:
            if name not in values:
                values[name] = _fetch(tensors[name], places[name], program.arch, runner)
        output = _run(graph, nodes[step.node], values, runner)
        values[step.output] = made[step.output] = output
    return made


def _fetch(x: Tensor, place: Placement, arch: ArchParams, runner: Runner) -> Tensor:
    """A map from feature-memory order."""
    h, w, c = place.shape
    layout = Layout(
        pixels=h * w, channels=c, lanes=arch.lanes, groups=place.groups, stride=place.stride,
        slots=place.slots,
    )  # fmt: skip
    data = np.frombuffer(pack_tensor(np.asarray(x, np.int8), place, arch), np.int8)
    (answer,) = runner.run([kernels.from_feature_memory(data, layout)])
    return answer.outputs[0].reshape(1, h, w, c)


def _run(graph: Graph, node: Node, values: Mapping[str, Tensor], runner: Runner) -> Tensor:
    answers = runner.run(node_calls(graph, node, values))
    if any(a.status or a.damaged for a in answers):
        raise ToolError(
            f"node '{node.name}': the processor's library refuses its numbers (status "
            f"{[a.status for a in answers if a.status]})"
        )
    output = np.concatenate([a.outputs[0].reshape(-1) for a in answers])
    return output.reshape(1, *graph.tensors[node.output].shape[1:])


def node_calls(graph: Graph, node: Node, values: Mapping[str, Tensor]) -> list[Call]:
    """Kernel calls that compute ``node``; their outputs, one after the other, are its output.

    Raises ToolError when there is no kernel for it.
    """
    operator = operator_of(node, graph)
    inputs = [graph.constants[n] if n in graph.constants else values[n] for n in node.inputs]
    return operator.calls(node, graph, inputs)
