"""Where each ONNX operator that is read runs, what is read of it, and what it costs.

docs/operators.md is made of it. Costs are in words; `accelgen estimate` has the numbers of a
network. Limits that depend on the configuration are the compiler's: `accelgen check` asks them.
"""

from __future__ import annotations

from dataclasses import dataclass

from accelgen.ir.activations import BY_ONNX, COMPARISONS

__all__ = ["COSTS", "ENGINES", "Runs"]

#: What the words of the column "cost" mean: P pixels and L channels go through at a time, C are a
#: pixel's input channels.
COSTS = {
    "array": "`ceil(pixels / P) * taps * ceil(C / L)` cycles for L output channels",
    "window": "`ceil(positions / P) * taps` cycles for L channels; behind a convolution that does"
    " as much, nothing",
    "table": "nothing behind a convolution or a pool; else one pass of the map",
    "adder": "nothing behind what makes one of the operands; else one pass of the map",
    "pass": "one pass of the map through the window engine: `ceil(pixels / P)` cycles for L"
    " channels",
    "nothing": "no cycles, no bytes",
    "ps": "the processor's, and a crossing each way: `accelgen estimate` prints both",
}


@dataclass(frozen=True)
class Runs:
    """Where an operator runs, its cost (a key of COSTS), and what of it is read."""

    where: str
    cost: str
    limits: str = ""


_ARRAY, _WINDOW = "PE array", "window engine"
_WEIGHTS = "weights are constants"
_NOTHING = Runs("nothing moves", "nothing")

ENGINES: dict[str, Runs] = {
    **{name: Runs("table of 256", "table") for name in BY_ONNX},
    **{name: Runs("table of 256", "table", "with a constant") for name in COMPARISONS},
    "Add": Runs(
        "residual adder", "adder",
        "maps; vectors, rows, columns and single channels, repeated; a constant per channel",
    ),
    **dict.fromkeys(("And", "Or"), Runs("as Mul", "window", "of conditions of maps")),
    **dict.fromkeys(
        ("ArgMax", "ArgMin"),
        Runs("PS", "ps", "at the end, along any axis; select_last_index honoured"),
    ),
    "AveragePool": Runs(
        f"{_WINDOW}; as GlobalAveragePool; PS where not all padding is counted", "window",
        "dilated (all padding counted): a depthwise convolution"
    ),
    "BatchNormalization": Runs("folded into its neighbour", "nothing", "in inference"),
    "Cast": Runs("nothing moves", "nothing", "from float to float, or of a constant"),
    "Clip": Runs("clamp of the operator before", "nothing", "constant bounds"),
    "Concat": Runs(
        "addresses", "nothing",
        "along channels; elsewhere before what works on each pixel alone, and at the model's end",
    ),
    "Conv": Runs(
        f"{_ARRAY}; depthwise: {_WINDOW}", "array",
        f"2-D, or 1-D as a map of height 1; {_WEIGHTS}; any stride, dilation, group, pads",
    ),
    "ConvTranspose": Runs(
        f"{_ARRAY}: a convolution per place in a block", "array",
        f"{_WEIGHTS}; any stride, pads, output_padding, group, dilation; strides but 2 and 4, and"
        " dilation, read zeros, too",
    ),
    "DeformConv": Runs(
        f"offsets and product: {_ARRAY}; gather: PS", "ps",
        f"{_WEIGHTS}; any stride, pads, dilation, group, offset_group",
    ),
    "DepthToSpace": Runs(
        f"{_ARRAY}: a convolution per place in a block", "array",
        "blocks but those of 2 and 4 read zeros, too",
    ),
    "DequantizeLinear": Runs("the scale of its tensor", "nothing", "scales are constants"),
    "Div": Runs("folded into its neighbour", "nothing", "by a constant; of a constant: a table"),
    "Dropout": _NOTHING,
    "Expand": Runs(
        f"nothing before what broadcasts; else {_WINDOW}, as Resize", "pass",
        "of a single channel, pixel, row or column, by constants",
    ),
    "Flatten": Runs("nothing moves", "nothing", "axis 1"),
    "Gather": Runs("order of weights", "nothing", "of channels, by constants"),
    "Gelu": Runs("table of 256", "table"),
    "Gemm": Runs(
        f"{_ARRAY}, or the PS (`--fc-on`)", "array",
        f"{_WEIGHTS}; transA=0; alpha, beta folded; of more than 15 x 15 pixels the PS"
    ),
    "GlobalAveragePool": Runs("sums on the way out of the step before", "nothing"),
    "GlobalMaxPool": Runs(_WINDOW, "window", "split where the map is over the tap memory"),
    "GroupNormalization": Runs(
        "PS", "ps", "a group of up to 65,536 numbers; scale and bias are folded"
    ),
    "Identity": _NOTHING,
    "InstanceNormalization": Runs(
        "PS", "ps", "of channels, or of groups that a Reshape made; scale and bias are folded"
    ),
    "LRN": Runs(
        "PS", "ps",
        "odd size up to 1,023, alpha, beta and bias from 1e-06 on, bias ** -beta up to 1e30",
    ),
    "LayerNormalization": Runs(
        "PS", "ps",
        "over channels, the pixels of each, or the map, in one node or in pieces; up to 65,536"
        " numbers; scale and bias, per channel, are folded",
    ),
    "LpNormalization": Runs(
        "PS", "ps", "p=2, in one node or in pieces, over channels or all of a map or vector"
    ),
    "MatMul": Runs(f"{_ARRAY}, or the PS (`--fc-on`)", "array", "by a constant matrix"),
    "Max": Runs("clamp", "nothing", "with constants"),
    "MaxPool": Runs(
        _WINDOW, "window", "split where over the tap memory; indices for a MaxUnpool alone"
    ),
    "MaxUnpool": Runs("PS", "ps", "by a MaxPool's indices, kernels one beside the other"),
    "MeanVarianceNormalization": Runs(
        "PS", "ps", "over channels, the pixels of each, or the map; up to 65,536 numbers"
    ),
    "Min": Runs("clamp", "nothing", "with constants"),
    "Mul": Runs(
        f"constants: folded; a map by a vector: {_WINDOW}; two maps: PS", "window",
        "x * sigmoid(x) and its kin are one table",
    ),
    "Neg": Runs("folded into its neighbour", "nothing"),
    "Not": Runs("folded into its neighbour", "nothing", "of conditions of maps"),
    "PRelu": Runs("table of 256; per channel: two tables, a scale, the adder", "table"),
    "Pad": Runs(
        f"zeros: pads of the operator behind; reflect, edge, wrap: {_WINDOW} and adder, a pass per"
        f" side; of channels: {_ARRAY}", "pass", "by constants",
    ),
    "Pow": Runs("table of 256", "table", "by a constant number"),
    "QuantizeLinear": Runs("the scale of its tensor", "nothing", "scales are constants"),
    "ReduceMax": Runs(
        f"{_WINDOW}; over channels: PS", "window", "over any of height, width, channels"
    ),
    "ReduceMean": Runs("as AveragePool, GlobalAveragePool", "window", "over height, width or both"),
    "ReduceSum": Runs("as ReduceMean", "window", "over height, width or both"),
    "Relu": Runs("clamp of the operator before", "nothing"),
    "Reshape": Runs("nothing moves", "nothing", "flattening, axes of size 1, channel shuffles; at"
                    " the model's end any"),
    "Resize": Runs(
        f"nearest by whole numbers: {_WINDOW}; linear: PS", "pass", "by constants; no antialias"
    ),
    "Shape": Runs("computed at compile time", "nothing"),
    "Slice": Runs(
        f"of channels: order of weights; of rows and columns: {_WINDOW}", "pass", "by constants"
    ),
    "Softmax": Runs(
        "PS", "ps",
        "over channels, in one node or in pieces; in float at the end, in integers elsewhere",
    ),
    "SpaceToDepth": Runs(
        f"part of the convolution behind it; else {_ARRAY}", "nothing", "before a convolution"
    ),
    "Split": Runs("order of weights", "nothing", "of channels, and where a Concat joined"),
    "Sqrt": Runs("table of 256", "table", "of what is never negative"),
    "Squeeze": _NOTHING,
    "Sub": Runs("residual adder; constants: folded", "adder"),
    "Sum": Runs("residual adder", "adder"),
    "Swish": Runs("table of 256", "table"),
    "Tile": Runs(
        "of channels: order of weights; else as Expand", "pass",
        "of channels, or of a single pixel, row or column",
    ),
    "Transpose": Runs("nothing moves", "nothing", "order of dimensions; shuffles; at the end any"),
    "Unsqueeze": _NOTHING,
    "Upsample": Runs(f"nearest: {_WINDOW}; linear: PS", "pass", "by constants"),
    "Where": Runs(
        "table of 256, adder where both choices are maps", "table",
        "by conditions of maps; of another tensor than the choice: as Mul",
    ),
}  # fmt: skip
