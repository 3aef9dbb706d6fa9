"""Which ONNX operators are read, by whom, and which attributes each may have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from accelgen.errors import UnsupportedOpError
from accelgen.frontend import (
    channels,
    conditions,
    convolution,
    deform,
    elementwise,
    expand,
    lengths,
    norms,
    padding,
    pooling,
    quantized,
    rearrange,
    resize,
    shapes,
    transposed,
    unpool,
)
from accelgen.frontend.builder import GraphBuilder, Value
from accelgen.frontend.lines import on_lines
from accelgen.frontend.onnx_node import OnnxNode
from accelgen.frontend.ways_out import domain_way_out, way_out
from accelgen.ir.activations import BY_ONNX, COMPARISONS

__all__ = ["DOMAINS", "IMPORTERS", "find_importer"]

DOMAINS = ("", "ai.onnx")


#: Makes what the node's outputs stand for: the first's, or a list.
Importer = Callable[[GraphBuilder, OnnxNode], Value | Sequence[Value]]


@dataclass(frozen=True)
class Entry:
    """An importer and the attributes it honours, checks, or may leave alone."""

    read: Importer
    attributes: frozenset[str]


def _entry(read: Importer, attributes: str = "") -> Entry:
    return Entry(read, frozenset(attributes.split()))


_POOL = "auto_pad ceil_mode dilations kernel_shape pads strides"

IMPORTERS: dict[str, Entry] = {
    **{
        kind.onnx: _entry(elementwise.import_activation, " ".join(a for a, _ in kind.attributes))
        for kind in BY_ONNX.values()
    },
    **{name: _entry(conditions.import_comparison) for name in COMPARISONS},
    "Add": _entry(elementwise.import_add),
    **{name: _entry(conditions.import_logic) for name in ("And", "Or")},
    "ArgMax": _entry(shapes.import_arg, "axis keepdims select_last_index"),
    "ArgMin": _entry(shapes.import_arg, "axis keepdims select_last_index"),
    "AveragePool": _entry(on_lines(pooling.import_average_pool), f"{_POOL} count_include_pad"),
    "BatchNormalization": _entry(
        # momentum only matters in training.
        convolution.import_batch_normalization, "epsilon momentum spatial training_mode",
    ),
    "Cast": _entry(shapes.import_cast, "to saturate"),
    "Clip": _entry(elementwise.import_clip, "min max"),
    "Concat": _entry(shapes.import_concat, "axis"),
    "Conv": _entry(
        on_lines(convolution.import_conv), "auto_pad dilations group kernel_shape pads strides"
    ),
    "ConvTranspose": _entry(
        transposed.import_conv_transpose,
        "auto_pad dilations group kernel_shape output_padding output_shape pads strides",
    ),
    "DeformConv": _entry(
        deform.import_deform_conv, "dilations group kernel_shape offset_group pads strides"
    ),
    "DepthToSpace": _entry(rearrange.import_depth_to_space, "blocksize mode"),
    "DequantizeLinear": _entry(quantized.import_dequantize, "axis block_size output_dtype"),
    "Div": _entry(elementwise.import_div),
    # ratio and seed only matter in training.
    "Dropout": _entry(shapes.import_dropout, "ratio seed"),
    "Expand": _entry(expand.import_expand),
    "Flatten": _entry(shapes.import_flatten, "axis"),
    "Gather": _entry(channels.import_gather, "axis"),
    "Gelu": _entry(elementwise.import_gelu, "approximate"),
    "Gemm": _entry(convolution.import_gemm, "alpha beta transA transB"),
    "GlobalAveragePool": _entry(on_lines(pooling.import_global_average_pool)),
    "GlobalMaxPool": _entry(on_lines(pooling.import_global_max_pool)),
    "GroupNormalization": _entry(
        norms.import_group_normalization, "epsilon num_groups stash_type"
    ),
    "Identity": _entry(shapes.import_identity),
    "InstanceNormalization": _entry(norms.import_instance_normalization, "epsilon"),
    "LRN": _entry(norms.import_lrn, "alpha beta bias size"),
    "LayerNormalization": _entry(norms.import_layer_normalization, "axis epsilon stash_type"),
    "LpNormalization": _entry(lengths.import_lp_normalization, "axis p"),
    "MatMul": _entry(convolution.import_matmul),
    "Max": _entry(elementwise.import_minmax),
    "MaxPool": _entry(unpool.import_pool_and_indices, f"{_POOL} storage_order"),
    "MaxUnpool": _entry(unpool.import_max_unpool, "kernel_shape pads strides"),
    "MeanVarianceNormalization": _entry(norms.import_mean_variance_normalization, "axes"),
    "Min": _entry(elementwise.import_minmax),
    "Mul": _entry(elementwise.import_mul),
    "Neg": _entry(elementwise.import_neg),
    "Not": _entry(conditions.import_not),
    "PRelu": _entry(elementwise.import_prelu),
    "Pad": _entry(padding.import_pad, "mode pads value"),
    "Pow": _entry(elementwise.import_pow),
    "QuantizeLinear": _entry(quantized.import_quantize, "axis block_size output_dtype saturate"),
    "ReduceMax": _entry(pooling.import_reduce, "axes keepdims noop_with_empty_axes"),
    "ReduceMean": _entry(pooling.import_reduce, "axes keepdims noop_with_empty_axes"),
    "ReduceSum": _entry(pooling.import_reduce, "axes keepdims noop_with_empty_axes"),
    "Relu": _entry(elementwise.import_activation),
    "Reshape": _entry(shapes.import_reshape, "allowzero"),
    "Resize": _entry(
        # Of modes that are not nearest, and of exclude_outside: refused, or without effect.
        resize.import_resize,
        "antialias axes coordinate_transformation_mode cubic_coeff_a exclude_outside"
        " extrapolation_value keep_aspect_ratio_policy mode nearest_mode",
    ),
    "Shape": _entry(shapes.import_shape, "start end"),
    "Slice": _entry(channels.import_slice, "axes ends starts"),
    "Softmax": _entry(elementwise.import_softmax, "axis"),
    "SpaceToDepth": _entry(rearrange.import_space_to_depth, "blocksize mode"),
    "Split": _entry(channels.import_split, "axis num_outputs split"),
    "Sqrt": _entry(elementwise.import_sqrt),
    "Squeeze": _entry(shapes.import_squeeze, "axes"),
    "Sub": _entry(elementwise.import_sub),
    "Sum": _entry(elementwise.import_add),
    "Swish": _entry(elementwise.import_swish, "alpha"),
    "Tile": _entry(expand.import_tile),
    "Transpose": _entry(shapes.import_transpose, "perm"),
    "Unsqueeze": _entry(shapes.import_unsqueeze, "axes"),
    "Upsample": _entry(resize.import_upsample, "mode scales"),
    "Where": _entry(conditions.import_where),
}  # fmt: skip


def find_importer(node: OnnxNode) -> Importer:
    """The importer of ``node``'s operator.

    Raises
    ------
    UnsupportedOpError
        Another domain, an operator without importer, or an attribute it does not know.
    """
    if node.domain not in DOMAINS:
        raise node.rejected(
            f"is of domain '{node.domain}', which is not built",
            domain_way_out(node.domain),
        )
    entry = IMPORTERS.get(node.op_type)
    if entry is None:
        raise UnsupportedOpError(
            f"node '{node.name}' is {node.op_type}, which accelgen does not build;"
            f" {way_out(node.op_type)}",
            node=node.name,
        )
    for attribute, value in node.attributes.items():
        if attribute not in entry.attributes:
            raise node.unsupported(attribute, value, "remove this attribute")
    return entry.read
