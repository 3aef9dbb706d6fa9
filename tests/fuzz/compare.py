"""Outputs beside onnxruntime's: names, order, shapes, values, indices; and what a verdict is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

import numpy as np

from accelgen.golden.arith import dequantize_array, quantize_array
from accelgen.golden.norms import by_mean
from accelgen.golden.outputs import model_outputs
from accelgen.ir import Graph, Node, Quantization
from accelgen.ir.elementwise import is_uniform
from accelgen.ir.onehot import moves_pixels
from accelgen.ir.ops import (
    Activation,
    Add,
    Bilinear,
    QAdd,
    QAvgPool,
    QBilinear,
    QConv2d,
    QGlobalAvgPool,
    QTable,
)
from accelgen.ir.ps_ops import (
    Deform,
    LocalNorm,
    Normalize,
    QDeform,
    QNormalize,
    QUnpool,
    Response,
    Unpool,
)
from accelgen.ir.views import Choice
from accelgen.quant import QuantizedModel
from accelgen.quant.draft import sources_of
from accelgen.quant.fusion import fusable_clip
from accelgen.quant.scales import LARGEST_FACTOR, MIN_SCALE

__all__ = [
    "BY_WAY_OF_ONE", "FAILURES", "FUNCTION_ROUNDINGS", "ROUNDING", "STEEPEST", "Chosen",
    "FaultError", "Verdict", "allowed", "chosen", "coarse_scales", "float_tolerance", "outputs",
    "rounding", "same", "squares_overflow", "steepest",
]  # fmt: skip

_SQUARING = LocalNorm | Normalize | Response
#: int8 steps that a table may make of one, where the whole model is compared.
STEEPEST = 32
#: What a case may be beside equal and refused.
FAILURES = (
    "traceback", "hang", "memory", "died", "float differs", "int8 differs", "check disagrees",
    "illegal accepted", "no sentence",
)  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """``kind``: "equal", "refused", "not compared" or one of FAILURES. ``where`` tells causes of
    one kind apart; ``said`` is for the reader."""

    kind: str
    where: str = ""
    said: str = ""

    @property
    def failed(self) -> bool:
        """Whether something is wrong with accelgen."""
        return self.kind in FAILURES

    def to_dict(self) -> dict[str, str]:
        """For a line of JSON."""
        return asdict(self)


class FaultError(Exception):
    """A verdict that ends the judging."""

    def __init__(self, kind: str, where: str, said: str) -> None:
        super().__init__(said)
        self.verdict = Verdict(kind, where, said)


@dataclass(frozen=True)
class Chosen:
    """What an output's indices are chosen of: real numbers, as the model sees them."""

    values: np.ndarray
    choice: Choice

    def at(self, index: np.ndarray) -> np.ndarray:
        """The numbers at ``index``."""
        kept = index if self.choice.keepdims else np.expand_dims(index, self.choice.axis)
        return np.take_along_axis(self.values, kept, self.choice.axis)


def chosen(graph: Graph, values: dict) -> dict[str, Chosen]:
    """Of each output that is an index (ArgMax, ArgMin)."""
    views = graph.model_outputs()
    plain = replace(graph, views=tuple(replace(view, choice=None) for view in views))
    reals = model_outputs(plain, values)
    return {view.name: Chosen(reals[view.name], view.choice) for view in views if view.choice}


#: Probabilities below this are equal here, and not there: softmax takes arguments below -86 as -86
#: (docs/ps.md).
_LEAST_POWER = 1e-37


def same(
    kind: str, got: dict, wanted: dict, atol, rtol: float, of: str = "", *,
    indices: dict[str, Chosen] | None = None, ties: str = "all",
) -> None:  # fmt: skip
    """Names, order, shapes, values. ``atol``: one number, or by output.

    ``indices``: outputs of which those may differ where what they choose is as good. ``ties``:
    which numbers that are equal here are so there, so that the index is the same: "all", "zeros"
    (sums in another order are never equal by chance), or "none".
    """
    of = f" {of}" if of else ""
    if list(got) != list(wanted):
        raise FaultError(kind, f"names{of}", f"{list(got)}, onnxruntime {list(wanted)}")
    for name, want in wanted.items():
        have = got[name]
        if have.shape != want.shape:
            raise FaultError(kind, f"shapes{of}", f"{name}: {have.shape}, {want.shape}")
        most = atol[name] if isinstance(atol, dict) else atol
        if indices and name in indices:
            differs = have != want
            have, want = (indices[name].at(index) for index in (have, want))
            sure = (have == want) & ((have == 0) | (ties == "all")) & (ties != "none")
            sure &= ~((have > 0) & (have < _LEAST_POWER))
            if (differs & sure.reshape(differs.shape)).any():
                raise FaultError(kind, f"index{of}", f"{name}: another of numbers that are equal")
            most *= 2  # either may be off
        if not np.isfinite(want.astype(np.float64)).all():
            continue
        error = np.abs(have.astype(np.float64) - want.astype(np.float64))
        if not (error <= most + rtol * np.abs(want.astype(np.float64))).all():
            largest = np.abs(want.astype(np.float64)).max()
            said = f"{name}: up to {error.max():g}; {most:g} are allowed; largest {largest:g}"
            raise FaultError(kind, f"values{of}", said)


def squares_overflow(graph: Graph, values: dict) -> bool:
    """Whether a sum of squares of a normalization leaves float32: onnxruntime's is infinite then,
    and what it makes of the map nothing; integers know of no such limit."""
    largest = float(np.finfo(np.float32).max)
    maps = [values[n.inputs[0]] for n in graph.nodes if isinstance(n.op, _SQUARING)]
    return any(float(np.abs(m).max(initial=0)) ** 2 * m.size > largest for m in maps)


def float_tolerance(graph: Graph, values: dict) -> float:
    """What an output of the float ``graph`` may be off.

    Sums come in another order: 2e-6 of the largest number on the way, per node. A normalization
    multiplies what its map is off by its :func:`_gain`, which of a flat map is 1 / sqrt(epsilon)
    and more; and what comes of that is multiplied as the numbers are.
    """
    sizes = {name: _size(array) for name, array in values.items()}
    largest = max([1e-3, *sizes.values()])
    seen, off = max(1e-3, sizes[graph.input]), {}
    for k, node in enumerate(graph.nodes):
        x = node.inputs[0]
        before = max(off.get(name, 0) for name in node.inputs)
        if isinstance(node.op, Normalize | Response):
            gain = _gain(node.op, values[x], values[node.output])
            off[node.output] = gain * (_PER_NODE * seen * (k + 2) + before)
        elif before:
            off[node.output] = before * max(1, sizes[node.output] / max(sizes[x], 1e-30))
        seen = max(seen, sizes[node.output])
    return _PER_NODE * largest * (len(graph.nodes) + 2) + max(off.values(), default=0)


#: A dozen roundings of float32.
_PER_NODE = 2e-6


def _size(array: np.ndarray) -> float:
    return float(np.abs(array[np.isfinite(array)]).max(initial=0))


def _gain(op: Normalize | Response, x: np.ndarray, y: np.ndarray) -> float:
    """By how much more a normalization's output may be off than each number of its map.

    Of n numbers with mean m, or about 0,
    ``y = (x - m) / s`` and ``dy[i] / dx[j] = (d[i, j] - 1 / n - y[i] y[j]
    / n) / s``: over j the absolute values sum to ``(2 + |y[i]|) / s`` at most, since |y| is 1 on
    average at most. Of a response ``y = g / m``, g the root of n squares, which is off by sqrt(n)
    of what each is: ``sqrt(n) (1 + |y|) / m``.
    """
    wide, tiny = x.astype(np.float64), float(np.finfo(np.float32).tiny)
    if isinstance(op, Normalize):
        wide = by_mean(op, wide)
        centre = wide.mean((1, 3), keepdims=True) * op.centred
        spread = ((wide - centre) ** 2).mean((1, 3), keepdims=True) + op.epsilon
        spread = spread * (wide.shape[1] * wide.shape[3] if op.unit else 1)
        factors = 1 / np.sqrt(np.maximum(spread, tiny))
        return float((factors * (2 + np.abs(by_mean(op, y)))).max())
    sizes = np.sqrt((wide * wide).sum((1, 2), keepdims=True))
    mean = np.maximum(sizes.mean(3, keepdims=True) + op.epsilon, tiny)
    return float((np.sqrt(x.shape[1] * x.shape[2]) * (1 + np.abs(y)) / mean).max())


def steepest(graph: Graph) -> int:
    """What a step into a table is at most behind it. A layer may be one step off: where a table
    makes a hundred of it, layers can be compared and what comes of them all cannot. A
    normalization makes of it as much as its map is flat, an unpooling puts it elsewhere, a
    deformable convolution takes it from elsewhere."""
    if any(isinstance(n.op, QDeform | QNormalize | QUnpool) for n in graph.nodes):
        return 255
    tables = [graph.constants[n.inputs[1]] for n in graph.nodes if isinstance(n.op, QTable)]
    return max((int(np.abs(np.diff(t.astype(int))).max()) for t in tables), default=0)


def allowed(made: QuantizedModel, node: Node) -> int:
    """Steps that a layer may be off, fed with the same integers ("why at most 1",
    docs/numerics.md): a resize's positions are rounded to 1/2048 of a pixel along both axes, and
    pixels are at most 255 steps of the input apart. Float32's sums are off by :func:`_sum_noise`
    and its functions by :func:`_table_noise`, which is nothing, unless what is left of them is."""
    graph, off = made.graph, _sum_noise(made.graph, node)
    if isinstance(node.op, QTable):
        off = _table_noise(made, node)
    if isinstance(node.op, QBilinear):
        x, y = _ends(graph, node)
        off = 2 * 255 / 4096 * x.scale / y.scale
    return 1 + int(off)


def _ends(graph: Graph, node: Node) -> list[Quantization]:
    """Of what a layer reads and makes."""
    both = [graph.tensors[name].quantization for name in (node.inputs[0], node.output)]
    return [one for one in both if one]


#: Of a number that float32 rounds.
ROUNDING = 2.0**-24


def _sum_noise(graph: Graph, node: Node) -> float:
    """By how many steps onnxruntime's sum in float32 may be off; ours is exact.

    Of n terms ``t = s (q - z)``: each is rounded, once as it is made and once as it is multiplied,
    and so is the sum, each time that a term is added, and once more where it is divided or has a
    bias added: off by ``(n + 3) 2^-24 sum |t|`` at most, and ``|q - z| <= 255``. Steps of the
    output are those times the factor ``M / 2^n`` by which the layer goes to them. A map with a
    mean of 0, a difference of equal maps: the scale is one of float32's noise then (seed 27, case
    11129).
    """
    op = node.op
    if isinstance(op, QConv2d):
        _, weight, bias, multiplier, shift = (graph.constants.get(name) for name in node.inputs)
        taps = weight[0].size
        bias = bias + op.input_zero * weight.astype(float).sum((1, 2, 3))
        sizes = 255 * np.abs(weight.astype(float)).sum((1, 2, 3)) + np.abs(bias)
        return (taps + 3) * ROUNDING * float((sizes * np.ldexp(multiplier * 1.0, -shift)).max())
    if isinstance(op, QAdd):
        factor = abs(op.multiplier_a) + abs(op.multiplier_b)
        return 5 * ROUNDING * 255 * math.ldexp(factor, -op.shift)
    if isinstance(op, QAvgPool | QGlobalAvgPool):
        n = math.prod(graph.tensors[node.inputs[0]].shape[1:3])
        n = math.prod(op.kernel) if isinstance(op, QAvgPool) else n
        return (n + 3) * ROUNDING * 255 * n * math.ldexp(op.multiplier, -op.shift)
    return 0.0


#: Functions that float32 makes by way of numbers of about 1 (a logistic function as 0.5 and an odd
#: part, ``exp(x) - 1``), or that are read so (``1 + erf(x)``). Others are off by a few roundings of
#: themselves. tests/fuzz/test_float32.py measures all of them.
BY_WAY_OF_ONE = frozenset({
    "sigmoid", "swish", "hard_sigmoid", "hard_swish", "tanh", "erf", "elu", "celu", "selu", "gelu",
    "gelu_tanh",
})  # fmt: skip
#: Roundings of 1, of a number that it is multiplied by, or of a parameter, by which onnxruntime's
#: (1.32) are off at most: Sigmoid by 3.0, Tanh by 5.5 of every fourth float32 from 2^-14 to 32.
FUNCTION_ROUNDINGS = 8


def _table_noise(made: QuantizedModel, node: Node) -> float:
    """By how many steps onnxruntime's function in float32 may be off; ours is of float64.

    Of -17.2 a Sigmoid is 3.4e-8, and onnxruntime's 8.9e-8: nothing beside 1, and 400 steps where
    the samples have such numbers alone (seed 31, case 25147).
    """
    ops = [n.op for n in made.float_graph.nodes if {*sources_of(n)} & {*node.sources}]
    found = [op for op in ops if isinstance(op, Activation) and op.kind in BY_WAY_OF_ONE]
    if not found:
        return 0.0
    x, y = _ends(made.graph, node)
    largest = x.scale * (128 + abs(x.zero_point))
    sizes = [abs(p) for op in found for p in op.params]
    return FUNCTION_ROUNDINGS * ROUNDING * max(1.0, largest, *sizes) / y.scale


def coarse_scales(
    graph: Graph, scales: Mapping[str, Quantization], given: Mapping[str, Quantization],
    values: Mapping[str, np.ndarray],
) -> list[str]:  # fmt: skip
    """Tensors whose scale was chosen, is theirs alone, and is coarser than ``values`` need.

    A Concat, and what hands numbers on as they are, shares its scale. What a sum is made of may
    have its sum's, and an Add may not be finer than factors reach (:func:`_reach`).
    """
    shared, least = set(), {n: max(_width(a) / 255, MIN_SCALE) for n, a in values.items()}
    for node in graph.nodes:
        hands_on = node.op.keeps_scale or isinstance(node.op, Bilinear | Deform | Unpool)
        if hands_on or moves_pixels(graph, node) or is_uniform(graph, node):
            shared |= {*node.inputs, node.output}
        if isinstance(node.op, Add):
            output = (fusable_clip(graph, node) or node).output
            least[output] += _reach(node, scales, least[output])
    alone = [n for n in scales if n in values and n not in given and n not in shared]
    return [n for n in alone if scales[n].scale > 1.01 * least[n] and values[n].any()]


def _reach(node: Node, scales: Mapping[str, Quantization], wanted: float) -> float:
    """What an Add's scale, or that of the clip which is one with it, may be above ``wanted``.

    A step of an input is at most LARGEST_FACTOR steps of the output. Where more would be wanted,
    two maps that cancel each other, or one whose scale another tensor has made coarse, the largest
    number is that of the coarsest scale that has a factor, and one percent; the least stays.
    """
    largest = max((scales[n].scale for n in node.inputs if n in scales), default=0)
    return 1.01 * largest / LARGEST_FACTOR if largest > LARGEST_FACTOR * wanted else 0


def _width(numbers: np.ndarray) -> float:
    """Of the range of ``numbers`` and 0."""
    return float(max(numbers.max(), 0)) - float(min(numbers.min(), 0))


def rounding(made: QuantizedModel, steps: float = 0.01) -> dict[str, float]:
    """What each output may be off: ``steps`` of its own; a step, if it was rounded afterwards."""
    found = {}
    for view in made.graph.model_outputs():
        names = [p.tensor for p in view.pieces]
        own = [q.scale for n in names if (q := made.graph.tensors[n].quantization)]
        after = [q.scale for n in names if not own and (q := made.quantization.get(n))]
        found[view.name] = max([1e-4, *(steps * s for s in own), *(1.01 * s for s in after)])
    return found


def outputs(made: QuantizedModel, values: dict) -> tuple[dict, dict[str, Chosen]]:
    """The model's outputs, and of what those that are indices are chosen. A QuantizeLinear behind a
    Softmax is not applied by the host: here it is, so that the two can be compared."""
    for name in {p.tensor for view in made.graph.model_outputs() for p in view.pieces}:
        known = made.quantization.get(name)
        if known is not None and made.graph.tensors[name].quantization is None:
            x = dequantize_array(quantize_array(values[name], known), known)
            values = {**values, name: x}
    return model_outputs(made.graph, values), chosen(made.graph, values)
