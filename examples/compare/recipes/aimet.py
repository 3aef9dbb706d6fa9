"""Qualcomm's AIMET on ONNX: its default, cross-layer equalization, and AdaRound."""

import onnx
from aimet_onnx import QuantizationSimModel, apply_adaround, compute_encodings
from aimet_onnx.batch_norm_fold import fold_all_batch_norms_to_weight
from aimet_onnx.cross_layer_equalization import equalize_model

from recipes.ort_feed import input_name

PACKAGE = "aimet-onnx"
#: Of AdaRound, for each layer; the default of 10,000 takes an hour for MobileNetV2.
ITERATIONS = 1000


def _default(model, calib, made):
    network = onnx.load(str(model))
    fold_all_batch_norms_to_weight(network)
    _write(QuantizationSimModel(network), _pictures(model, calib), made)


def _equalized(model, calib, made):
    network = onnx.load(str(model))
    equalize_model(network)  # relu6 becomes relu, as it documents
    _write(QuantizationSimModel(network), _pictures(model, calib), made)


def _adaround(model, calib, made):
    network = onnx.load(str(model))
    fold_all_batch_norms_to_weight(network)
    sim, pictures = QuantizationSimModel(network), _pictures(model, calib)
    apply_adaround(sim, pictures, num_iterations=ITERATIONS)
    _write(sim, pictures, made)


def _pictures(model, calib):
    name = input_name(model)
    return [{name: x[None]} for x in calib]


def _write(sim, pictures, made):
    with compute_encodings(sim):
        for x in pictures:
            sim.session.run(None, x)
    onnx.save(sim.to_onnx_qdq(), str(made))


SETTINGS = {"default": _default, "CLE": _equalized, "AdaRound": _adaround}
