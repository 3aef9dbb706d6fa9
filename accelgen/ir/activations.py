"""Elementwise activations: one row each, read by importer, quantizer, QDQ writer and tests.

A new activation that a table can hold is a row here: everything else follows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "ACTIVATIONS", "BY_ONNX", "COMPARISONS", "KINDS", "ActivationKind", "activate", "finite",
    "is_never_negative",
]  # fmt: skip

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True, kw_only=True)
class ActivationKind:
    """One kind of ir.ops.Activation.

    Parameters
    ----------
    name : str
        ``Activation.kind``.
    function : callable
        Of (x, \\*params), in x's precision.
    onnx : str
        The ONNX operator; "" where none means exactly this.
    attributes : tuple of (str, float)
        Its attributes, in the order of ``params``, with ONNX's defaults.
    params : tuple of float
        What an Activation without parameters has; those of kinds that need theirs are ().
    opset : int
        The first with the operator.
    never_negative : bool
        Whatever the parameters: padding with zeros after it cannot win over it.
    everywhere : bool
        Continuous, and a number for every number.
    """

    name: str
    function: Callable[..., Floats]
    onnx: str = ""
    attributes: tuple[tuple[str, float], ...] = ()
    params: tuple[float, ...] = ()
    opset: int = 7
    never_negative: bool = False
    everywhere: bool = True


def _sigmoid(x: Floats) -> Floats:
    return 1 / (1 + np.exp(-x))


def _hard_sigmoid(x: Floats, alpha: float = 1 / 6, beta: float = 0.5) -> Floats:
    return np.clip(x * x.dtype.type(alpha) + x.dtype.type(beta), 0, 1)


def _elu(x: Floats, alpha: float) -> Floats:
    # Without what is not read: infinity times an alpha of 0.
    return np.where(x < 0, x.dtype.type(alpha) * np.expm1(np.minimum(x, 0)), x)


def _selu(x: Floats, alpha: float, gamma: float) -> Floats:
    return x.dtype.type(gamma) * _elu(x, alpha)


_erf = np.frompyfunc(math.erf, 1, 1)


def _gelu(x: Floats) -> Floats:
    gate: Floats = 1 + _erf(x / math.sqrt(2)).astype(x.dtype)
    return x * gate / 2


def _gelu_tanh(x: Floats) -> Floats:
    inner = x.dtype.type(math.sqrt(2 / math.pi)) * (x + x.dtype.type(0.044715) * x**3)
    gate: Floats = 1 + np.tanh(inner)
    return x * gate / 2


def _shrink(x: Floats, bias: float, lambd: float) -> Floats:
    kept = np.abs(x) > x.dtype.type(lambd)
    return np.where(kept, x - np.sign(x) * x.dtype.type(bias), 0)


def _jumping(name: str, function: Callable[..., Floats], onnx: str, **how: Any) -> ActivationKind:
    return ActivationKind(name=name, function=function, onnx=onnx, everywhere=False, **how)


#: What is 1 where it holds of a number and a constant, else 0; ONNX's operator gives conditions.
_COMPARED = {
    "greater": ("Greater", np.greater), "greater_or_equal": ("GreaterOrEqual", np.greater_equal),
    "less": ("Less", np.less), "less_or_equal": ("LessOrEqual", np.less_equal),
    "equal": ("Equal", np.equal),
}  # fmt: skip
#: ONNX operator: the kind that compares so.
COMPARISONS = {onnx: name for name, (onnx, _) in _COMPARED.items()}


def _comparison(name: str) -> ActivationKind:
    compare = _COMPARED[name][1]
    return ActivationKind(
        name=name, function=lambda x, c: compare(x, x.dtype.type(c)), params=(0.0,),
        never_negative=True, everywhere=False, opset=12 if "or" in name else 11,
    )  # fmt: skip


_ALPHA_BETA = (("alpha", 0.2), ("beta", 0.5))
#: Clip has limits, not attributes, and Relu is one of it; Pow has an exponent, Gelu a word, Sqrt a
#: condition: frontend and writer spell these out.
ACTIVATIONS = (
    ActivationKind(name="clip", function=lambda x, low, high: np.clip(x, low, high)),
    ActivationKind(name="sigmoid", onnx="Sigmoid", function=_sigmoid, never_negative=True),
    ActivationKind(name="swish", function=lambda x: x * _sigmoid(x)),
    ActivationKind(
        name="hard_sigmoid", onnx="HardSigmoid", function=_hard_sigmoid, never_negative=True,
        attributes=_ALPHA_BETA, params=(1 / 6, 0.5),
    ),
    ActivationKind(
        name="hard_swish", onnx="HardSwish", function=lambda x: x * _hard_sigmoid(x), opset=14
    ),
    ActivationKind(
        name="leaky_relu", onnx="LeakyRelu", attributes=(("alpha", 0.01),),
        function=lambda x, alpha: np.where(x < 0, x * x.dtype.type(alpha), x),
    ),
    ActivationKind(name="tanh", onnx="Tanh", function=np.tanh),
    ActivationKind(name="softplus", onnx="Softplus", function=lambda x: np.logaddexp(x, 0)),
    ActivationKind(
        name="mish", onnx="Mish", function=lambda x: x * np.tanh(np.logaddexp(x, 0)), opset=18
    ),
    ActivationKind(name="elu", onnx="Elu", attributes=(("alpha", 1.0),), function=_elu),
    ActivationKind(
        name="celu", onnx="Celu", attributes=(("alpha", 1.0),), opset=12,
        function=lambda x, alpha: np.where(
            x < 0, x.dtype.type(alpha) * np.expm1(x / x.dtype.type(alpha)), x
        ),
    ),
    ActivationKind(
        # ONNX's numbers, of float32.
        name="selu", onnx="Selu", function=_selu,
        attributes=(("alpha", 1.67326319217681884765625), ("gamma", 1.05070102214813232421875)),
    ),
    ActivationKind(
        name="thresholded_relu", onnx="ThresholdedRelu", attributes=(("alpha", 1.0),), opset=10,
        function=lambda x, alpha: np.where(x > alpha, x, 0),
    ),
    ActivationKind(name="gelu", function=_gelu, opset=20),
    ActivationKind(name="gelu_tanh", function=_gelu_tanh, opset=20),
    ActivationKind(name="erf", onnx="Erf", function=_erf, opset=9),
    ActivationKind(name="abs", onnx="Abs", function=np.abs, never_negative=True),
    ActivationKind(name="exp", onnx="Exp", function=np.exp, never_negative=True),
    # Roots are only of what is never negative: the table's other half is never read.
    ActivationKind(
        name="pow", params=(2.0,),
        function=lambda x, exponent: (
            np.maximum(x, 0) if exponent % 1 else x
        ) ** x.dtype.type(exponent),
    ),
    ActivationKind(
        name="sqrt", function=lambda x: np.sqrt(np.maximum(x, 0)), never_negative=True
    ),
    ActivationKind(name="softsign", onnx="Softsign", function=lambda x: x / (1 + np.abs(x))),
    ActivationKind(name="atan", onnx="Atan", function=np.arctan),
    ActivationKind(name="sin", onnx="Sin", function=np.sin),
    ActivationKind(name="cos", onnx="Cos", function=np.cos),
    ActivationKind(name="sinh", onnx="Sinh", function=np.sinh, opset=9),
    ActivationKind(
        name="cosh", onnx="Cosh", function=np.cosh, opset=9, never_negative=True
    ),
    ActivationKind(name="asinh", onnx="Asinh", function=np.arcsinh, opset=9),
    _jumping("sign", np.sign, "Sign", opset=9),
    _jumping("floor", np.floor, "Floor"),
    _jumping("ceil", np.ceil, "Ceil"),
    _jumping("round", np.rint, "Round", opset=11),
    _jumping(
        "shrink", _shrink, "Shrink", attributes=(("bias", 0.0), ("lambd", 0.5)), opset=9
    ),
    _jumping("reciprocal", np.reciprocal, "Reciprocal"),
    _jumping("log", np.log, "Log"),
    _jumping("tan", np.tan, "Tan"),
    _jumping("asin", np.arcsin, "Asin"),
    _jumping("acos", np.arccos, "Acos"),
    _jumping("acosh", np.arccosh, "Acosh", opset=9),
    _jumping("atanh", np.arctanh, "Atanh", opset=9),
    *map(_comparison, _COMPARED),
    ActivationKind(name="identity", function=lambda x: x),
)  # fmt: skip

KINDS = {kind.name: kind for kind in ACTIVATIONS}
#: ONNX operator: the kind that it is.
BY_ONNX = {kind.onnx: kind for kind in ACTIVATIONS if kind.onnx}


def activate(kind: str, params: tuple[float, ...], x: Floats) -> Floats:
    """Apply activation ``kind`` elementwise; the result has ``x``'s dtype. Where a function has no
    number, NaN or infinity."""
    row = KINDS[kind]
    with np.errstate(all="ignore"):
        return row.function(x, *(params or row.params)).astype(x.dtype)


def finite(kind: str, params: tuple[float, ...], x: Floats) -> Floats:
    """As :func:`activate`, with a number everywhere: tables have entries that are never read."""
    return np.nan_to_num(activate(kind, params, x))


def is_never_negative(kind: str, params: tuple[float, ...]) -> bool:
    """No value of activation ``kind`` is below zero, whatever it is given."""
    limited = kind == "clip" and params[0] >= 0
    return (
        limited or (kind == "pow" and (params or (2.0,))[0] % 2 == 0) or KINDS[kind].never_negative
    )
