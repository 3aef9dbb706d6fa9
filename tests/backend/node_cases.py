"""The onnx package's node tests, in the form that accelgen reads: float, static, one frame.

A node test is a model of one operator (or of what the operator expands to) with inputs and the
outputs that they must give. Here its first input stays an input, the others become constants. What
has a batch keeps its first frame; a lane-wise operator's input, whatever its shape, becomes
(1, ...). Left out: a test whose first input is no float tensor, and one that takes frames apart or
mixes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases
from onnx.reference import ReferenceEvaluator

from accelgen.errors import AccelgenError
from accelgen.flow.network import read_network
from accelgen.frontend.registry import IMPORTERS
from accelgen.golden.interpret import interpret
from accelgen.golden.outputs import model_outputs
from accelgen.ir.activations import BY_ONNX

__all__ = ["NodeCase", "judge", "node_cases"]

#: Some expected numbers are printed with four decimals: ONNX's own backend tests allow this.
RTOL, ATOL = 1e-3, 1e-5
#: Operators whose outputs' pixels see one pixel each, at the same place.
LANE_WISE = {kind.onnx for kind in BY_ONNX.values()} | {
    "Abs", "Add", "Cast", "Clip", "Div", "Dropout", "Gelu", "Identity", "Max", "Min", "Mul", "Neg",
    "Pow", "Sqrt", "Sub", "Sum", "Swish",
}  # fmt: skip
#: First axis is no batch: frames cannot be taken apart.
_NO_BATCH = {"Concat", "Flatten", "Gather", "Reshape", "Slice", "Split", "Squeeze", "Transpose",
             "Unsqueeze"}  # fmt: skip


_REDUCING = {"ArgMax", "ArgMin", "ReduceMax", "ReduceMean", "ReduceSum", "Softmax"}


@dataclass(frozen=True)
class NodeCase:
    """A model of one input, what it is given and what it must give."""

    name: str
    model: onnx.ModelProto
    x: np.ndarray
    outputs: tuple[np.ndarray, ...]


def node_cases() -> Iterator[NodeCase]:
    """All node tests of operators that accelgen has an importer for."""
    known = set(IMPORTERS) | {"Constant"}
    with np.errstate(all="ignore"):  # the package's own sums overflow here and there, on purpose
        cases = collect_testcases(None)
    for case in cases:
        operators = {node.op_type for node in case.model.graph.node}
        if not operators <= known or any(node.domain for node in case.model.graph.node):
            continue
        if "MeanVarianceNormalization" in operators:  # a mean over three images, not of one
            continue
        inputs, outputs = case.data_sets[0]
        if not all(isinstance(a, np.ndarray) for a in (*inputs, *outputs)):
            continue
        if not inputs or inputs[0].dtype != np.float32 or inputs[0].size == 0:
            continue
        single = _single(case.name, case.model, list(inputs), list(outputs), operators)
        if single.x.shape[:1] == (1,):
            yield single


def _single(
    name: str,
    model: onnx.ModelProto,
    inputs: list[np.ndarray],
    outputs: list[np.ndarray],
    operators: set[str],
) -> NodeCase:
    """The case with one frame of one input."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    graph = changed.graph
    first = inputs[0]
    rank, batch = first.ndim, first.shape[0] if first.ndim else 1
    if operators <= LANE_WISE and (rank == 0 or batch != 1 or rank < 2):
        inputs = [_one_more(a, rank) for a in inputs]
        outputs = [_one_more(a, rank) for a in outputs]
    elif rank >= 2 and batch != 1 and not operators & _NO_BATCH:
        inputs = [first[:1], *inputs[1:]]
        outputs = [a[:1] if a.ndim and a.shape[0] == batch else a for a in outputs]
    names = [value.name for value in graph.input]
    constants = [
        numpy_helper.from_array(np.ascontiguousarray(a), n)
        for n, a in zip(names[1:], inputs[1:], strict=True)
    ]
    _reshape(graph.input[0], inputs[0].shape)
    del graph.input[1:]
    graph.initializer.extend(constants)
    for value, array in zip(graph.output, outputs, strict=True):
        _reshape(value, array.shape)
    if rank >= 2 and batch != 1 and operators & _REDUCING:
        # Of one frame it is another number.
        outputs = ReferenceEvaluator(changed).run(None, {names[0]: inputs[0]})
    return NodeCase(name, changed, inputs[0], tuple(outputs))


def _one_more(array: np.ndarray, rank: int) -> np.ndarray:
    """With a batch of one in front, unless it is a constant that fits all ranks."""
    return array[None] if array.ndim == rank and rank else array.reshape(1, *array.shape)


def _reshape(value: onnx.ValueInfoProto, shape: tuple[int, ...]) -> None:
    """Give a value of the graph this shape."""
    kind = value.type.tensor_type
    del kind.shape.dim[:]
    for size in shape:
        kind.shape.dim.add().dim_value = size


def judge(case: NodeCase) -> str:
    """``"equal"``, or the sentence with which accelgen refuses the case.

    Raises AssertionError when the golden model gives something else than ONNX says.
    """
    try:
        imported = read_network(case.model)
    except AccelgenError as error:
        return str(error)
    graph = imported.graph
    x, shape = case.x, graph.tensors[graph.input].shape
    if imported.input_layout == "nchw":
        _, h, w, c = shape
        x = x.reshape(1, c, h, w).transpose(0, 2, 3, 1)
    given = model_outputs(graph, interpret(graph, x.reshape(shape)))
    for (name, got), want in zip(given.items(), case.outputs, strict=True):
        assert got.shape == want.shape, (case.name, name, got.shape, want.shape)
        np.testing.assert_allclose(got, want, rtol=RTOL, atol=ATOL, err_msg=case.name)
    return "equal"
