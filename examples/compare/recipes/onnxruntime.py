"""onnxruntime's static quantization: its default, and per channel with each way to calibrate."""

from __future__ import annotations

import functools

from onnxruntime.quantization import CalibrationMethod, QuantFormat, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from recipes.ort_feed import Pictures

PACKAGE = "onnxruntime"


def _default(model, calib, made):
    quantize_static(str(_prepared(model, made)), str(made), Pictures(model, calib))


def _per_channel(method, model, calib, made):
    quantize_static(
        str(_prepared(model, made)), str(made), Pictures(model, calib),
        quant_format=QuantFormat.QDQ, per_channel=True, calibrate_method=method,
    )  # fmt: skip


def _prepared(model, made):
    """As its documentation wants it first: shapes inferred, BatchNormalization folded."""
    prepared = made.with_name("prepared.onnx")
    quant_pre_process(str(model), str(prepared), skip_symbolic_shape=True)
    return prepared


SETTINGS = {
    "default": _default,
    "per channel, MinMax": functools.partial(_per_channel, CalibrationMethod.MinMax),
    "per channel, Entropy": functools.partial(_per_channel, CalibrationMethod.Entropy),
    "per channel, Percentile": functools.partial(_per_channel, CalibrationMethod.Percentile),
}
