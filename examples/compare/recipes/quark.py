"""AMD Quark: its two 8 bit formats for CNNs, and its best roundings of one per channel."""

from quark.onnx import ModelQuantizer
from quark.onnx.quantization.config.algorithm import AdaRoundConfig, CLEConfig
from quark.onnx.quantization.config.config import QConfig
from quark.onnx.quantization.config.custom_config import A8W8_QCONFIG, XINT8_QCONFIG
from quark.onnx.quantization.config.spec import (
    CalibMethod,
    Int8Spec,
    QLayerConfig,
    QuantGranularity,
)

from recipes.ort_feed import Pictures

PACKAGE = "amd-quark"


def _xint8(model, calib, made):
    """Scales that are powers of two, for AMD's NPUs."""
    _quantize(XINT8_QCONFIG, model, calib, made)


def _a8w8(model, calib, made):
    """Symmetric, a scale per tensor."""
    _quantize(A8W8_QCONFIG, model, calib, made)


def _best(model, calib, made):
    """Scales per channel, cross-layer equalization, AdaRound with its defaults."""
    config = QConfig(
        global_config=QLayerConfig(
            activation=Int8Spec(symmetric=False, calibration_method=CalibMethod.MinMax),
            weight=Int8Spec(
                calibration_method=CalibMethod.MinMax, quant_granularity=QuantGranularity.Channel
            ),
        ),
        algo_config=[CLEConfig(), AdaRoundConfig(data_size=len(calib), optim_device="cpu")],
        extra_options={"ForceQuantizeNoInputCheck": True},
    )
    _quantize(config, model, calib, made)


def _quantize(config, model, calib, made):
    ModelQuantizer(config).quantize_model(str(model), str(made), Pictures(model, calib))


SETTINGS = {"XINT8": _xint8, "A8W8": _a8w8, "per channel, CLE, AdaRound": _best}
