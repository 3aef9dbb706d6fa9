"""A note in a QDQ file, for accelgen alone: what its wide logits are rounded to where they have to
be int8. The file itself does not round them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite

from accelgen.errors import ModelError
from accelgen.ir.types import LARGEST_SCALE, SMALLEST_SCALE, Quantization

__all__ = ["NOTE", "PICTURES", "read_note", "written_note"]

#: Key among the file's metadata.
NOTE = "accelgen.logits"
#: The same, of the note on pictures (accelgen.inputs.recorded).
PICTURES = "accelgen.preprocess"


def written_note(logits: Mapping[str, Quantization]) -> str:
    """Of each tensor its scale and zero point."""
    return json.dumps({name: [q.scale, q.zero_point] for name, q in logits.items()})


def read_note(text: str) -> dict[str, Quantization]:
    """Inverse of :func:`written_note`. Raises ModelError for what it would not write."""
    try:
        values = json.loads(text)
        found = {str(name): _quantization(*pair) for name, pair in values.items()}
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise ModelError(
            f"the file's metadata '{NOTE}' is not what accelgen writes there; remove it"
        ) from None
    return found


def _quantization(scale: object, zero: object) -> Quantization:
    if not isinstance(scale, float) or not isinstance(zero, int) or not isfinite(scale):
        raise ValueError
    if not SMALLEST_SCALE <= scale <= LARGEST_SCALE or not -128 <= zero <= 127:
        raise ValueError
    return Quantization(scale, zero)
