"""PS steps of a program through the C library."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.arch import ArchParams
from accelgen.errors import ToolError
from accelgen.ir import Graph, Node
from accelgen.ir.offload import is_dense
from accelgen.ir.ops import QAdd, QConv2d, QGlobalAvgPool, QScale, QTable, Softmax
from accelgen.program.layout import pack_tensor
from accelgen.program.records import Placement, Program
from accelgen.ps import kernels
from accelgen.ps.kernels import Call, Layout, Requant
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
    make = _CALLS.get(type(node.op))
    if make is None or (isinstance(node.op, QConv2d) and not is_dense(node, graph)):
        raise ToolError(
            f"node '{node.name}' ({type(node.op).__name__}): the processor's library has no kernel "
            "for it; leave it on the PL"
        )
    inputs = [graph.constants[n] if n in graph.constants else values[n] for n in node.inputs]
    return make(graph, node, inputs)


def _flat(x: Tensor) -> Tensor:
    """(pixels, channels)."""
    return x.reshape(-1, x.shape[-1])


def _dense(graph: Graph, node: Node, inputs: list[Tensor]) -> list[Call]:
    x, weight, bias, multiplier, shift = inputs
    assert isinstance(node.op, QConv2d)
    q = Requant.of(node.op, bias, multiplier, shift)
    return [kernels.dense(x.reshape(1, -1), weight.reshape(len(weight), -1), q)]


def _average(graph: Graph, node: Node, inputs: list[Tensor]) -> list[Call]:
    assert isinstance(node.op, QGlobalAvgPool)
    return [kernels.average(node.op, _flat(inputs[0]))]


def _table(graph: Graph, node: Node, inputs: list[Tensor]) -> list[Call]:
    return [kernels.table(inputs[0], inputs[1])]


def _add(graph: Graph, node: Node, inputs: list[Tensor]) -> list[Call]:
    assert isinstance(node.op, QAdd)
    return [kernels.add(node.op, *inputs)]


def _scale(graph: Graph, node: Node, inputs: list[Tensor]) -> list[Call]:
    assert isinstance(node.op, QScale)
    return [kernels.scale(node.op, _flat(inputs[0]), inputs[1])]


def _softmax(graph: Graph, node: Node, inputs: list[Tensor]) -> list[Call]:
    """Pixel after pixel, each over its channels."""
    rows = _flat(inputs[0])
    if rows.dtype != np.int8:
        return [kernels.softmax(row) for row in rows]
    quantization = graph.tensors[node.inputs[0]].quantization
    assert quantization is not None
    return [kernels.softmax_int8(row, quantization) for row in rows]


_CALLS: dict[type, Callable[[Graph, Node, list[Tensor]], list[Call]]] = {
    QConv2d: _dense,
    QGlobalAvgPool: _average,
    QTable: _table,
    QAdd: _add,
    QScale: _scale,
    Softmax: _softmax,
}
