"""Ranges from samples, and samples that are none."""

import numpy as np
import pytest

from accelgen.errors import QuantizationError
from accelgen.golden import interpret
from accelgen.golden.arith import dequantize_array, quantize_array
from accelgen.quant.calibrate import METHODS, calibrate
from accelgen.quant.quantize import quantize
from accelgen.quant.scales import Range, quantization_of
from tests.quant.nets import Net, everything


def test_minmax_is_what_the_float_model_shows():
    graph, samples = everything()
    ranges = calibrate(graph, samples, "minmax")
    values = interpret(graph, samples)

    for name, span in ranges.items():
        # The last bits depend on how many images run at once.
        assert span.low == pytest.approx(min(values[name].min(), 0), rel=1e-5, abs=1e-6)
        assert span.high == pytest.approx(max(values[name].max(), 0), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_stays_within_what_was_seen(method):
    graph, samples = everything()
    widest = calibrate(graph, samples, "minmax")

    for name, span in calibrate(graph, samples, method).items():
        assert widest[name].low <= span.low <= 0 <= span.high <= widest[name].high


def test_tensors_that_a_fused_clip_swallows_get_no_range():
    net = Net(4, 4, 3)
    conv = net.conv("x", 4)
    relu = net.act(conv)
    pre = net.conv(relu, 4)
    swish = net.act(pre, "swish")
    graph = net.graph()

    assert set(calibrate(graph, net.samples(2))) == {"x", relu, pre, swish}


def test_clip_of_a_tensor_others_read_is_not_fused():
    net = Net(4, 4, 3)
    conv = net.conv("x", 4)
    total = net.add(net.act(conv), conv)
    graph = net.graph(total)

    assert conv in calibrate(graph, net.samples(2))


def test_one_outlier_is_clipped_by_mse_and_percentile_but_not_by_minmax():
    net = Net(16, 16, 8)
    net.act(net.act("x", "identity"), "identity")
    samples = net.samples(50)
    samples[3, 0, 0, 0] = 60.0

    high = {m: calibrate(net.graph(), samples, m)["x"].high for m in METHODS}

    assert high["minmax"] == 60.0
    assert high["percentile"] < 6
    assert high["mse"] < 55


def test_mse_beats_minmax_on_long_tails():
    rng = np.random.default_rng(4)
    net = Net(8, 8, 4)
    net.act("x", "identity")
    samples = rng.laplace(size=(400, 8, 8, 4)).astype(np.float32)

    def error(method):
        scale = quantization_of(calibrate(net.graph(), samples, method)["x"])
        return np.square(dequantize_array(quantize_array(samples, scale), scale) - samples).mean()

    assert error("mse") < error("minmax")


def test_error_counts_behind_the_activation():
    """Far below zero swish is flat: the range before it need not go there."""
    rng = np.random.default_rng(5)
    net = Net(8, 8, 4)
    net.act("x", "swish")
    samples = np.where(rng.random((40, 8, 8, 4)) < 0.5, rng.normal(-40, 5, (40, 8, 8, 4)),
                       rng.normal(0, 1, (40, 8, 8, 4))).astype(np.float32)  # fmt: skip

    assert calibrate(net.graph(), samples)["x"].low > -20


def test_samples_one_by_one_are_samples_together(monkeypatch):
    graph, samples = everything()
    together = calibrate(graph, samples, "minmax")
    monkeypatch.setattr("accelgen.quant.calibrate._VALUES_PER_RUN", 1)

    alone = calibrate(graph, samples, "minmax")

    for name, span in alone.items():
        np.testing.assert_allclose(
            [span.low, span.high], [together[name].low, together[name].high], rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((0, 4, 5, 3), np.float32), r"shape \(0, 4, 5, 3\); at least one sample"),
        (np.zeros((4, 5, 3), np.float32), r"shape \(4, 5, 3\); at least one"),
        (np.zeros((2, 5, 4, 3), np.float32), r"takes \(n, 4, 5, 3\), NHWC$"),
        (np.zeros((2, 3, 4, 5), np.float32), r"they are NCHW: transpose\(0, 2, 3, 1\)"),
        (np.zeros((2, 4, 5, 3), np.uint8), r"are uint8; .*\(x / 255 - mean\) / std"),
        (np.full((2, 4, 5, 3), np.nan, np.float32), "sample 0 holds NaN"),
        (np.full((2, 4, 5, 3), np.inf, np.float32), "sample 0 holds NaN or infinity"),
        (np.full((2, 4, 5, 3), 1e30, np.float32), "becomes NaN or infinite on calibration"),
        (np.full((2, 4, 5, 3), 3e38, np.float32), r"'x' reaches 3e\+38 on calibration samples"),
    ],
)  # fmt: skip
def test_bad_samples_are_a_sentence(samples, message):
    net = Net(4, 5, 3)
    net.conv("x", 2, weight=np.full((2, 1, 1, 3), 5e30))

    with pytest.raises(QuantizationError, match=message), np.errstate(over="ignore"):
        quantize(net.graph(), samples)


@pytest.mark.parametrize(("factor", "refused"), [(5e30, False), (-5e30, True)])
def test_a_scale_of_the_file_clips_infinity_and_hides_no_nan(factor, refused):
    net = Net(4, 5, 2)
    y = net.conv("x", 1, weight=np.array([5e30, factor]).reshape(1, 1, 1, 2))
    net.act(y, "identity")
    samples = np.full((2, 4, 5, 2), 1e30, np.float32)
    rounded = {y: quantization_of(Range(-1, 2))}

    if refused:
        with pytest.raises(QuantizationError, match=f"{y}' becomes NaN"):
            calibrate(net.graph(), samples, rounded=rounded)
    else:
        assert calibrate(net.graph(), samples, rounded=rounded)[y].high == pytest.approx(2)


def test_only_the_bad_sample_is_blamed():
    net = Net(4, 5, 3)
    net.conv("x", 2)
    samples = net.samples(5)
    samples[3, 1, 1, 1] = np.nan

    with pytest.raises(QuantizationError, match="sample 3 holds"):
        calibrate(net.graph(), samples)


@pytest.mark.parametrize("fields", [{"method": "kl"}, {"percentile": 50}, {"percentile": 101}])
def test_unknown_settings_are_a_sentence(fields):
    net = Net(4, 5, 3)
    net.conv("x", 2)

    with pytest.raises(QuantizationError, match=r"unknown calibration method|percentile must be"):
        calibrate(net.graph(), net.samples(1), **fields)


def test_constant_input_has_a_scale():
    net = Net(4, 4, 2)
    net.conv("x", 3)
    graph = net.graph()

    for value in (0.0, 1.0, -2.5):
        model = quantize(graph, np.full((3, 4, 4, 2), value, np.float32))
        y = interpret(model.graph, np.full((1, 4, 4, 2), value, np.float32))[graph.outputs[0]]
        assert np.isfinite(model.quantization["x"].scale)
        assert y.shape == (1, 4, 4, 3)
