"""What a frame is given: each of the model's inputs, looked at before it is used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .errors import InputError

__all__ = ["Inputs"]


class Inputs:
    """The model's inputs, as the manifest has them (``places``)."""

    def __init__(self, manifest: Mapping[str, Any]) -> None:
        self.places = manifest.get("inputs") or [manifest["input"]]

    def checked(self, x: Any, layout: str | None) -> list[tuple[np.ndarray, bool]]:
        """Of each input its array in C order, floats or int8, and whether it is planes.

        Raises InputError when a shape, type, layout or name is not the model's.
        """
        several = len(self.places) > 1
        return [
            _checked(value, place, layout, f" as {place['tensor']!r}" if several else "")
            for value, place in zip(self._values(x), self.places)
        ]

    def _values(self, x: Any) -> list[Any]:
        names = [place["tensor"] for place in self.places]
        if not isinstance(x, Mapping):
            if len(names) > 1:
                raise InputError(
                    f"the model has {len(names)} inputs: give a dict with an array for each of "
                    f"{', '.join(map(repr, names))}"
                )
            return [x]
        for name in names:
            if name not in x:
                raise InputError(f"there is no array for the model's input {name!r}")
        for name in x:
            if name not in names:
                raise InputError(
                    f"the model has no input {name!r}, but {', '.join(map(repr, names))}"
                )
        return [x[name] for name in names]


def _checked(
    x: Any, place: Mapping[str, Any], layout: str | None, named: str
) -> tuple[np.ndarray, bool]:
    x = np.asarray(x)
    order = layout or place["layout"]
    if x.dtype == np.int8:
        order = layout or "nhwc"
    elif x.dtype.kind != "f":
        raise InputError(
            f"the model takes normalized floats, or int8 that is quantized already, not "
            f"{x.dtype}: pictures go through the manifest's preprocess block first"
        )
    if order.lower() not in ("nchw", "chw", "nhwc", "hwc"):
        raise InputError(f"layout is nchw, chw, nhwc or hwc, not {layout!r}")
    planes = order.lower().endswith("chw")
    height, width, channels = place["map"]
    shape = (channels, height, width) if planes else (height, width, channels)
    if x.shape not in (shape, (1, *shape)):
        raise InputError(
            f"the model takes {(1, *shape)} in {'NCHW' if planes else 'NHWC'} order{named}, not "
            f"{x.shape}; say layout='hwc' or 'chw' if yours is another"
        )
    if x.dtype == np.int8 and planes:
        x, planes = x.reshape(shape).transpose(1, 2, 0), False
    kind = np.int8 if x.dtype == np.int8 else np.float32
    return np.ascontiguousarray(x, kind), planes
