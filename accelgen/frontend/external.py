"""Tensors whose numbers are in another file: read from the model's own folder, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from pathlib import Path, PurePosixPath

import onnx

from accelgen.errors import ModelError

__all__ = ["load_external"]

#: Letters of a file's name that a sentence can hold.
_LONGEST = 200


def load_external(model: onnx.ModelProto, base: Path | None) -> None:
    """Put the numbers of every external tensor into ``model``; ``base`` is the model's folder.

    Raises
    ------
    ModelError
        The file is missing, too short, not a plain file, or not in the model's folder; or the
        model was not given as a path.
    """
    for tensor in _tensors(model):
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        fields = {entry.key: entry.value for entry in tensor.external_data}
        location = fields.get("location", "")
        where = f"initializer {tensor.name!r} is in the external file {_short(location)!r}"
        if base is None:
            raise ModelError(f"{where}; give the model as a path")
        tensor.raw_data = _read(_inside(base, location, where), fields, _size(tensor, where), where)
        del tensor.external_data[:]
        tensor.data_location = onnx.TensorProto.DEFAULT


def _short(location: str) -> str:
    return location if len(location) <= _LONGEST else f"{location[:_LONGEST]}..."


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Initializers, and what Constant nodes hold."""
    yield from model.graph.initializer
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors


def _inside(base: Path, location: str, where: str) -> Path:
    """The plain file ``location`` below ``base``, no link on the way."""
    parts = PurePosixPath(location).parts
    wild = not location.isprintable() or "\\" in location
    if not parts or wild or PurePosixPath(location).is_absolute() or ".." in parts:
        raise ModelError(f"{where}, which does not name a file in the model's folder")
    path = base
    try:
        for part in parts:
            path = path / part
            if path.is_symlink():
                raise ModelError(f"{where}, which is a link; put the file itself beside the model")
        if not path.is_file() or path.stat().st_nlink > 1:
            raise ModelError(f"{where}, which is missing or no plain file beside the model")
    except OSError as error:  # a name too long, a folder that may not be entered
        raise ModelError(f"{where}, which cannot be read: {error.strerror}") from error
    return path


def _size(tensor: onnx.TensorProto, where: str) -> int:
    try:
        kind = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{where}, of an element type that cannot be stored there") from error
    if any(size < 0 for size in tensor.dims):
        raise ModelError(f"{where}, with negative sizes {tuple(tensor.dims)}")
    return int(prod(tensor.dims) * kind.itemsize)


def _read(path: Path, fields: dict[str, str], size: int, where: str) -> bytes:
    """Exactly the bytes of the tensor."""
    try:
        offset = int(fields.get("offset", 0))
        length = int(fields.get("length", size))
    except ValueError as error:
        raise ModelError(f"{where}, at an offset that is no number") from error
    if offset < 0 or length != size or offset + length > path.stat().st_size:
        raise ModelError(
            f"{where}, which is incomplete: {size:,} bytes from byte {offset:,} on are needed"
        )
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(length)
    except OSError as error:
        raise ModelError(f"{where}, which cannot be read: {error.strerror}") from error
