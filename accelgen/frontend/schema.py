"""ONNX's own schema of an operator: what a node may have at the model's opset."""

from __future__ import annotations

import onnx

from accelgen.errors import ModelError
from accelgen.frontend.onnx_node import OnnxNode, shown

__all__ = ["check_schema", "check_type"]

#: Opset from which on a negative axis counts from the end.
_NEGATIVE_AXES_SINCE = 11
#: Opset from which on a BatchNormalization in inference has no outputs for training.
_ONE_OUTPUT_SINCE = 14
#: Integers that say yes or no; what another number says, nobody knows: runtimes differ.
_FLAGS = frozenset((
    "allowzero", "antialias", "ceil_mode", "count_include_pad", "exclude_outside", "keepdims",
    "noop_with_empty_axes", "saturate", "select_last_index", "storage_order", "training_mode",
    "transA", "transB",
))  # fmt: skip
#: Fields of an attribute that hold no value, and the one that holds a value of each type.
_ABOUT = {"name", "type", "doc_string", "ref_attr_name"}
_FIELDS = {
    "FLOAT": "f", "INT": "i", "STRING": "s", "INTS": "ints", "FLOATS": "floats", "TENSOR": "t",
    "STRINGS": "strings", "GRAPH": "g", "GRAPHS": "graphs", "SPARSE_TENSOR": "sparse_tensor",
    "TENSORS": "tensors", "SPARSE_TENSORS": "sparse_tensors", "TYPE_PROTO": "tp",
    "TYPE_PROTOS": "type_protos",
}  # fmt: skip
_KINDS = {
    "FLOAT": "a floating point number", "INT": "an integer", "STRING": "a string",
    "INTS": "a list of integers", "FLOATS": "a list of floating point numbers",
    "TENSOR": "a tensor",
}  # fmt: skip


def check_schema(node: OnnxNode, opset: int) -> None:
    """Raise ModelError unless ``node`` is what the operator of this opset can be.

    Attributes exist, have the right type, are there where they must be; no more inputs and
    outputs than there are, no fewer than needed. Operators ONNX does not know pass.
    """
    try:
        schema = onnx.defs.get_schema(node.op_type, opset, "")
    except onnx.defs.SchemaError as error:
        if onnx.defs.has(node.op_type):
            raise ModelError(
                f"{node.label} is no operator of opset {opset}", node=node.name
            ) from error
        return
    if schema.deprecated:
        newest = onnx.defs.get_schema(node.op_type, "")
        way_out = (
            "" if newest.deprecated else f"export it with opset_version={newest.since_version}"
        )
        raise ModelError(
            f"{node.label} is no operator of opset {opset} any more{way_out and '; '}{way_out}",
            node=node.name,
        )
    for attribute in node.proto.attribute:
        given = schema.attributes.get(attribute.name)
        value = node.attributes[attribute.name]
        if given is None:
            raise ModelError(
                f"{node.label} has {attribute.name}={shown(value)}, which this operator has not at"
                f" opset {opset}; remove this attribute",
                node=node.name,
            )
        check_type(node, attribute, str(given.type).rpartition(".")[2])
        if attribute.name in _FLAGS and value not in (0, 1):
            raise ModelError(
                f"{node.label} has {attribute.name}={value}; it is 0 or 1: export the model again",
                node=node.name, attribute=attribute.name,
            )  # fmt: skip
    for name, known in schema.attributes.items():
        if known.required and name not in node.attributes:
            raise ModelError(f"{node.label} lacks its attribute {name}", node=node.name)
    if opset < _NEGATIVE_AXES_SINCE:
        for name in ("axis", "axes"):
            value = node.attributes.get(name, 0)
            if min(value if isinstance(value, list) else [value], default=0) < 0:
                raise ModelError(
                    f"{node.label} has {name}={value}; opset {opset} counts from 0", node=node.name
                )
    for place, name in zip(schema.inputs, node.inputs, strict=False):
        if not name and place.option == onnx.defs.OpSchema.FormalParameterOption.Single:
            raise ModelError(f"{node.label} lacks its input '{place.name}'", node=node.name)
    _check_count(node, "inputs", len(node.inputs), schema.min_input, schema.max_input)
    _check_count(node, "outputs", len(node.outputs), schema.min_output, schema.max_output)
    _check_inference(node, opset)


def check_type(node: OnnxNode, attribute: onnx.AttributeProto, wanted: str) -> None:
    """Raise ModelError unless ``attribute`` is of type ``wanted`` and holds nothing else."""
    kind = _KINDS.get(wanted, wanted.lower())
    if onnx.AttributeProto.AttributeType.Name(attribute.type) != wanted:
        value = shown(node.attributes[attribute.name])
        raise ModelError(
            f"{node.label}: attribute {attribute.name}={value} must be {kind}", node=node.name
        )
    extra = {field.name for field, _ in attribute.ListFields()} - _ABOUT - {_FIELDS[wanted]}
    if extra:
        raise ModelError(
            f"{node.label}: attribute {attribute.name} is {kind} and holds '{min(extra)}', too;"
            " export the model again",
            node=node.name,
        )
    if wanted == "TENSOR" and any(size < 0 for size in attribute.t.dims):
        raise ModelError(
            f"{node.label}: attribute {attribute.name} is a tensor of negative size"
            f" {tuple(attribute.t.dims)}; export the model again",
            node=node.name,
        )


def _check_inference(node: OnnxNode, opset: int) -> None:
    """Raise ModelError unless a BatchNormalization has the outputs of inference: ONNX allows only
    some counts, which the schema does not give away."""
    if node.op_type != "BatchNormalization" or node.get("training_mode", 0):
        return
    counts = (1,) if opset >= _ONE_OUTPUT_SINCE else (1, 5)
    if len(node.outputs) not in counts:
        wanted = " or ".join(map(str, counts))
        raise ModelError(
            f"{node.label} has {len(node.outputs)} outputs; in inference it has {wanted}: export"
            " the model in inference mode",
            node=node.name,
        )


def _check_count(node: OnnxNode, what: str, count: int, least: int, most: int) -> None:
    if not least <= count <= most:
        wanted = f"{least}" if least == most else f"{least} to {most}"
        raise ModelError(
            f"{node.label} has {count} {what}; the operator has {wanted}", node=node.name
        )
