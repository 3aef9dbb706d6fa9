"""From bytes on disk to a ModelProto whose outline is sound."""

from __future__ import annotations

from pathlib import Path

import onnx

from accelgen.errors import ModelError
from accelgen.frontend.registry import DOMAINS

__all__ = ["MAX_OPSET", "MIN_OPSET", "read_model", "read_opset"]

MIN_OPSET = 9
MAX_OPSET = 20


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
    base = None if isinstance(source, bytes | onnx.ModelProto) else Path(source).parent
    _load_external(model, base)
    return model


def _parse(data: bytes, where: str) -> onnx.ModelProto:
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except Exception as error:  # protobuf's DecodeError, which carries no type information
        raise ModelError(f"{where} is no ONNX model, or was cut off ({len(data)} bytes)") from error
    return model


def _load_external(model: onnx.ModelProto, base: Path | None) -> None:
    for tensor in model.graph.initializer:
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        location = next((e.value for e in tensor.external_data if e.key == "location"), "")
        if base is None:
            raise ModelError(
                f"initializer '{tensor.name}' is in the external file '{location}'; give the model"
                " as a path"
            )
        try:
            onnx.external_data_helper.load_external_data_for_tensor(tensor, str(base))
        except Exception as error:  # onnx raises several unrelated types
            raise ModelError(
                f"initializer '{tensor.name}' is in the external file '{location}', which is"
                " missing or incomplete beside the model"
            ) from error
        tensor.data_location = onnx.TensorProto.DEFAULT


def read_opset(model: onnx.ModelProto) -> int:
    """Version of the ai.onnx operators. Raises ModelError when absent or out of range."""
    versions = [o.version for o in model.opset_import if o.domain in DOMAINS]
    if not versions:
        raise ModelError("the model imports no ai.onnx operators (opset_import is missing)")
    version = int(versions[0])
    if not MIN_OPSET <= version <= MAX_OPSET:
        raise ModelError(
            f"the model has ai.onnx opset {version}; {MIN_OPSET} to {MAX_OPSET} are read: export it"
            f" with opset_version=17"
        )
    return version
