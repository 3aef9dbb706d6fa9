"""NNCF on ONNX: its default, and the accurate settings that its documentation offers next."""

import nncf
import onnx
from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters, OverflowFix

from recipes.ort_feed import input_name

PACKAGE = "nncf"


def _default(model, calib, made):
    _quantize(model, calib, made)


def _accurate(model, calib, made):
    """Bias correction layer after layer, activations that need not be symmetric, channels aligned,
    and the first layer's weights in all of 8 bits: half of them are for processors without VNNI."""
    _quantize(
        model, calib, made, fast_bias_correction=False, preset=nncf.QuantizationPreset.MIXED,
        advanced_parameters=AdvancedQuantizationParameters(
            overflow_fix=OverflowFix.DISABLE, disable_channel_alignment=False
        ),
    )  # fmt: skip


def _quantize(model, calib, made, **more):
    name = input_name(model)
    pictures = nncf.Dataset([{name: x[None]} for x in calib])
    network = nncf.quantize(onnx.load(str(model)), pictures, subset_size=len(calib), **more)
    onnx.save(network, str(made))


SETTINGS = {"default": _default, "accurate": _accurate}
