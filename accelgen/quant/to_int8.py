"""The rewrite: float graph and scales in, int8 graph out. Both ways into int8 pass here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from accelgen.errors import AccelgenError
from accelgen.ir import Graph, Node, Quantization, ops
from accelgen.ir.elementwise import is_uniform
from accelgen.ir.ps_ops import QUnpool
from accelgen.ir.wide import widened
from accelgen.quant.compose_tables import compose_tables, drop_unread
from accelgen.quant.draft import Draft, Given, sources_of
from accelgen.quant.elementwise import Curve, function_of
from accelgen.quant.fusion import complete, fused_clips
from accelgen.quant.ps_ops import PS_RULES, int8_softmax
from accelgen.quant.scales import add_factors, sum_factors
from accelgen.quant.steps import steps_of
from accelgen.quant.tables import clip_limits, rescale_table
from accelgen.quant.weights import (
    ACC_BITS,
    Integers,
    Steps,
    check_bias,
    fold,
    given_integers,
    integers_of,
)

__all__ = ["Rewritten", "rewrite", "to_int8"]


def to_int8(
    graph: Graph,
    quantization: Mapping[str, Quantization],
    given: Given | None = None,
    acc_bits: int = ACC_BITS,
) -> Graph:
    """Rewrite a float graph to int8.

    Parameters
    ----------
    graph : Graph
        Float, as the passes leave it.
    quantization : mapping of tensor to Quantization
        Scale of every activation tensor, but those a fused clip swallows: a Conv2d or Add whose
        only reader is a clip is fused with it when its own output has no scale (or the same).
        Missing scales are taken through MaxPool, Concat, Select and Upsample from a neighbour.
    given : Given, optional
        Weights, weight scales and biases to use as they are; others are made here.
    acc_bits : int
        Weights made here keep accumulator plus bias within so many bits.

    Returns
    -------
    Graph
        Tensors keep their names. Rescaling tables are inserted where a Concat's input, or the
        output of a MaxPool, Select or Upsample, has another scale.

    Raises
    ------
    QuantizationError
        A scale is missing, or scales do not fit each other.
    """
    return rewrite(graph, quantization, given, acc_bits).graph


@dataclass(frozen=True)
class Rewritten:
    """An int8 graph; the integers of each convolution by the name of its node; and the scales that
    were taken from ``missing``."""

    graph: Graph
    integers: Mapping[str, Integers]
    filled: Mapping[str, Quantization]


def rewrite(
    graph: Graph,
    quantization: Mapping[str, Quantization],
    given: Given | None = None,
    acc_bits: int = ACC_BITS,
    missing: Mapping[str, Quantization] | None = None,
    *,
    wide: bool = False,
) -> Rewritten:
    """As :func:`to_int8`, with what else is known then. ``missing``: scales for tensors that need
    one and have none. ``wide``: last layers leave their sums (:mod:`accelgen.ir.wide`), but where
    a file rounds them."""
    graph = drop_unread(graph)
    draft = Draft(graph, complete(graph, quantization), given, acc_bits, missing)
    for name in graph.inputs:
        draft.type_of(name, name)
    clips = fused_clips(graph, draft.scales)
    swallowed = {clip.name for clip in clips.values()}
    for node in graph.nodes:
        clip = clips.get(node.name)
        try:
            if node.name not in swallowed and not _elementwise(draft, node, clip):
                for name in node.inputs:
                    _settle(draft, name)
                _RULES[type(node.op)](draft, node, clip)
        except AccelgenError as error:
            error.node = error.node or node.name
            raise
    for output in graph.outputs:
        if output not in draft.tensors:
            draft.scale(output)  # raises: nothing rounded it
    nodes = tuple(draft.nodes)
    result = graph.with_nodes(nodes, tensors=draft.tensors, constants=draft.constants)
    result = compose_tables(result)
    if wide:
        result = widened(result, steps_of(result, draft.integers, draft.from_file))
    return Rewritten(result, draft.integers, draft.filled)


#: A function is known of so many tensors before it: more only cost time in long chains.
_MOST_ROOTS = 16

Rule = Callable[[Draft, Node, Node | None], None]


def _limits(node: Node, clip: Node | None, y: Quantization) -> dict[str, int]:
    """low and high of an operation and the clip after it."""
    if clip is None:
        return {}
    assert isinstance(clip.op, ops.Activation)
    low, high = clip.op.params
    q_low, q_high = clip_limits(low, high, y)
    return {"low": q_low, "high": q_high}


def _elementwise(draft: Draft, node: Node, clip: Node | None) -> bool:
    """Make a table of ``node``, or a part of one if its output has no scale; False if it is none.

    The table starts at the nearest tensor all inputs are functions of, and rounds where the
    model rounds: x * sigmoid(x) with a scale between the two is rounded there, too.
    """
    conv = isinstance(node.op, ops.Conv2d)
    if conv and is_uniform(draft.graph, node) and _is_given(draft, node):
        _integers(draft, node, (clip or node).output)
    function = function_of(draft.graph, node, draft.integers.get(node.name))
    above = [draft.roots.get(name, {}) for name in (node.inputs[:1] if conv else node.inputs)]
    common = [root for root in above[0] if all(root in others for others in above)]
    if function is None or not common:
        return False
    parts, last = sources_of(node), node
    curves = {r: Curve.of(function, [a[r] for a in above], parts) for r in common}
    if clip is not None:
        limit, last = function_of(draft.graph, clip), clip
        assert limit is not None
        curves = {r: Curve.of(limit, [c], sources_of(clip)) for r, c in curves.items()}
    if last.output in draft.missing and not _goes_on(draft.graph, last.output):
        draft.scale(last.output)
    if last.output not in draft.scales:
        draft.roots[last.output] = curves
        return True
    y = draft.scale(last.output)
    curves = {root: curve.rounded(y) for root, curve in curves.items()}
    nearest = common[0]
    whole = replace(node, output=last.output, sources=curves[nearest].sources)
    draft.add_table(whole, nearest, curves[nearest].integers, node.name)
    # A table that starts further up stands for the nodes of this one, too.
    further = dict(list(curves.items())[:_MOST_ROOTS])
    draft.roots[last.output] |= further
    return True


def _is_given(draft: Draft, node: Node) -> bool:
    """Whether a convolution's weights are integers in the file. A table has no use for integers
    made here: their bias, rounded to steps of the sums, would be less exact than the table."""
    return node.inputs[0] in draft.scales and node.inputs[1] in draft.given.weights


def _settle(draft: Draft, tensor: str) -> None:
    """Make the table of a function that went on without a scale, now that more than a function
    reads it."""
    if tensor in draft.tensors or tensor not in draft.roots:
        return
    y, maker = draft.scale(tensor), draft.graph.producer(tensor)
    assert maker is not None
    nearest, curve = next(iter(draft.roots[tensor].items()))
    table = curve.rounded(y).integers
    draft.add_table(replace(maker, sources=curve.sources), nearest, table, maker.name)


def _goes_on(graph: Graph, tensor: str) -> bool:
    """Whether all that is made of ``tensor`` are functions of its numbers again."""
    return tensor not in graph.outputs and all(
        isinstance(reader.op, ops.Activation)
        or is_uniform(graph, reader)
        or (isinstance(reader.op, ops.Mul) and _same_shapes(graph, reader))
        for reader in graph.readers(tensor)
    )


def _same_shapes(graph: Graph, node: Node) -> bool:
    return len({graph.tensors[name].shape for name in node.inputs}) == 1


def _integers(draft: Draft, node: Node, output: str) -> Integers:
    """Weights and bias of a convolution, as given or made here: where its input has no scale in the
    file, samples make one, of any size, and given weights may be too fine for their bias then.
    Raises QuantizationError where scales that a file has, of input and ``output``, lose the bias.
    """
    x_name, w_name, b_name = node.inputs
    where, x, given = f"node {node.name!r}", draft.scale(x_name), draft.given
    weight, bias = draft.graph.constants[w_name], draft.graph.constants[b_name]
    steps, integers = _bias_steps(given, b_name), None
    if w_name in given.weights:
        integers = given_integers(
            given.weights[w_name], given.weight_scales[w_name], bias, steps, x, where,
            draft.acc_bits if x_name in draft.filled else 0,
        )  # fmt: skip
    if integers is None:
        integers = integers_of(weight, bias, x, where, draft.acc_bits)
    taken = steps is not None and np.array_equal(steps.values, integers.bias)
    if not taken and draft.from_file(x_name) and draft.from_file(output):
        check_bias(bias, integers, draft.scale(output), where)
    draft.integers[node.name] = integers
    return integers


def _bias_steps(given: Given, name: str) -> Steps | None:
    """Bias ``name`` as the file has it, with its scale."""
    if name not in given.biases:
        return None
    return Steps(given.biases[name], given.bias_scales.get(name))


def _conv2d(draft: Draft, node: Node, clip: Node | None) -> None:
    assert isinstance(node.op, ops.Conv2d)
    x_name = node.inputs[0]
    x, y = draft.scale(x_name), draft.scale((clip or node).output)
    integers = _integers(draft, node, (clip or node).output)
    folded, multiplier, shift = fold(integers, x, y, f"node {node.name!r}")
    op = ops.QConv2d(
        kernel=node.op.kernel, stride=node.op.stride, dilation=node.op.dilation,
        pads=node.op.pads, groups=node.op.groups, insert=(1, 1), input_zero=x.zero_point,
        output_zero=y.zero_point, wide=False, **_limits(node, clip, y),
    )  # fmt: skip
    inputs = (
        x_name,
        draft.constant(f"{node.name}/weight", integers.weight),
        draft.constant(f"{node.name}/bias", folded),
        draft.constant(f"{node.name}/multiplier", multiplier),
        draft.constant(f"{node.name}/shift", shift),
    )
    draft.add(node, op, inputs, clip)


def _add(draft: Draft, node: Node, clip: Node | None) -> None:
    a, b = (draft.scale(name) for name in node.inputs)
    y = draft.scale((clip or node).output)
    factors = add_factors(a, b, y, f"node {node.name!r}")
    assert isinstance(node.op, ops.Add)
    multiplier_b, offset = factors.multiplier_b, factors.offset
    if node.op.minus:  # b's zero point, which the offset takes away, comes with the other sign
        offset += 2 * b.zero_point * multiplier_b
        multiplier_b = -multiplier_b
    op = ops.QAdd(
        multiplier_a=factors.multiplier_a, multiplier_b=multiplier_b,
        offset=offset, shift=factors.shift, output_zero=y.zero_point,
        **_limits(node, clip, y),
    )  # fmt: skip
    draft.add(node, op, node.inputs, clip)


def _max_pool(draft: Draft, node: Node, clip: Node | None) -> None:
    assert isinstance(node.op, ops.MaxPool)
    op = ops.QMaxPool(
        kernel=node.op.kernel, stride=node.op.stride, dilation=node.op.dilation, pads=node.op.pads
    )  # fmt: skip
    _keeping_scale(draft, node, op, "pooled")


def _select(draft: Draft, node: Node, clip: Node | None) -> None:
    assert isinstance(node.op, ops.Select)
    _keeping_scale(draft, node, ops.QSelect(channels=node.op.channels), "selected")


def _upsample(draft: Draft, node: Node, clip: Node | None) -> None:
    assert isinstance(node.op, ops.Upsample)
    _keeping_scale(draft, node, ops.QUpsample(factor=node.op.factor), "upsampled")


def _insert(draft: Draft, node: Node, clip: Node | None) -> None:
    assert isinstance(node.op, ops.Insert)
    zero = draft.scale(node.inputs[0]).zero_point
    _keeping_scale(draft, node, ops.QInsert(factor=node.op.factor, value=zero), "inserted")


def _border(draft: Draft, node: Node, clip: Node | None) -> None:
    assert isinstance(node.op, ops.Border)
    op = ops.QBorder(pads=node.op.pads, mode=node.op.mode)
    _keeping_scale(draft, node, op, "bordered")


def _keeping_scale(draft: Draft, node: Node, op: ops.Op, suffix: str) -> None:
    """``op`` on the input's scale, and a table after it where the output has another."""
    x, y = draft.scale(node.inputs[0]), draft.scale(node.output)
    if x == y:
        draft.add(node, op, node.inputs)
        return
    before = draft.names.fresh(f"{node.output}/{suffix}")
    draft.type_of(before, node.output, x)
    draft.nodes.append(replace(node, op=op, output=before, sources=sources_of(node)))
    draft.add_table(node, before, rescale_table(x, y), draft.names.fresh(f"{node.name}/rescale"))


def _average(draft: Draft, node: Node, count: int) -> dict[str, int]:
    """Fields of the two averaging operations over ``count`` pixels."""
    x, y = draft.scale(node.inputs[0]), draft.scale(node.output)
    multiplier, shift = sum_factors(x.scale / (y.scale * count), f"node {node.name!r}")
    return {
        "input_zero": x.zero_point,
        "output_zero": y.zero_point,
        "multiplier": int(multiplier),
        "shift": int(shift),
    }


def _avg_pool(draft: Draft, node: Node, clip: Node | None) -> None:
    assert isinstance(node.op, ops.AvgPool)
    kernel, stride, pads = node.op.kernel, node.op.stride, node.op.pads
    fields = _average(draft, node, kernel[0] * kernel[1])
    draft.add(node, ops.QAvgPool(kernel=kernel, stride=stride, pads=pads, **fields), node.inputs)


def _on_ps(draft: Draft, node: Node, clip: Node | None) -> None:
    op = PS_RULES[type(node.op)](draft, node)
    if op.keeps_scale or isinstance(op, QUnpool):
        _keeping_scale(draft, node, op, "kept")
    else:
        draft.add(node, op, node.inputs)


def _global_avg_pool(draft: Draft, node: Node, clip: Node | None) -> None:
    _, height, width, _ = draft.graph.tensors[node.inputs[0]].shape
    fields = _average(draft, node, height * width)
    draft.add(node, ops.QGlobalAvgPool(wide=False, **fields), node.inputs)


def _concat(draft: Draft, node: Node, clip: Node | None) -> None:
    y = draft.scale(node.output)
    inputs = []
    for name in node.inputs:
        x, moved = draft.scale(name), draft.names.of_part(name, f"/for/{node.name}")
        if x == y:
            inputs.append(name)
            continue
        if moved not in draft.tensors:
            draft.type_of(moved, name, y)
            table = draft.constant(f"{moved}/table", rescale_table(x, y))
            draft.nodes.append(
                Node(name=moved, op=ops.QTable(), inputs=(name, table), output=moved,
                     sources=sources_of(node))
            )  # fmt: skip
        inputs.append(moved)
    draft.add(node, ops.QConcat(), tuple(inputs))


def _mul(draft: Draft, node: Node, clip: Node | None) -> None:
    (x, s), y = (draft.scale(name) for name in node.inputs), draft.scale(node.output)
    multiplier, shift = sum_factors(x.scale * s.scale / y.scale, f"node {node.name!r}")
    factor = {"multiplier": int(multiplier), "shift": int(shift), "output_zero": y.zero_point}
    op: ops.Op = ops.QMul(a_zero=x.zero_point, b_zero=s.zero_point, **factor)
    shapes = [draft.graph.tensors[name].shape for name in node.inputs]
    if shapes[1] == (1, 1, 1, shapes[0][3]):
        op = ops.QScale(x_zero=x.zero_point, s_zero=s.zero_point, **factor)
    draft.add(node, op, node.inputs)


def _softmax(draft: Draft, node: Node, clip: Node | None) -> None:
    draft.scale(node.inputs[0])
    if draft.graph.readers(node.output):
        draft.add(node, int8_softmax(draft, node), node.inputs)
        return
    draft.tensors[node.output] = draft.graph.tensors[node.output]
    draft.nodes.append(replace(node, sources=sources_of(node)))


_RULES: dict[type, Rule] = {
    ops.Conv2d: _conv2d,
    ops.Add: _add,
    ops.MaxPool: _max_pool,
    ops.AvgPool: _avg_pool,
    ops.GlobalAvgPool: _global_avg_pool,
    ops.Concat: _concat,
    ops.Select: _select,
    ops.Upsample: _upsample,
    ops.Insert: _insert,
    ops.Border: _border,
    ops.Mul: _mul,
    ops.Softmax: _softmax,
    **dict.fromkeys(PS_RULES, _on_ps),
}
