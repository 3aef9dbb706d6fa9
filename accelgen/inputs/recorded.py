"""How pictures become the input, as a QDQ file says it: a note among the file's metadata."""

from __future__ import annotations

import json
import math
from typing import Any

from accelgen.errors import ModelError
from accelgen.ps.picture import PictureError, Preprocess

__all__ = ["read_recorded", "written_record"]


def written_record(preprocess: Preprocess) -> str:
    """Of a file that takes its input as NCHW."""
    return json.dumps(preprocess.to_dict() | {"layout": "nchw"})


def read_recorded(text: str, shape: tuple[int, ...], layout: str) -> Preprocess:
    """Inverse of :func:`written_record`, for an input ``shape`` (1, h, w, c) in ``layout``.

    Raises ModelError for what accelgen would not write beside such a network.
    """
    try:
        values = json.loads(text)
        resize, crop = values["resize"], values["crop"]
        made = Preprocess(
            size=_sides(values["size"]),
            mean=_numbers(values["mean"]),
            std=_numbers(values["std"]),
            resize=resize if resize is None or _is_side(resize) else _sides(resize),
            crop=None if crop is None else _sides(crop),
            order=str(values["order"]),
            layout=layout,
        )
        if (*made.size, len(made.mean)) != shape[1:]:
            raise ValueError
    except (ValueError, TypeError, KeyError, RecursionError, PictureError):
        raise ModelError(
            "the file's metadata 'accelgen.preprocess' is not what accelgen writes there; remove it"
        ) from None
    return made


def _is_side(value: Any) -> bool:
    return type(value) is int and 0 < value <= 32768


def _sides(values: Any) -> tuple[int, int]:
    height, width = values
    if not _is_side(height) or not _is_side(width):
        raise ValueError
    return height, width


def _numbers(values: Any) -> tuple[float, ...]:
    numbers = tuple(float(v) for v in values if type(v) in (int, float))
    if len(numbers) != len(values) or not all(math.isfinite(v) for v in numbers):
        raise ValueError
    return numbers
