"""From bytes on disk to a ModelProto whose outline is sound."""

from __future__ import annotations

from pathlib import Path

import onnx

from accelgen.errors import ModelError
from accelgen.frontend.channel_scales import one_scale_each
from accelgen.frontend.clean_names import clean_names
from accelgen.frontend.external import load_external
from accelgen.frontend.registry import DOMAINS
from accelgen.frontend.sorted_nodes import sorted_nodes

__all__ = ["MAX_OPSET", "MIN_OPSET", "MOST_NODES", "read_model", "read_opset"]

#: Nodes of the largest model: reading one takes seconds up to here.
MOST_NODES = 20_000
#: Opsets that are read.
MIN_OPSET, MAX_OPSET = 7, 28


def read_model(source: str | Path | bytes | onnx.ModelProto) -> onnx.ModelProto:
    """Read a model from a path, from bytes, or as it is.

    Raises
    ------
    ModelError
        No such file, no ONNX, truncated, or external data missing.
    """
    if isinstance(source, onnx.ModelProto):
        model, where = source, "the model"
    elif isinstance(source, bytes):
        model, where = _parse(source, "the model"), "the model"
    else:
        path = Path(source)
        where = f"'{path}'"
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise ModelError(f"{where} does not exist") from error
        except OSError as error:
            raise ModelError(f"{where} cannot be read: {error.strerror}") from error
        model = _parse(data, where)
    if not model.graph.node:
        raise ModelError(f"{where} holds no graph with nodes; it is no ONNX model or was cut off")
    if (count := len(model.graph.node)) > MOST_NODES:
        raise ModelError(f"{where} has {count:,} nodes; up to {MOST_NODES:,} are read: split it")
    base = None if isinstance(source, bytes | onnx.ModelProto) else Path(source).parent
    load_external(model, base)
    _check_opsets(model)
    return sorted_nodes(one_scale_each(clean_names(model)))


def _check_opsets(model: onnx.ModelProto) -> None:
    """Raise ModelError when ai.onnx is imported at several opsets: nobody knows which holds."""
    versions = sorted({int(o.version) for o in model.opset_import if o.domain in DOMAINS})
    if len(versions) > 1:
        raise ModelError(
            f"the model imports ai.onnx operators of more than one opset"
            f" ({', '.join(map(str, versions))}): export it with opset_version=17"
        )


def _parse(data: bytes, where: str) -> onnx.ModelProto:
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except Exception as error:  # protobuf's DecodeError, which carries no type information
        raise ModelError(f"{where} is no ONNX model, or was cut off ({len(data)} bytes)") from error
    return model


def read_opset(model: onnx.ModelProto) -> int:
    """Version of the ai.onnx operators. Raises ModelError when absent or out of range."""
    versions = [o.version for o in model.opset_import if o.domain in DOMAINS]
    if not versions:
        raise ModelError("the model imports no ai.onnx operators (opset_import is missing)")
    version = int(versions[0])
    if not MIN_OPSET <= version <= MAX_OPSET:
        raise ModelError(
            f"the model has ai.onnx opset {version}; {MIN_OPSET} to {MAX_OPSET} are read: export"
            f" it with opset_version=17"
        )
    return version
