"""The activations of ir.activations as tests want them: a new row is in every test by itself."""

from accelgen.ir.activations import BY_ONNX

__all__ = ["PARTIAL", "defaults", "rows_beside"]

#: ONNX operators that have no number for some.
PARTIAL = {"Acos", "Acosh", "Asin", "Atanh", "Log"}


def defaults(kind):
    """Parameters of ``kind`` when an ONNX node has no attributes, and those attributes."""
    return tuple(value for _, value in kind.attributes), dict(kind.attributes)


def rows_beside(listed):
    """(kind, params, ONNX operator, attributes) of every kind that ``listed`` ones leave out."""
    return [
        (kind.name, defaults(kind)[0], kind.onnx, defaults(kind)[1])
        for kind in BY_ONNX.values()
        if kind.name not in listed
    ]
