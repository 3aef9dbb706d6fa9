"""Elementwise activations: one name, one formula each. Used for float models and for tables."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

__all__ = ["KINDS", "activate"]

Floats = npt.NDArray[np.floating]


def _sigmoid(x: Floats) -> Floats:
    return 1 / (1 + np.exp(-x))


def _hard_sigmoid(x: Floats, alpha: float = 1 / 6, beta: float = 0.5) -> Floats:
    return np.clip(x * x.dtype.type(alpha) + x.dtype.type(beta), 0, 1)


#: kind: function of (x, *params). Parameters follow the ONNX operator of the same name.
KINDS: dict[str, Callable[..., Floats]] = {
    "clip": lambda x, low, high: np.clip(x, low, high),  # relu is clip(0, inf)
    "sigmoid": _sigmoid,
    "swish": lambda x: x * _sigmoid(x),
    "hard_sigmoid": _hard_sigmoid,
    "hard_swish": lambda x: x * _hard_sigmoid(x),
    "leaky_relu": lambda x, alpha: np.where(x < 0, x * x.dtype.type(alpha), x),
    "tanh": np.tanh,
    "softplus": lambda x: np.logaddexp(x, 0),
    "mish": lambda x: x * np.tanh(np.logaddexp(x, 0)),
    "elu": lambda x, alpha: np.where(x < 0, x.dtype.type(alpha) * np.expm1(x), x),
    "identity": lambda x: x,
}


def activate(kind: str, params: tuple[float, ...], x: Floats) -> Floats:
    """Apply activation ``kind`` elementwise; the result has ``x``'s dtype."""
    with np.errstate(over="ignore"):
        return KINDS[kind](x, *params).astype(x.dtype)
