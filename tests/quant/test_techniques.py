"""Techniques that make better numbers: what each keeps, what it gains, and when it is used."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from accelgen.errors import QuantizationError
from accelgen.golden.arith import dequantize_array
from accelgen.golden.blas import blas_threads
from accelgen.golden.interpret import interpret
from accelgen.ir import ops
from accelgen.quant import quantize, techniques
from accelgen.quant.layerwise import improve
from accelgen.quant.loss import Loss, loss
from accelgen.quant.techniques import LEAST_SAMPLES, choose, named
from accelgen.quant.to_int8 import to_int8
from tests.quant.nets import Net

RELU6 = (0.0, 6.0)


def separable(seed=0):
    """Depthwise-separable layers behind clips: inputs of one sign, so that rounded weights leave
    an offset."""
    net = Net(9, 9, 3, seed)
    pads = {"pads": (1, 1, 1, 1)}
    x = net.act(net.conv("x", 64, (3, 3), bias=np.ones(64), **pads), params=RELU6)
    for _ in range(2):
        weight = np.abs(net.rng.normal(0, 0.05, (64, 3, 3, 1)))
        x = net.conv(x, 64, (3, 3), groups=64, weight=weight, bias=np.full(64, 0.2), **pads)
        x = net.conv(net.act(x, params=RELU6), 64)
    return net.graph(x)


def pictures(count, seed):
    return np.random.default_rng(seed).normal(0.5, 1, (count, 9, 9, 3)).astype(np.float32)


def mean_errors(model, samples):
    """Of each convolution's channels: int8's mean minus float's, behind the clip."""
    exact, made = interpret(model.float_graph, samples), interpret(model.graph, samples)
    errors = []
    for node in model.graph.nodes:
        if node.name in model.integers:
            scale = model.graph.tensors[node.output].quantization
            real = dequantize_array(made[node.output], scale)
            errors.append((real - exact[node.output]).mean(axis=(0, 1, 2)) / scale.scale)
    return np.abs(np.concatenate(errors)).mean()


def test_bias_correction_brings_means_nearer_on_other_pictures():
    plain = quantize(separable(), pictures(64, 1))
    made = improve(plain, pictures(64, 1), ("bias",))
    aside = pictures(64, 2)
    assert mean_errors(made, aside) < 0.6 * mean_errors(plain, aside)


def test_bias_correction_changes_biases_alone():
    plain = quantize(separable(), pictures(8, 1))
    made = improve(plain, pictures(8, 1), ("bias",))
    changed = {k for k, v in made.graph.constants.items()
               if not np.array_equal(v, plain.graph.constants[k])}  # fmt: skip
    assert changed
    assert all(name.endswith("/bias") for name in changed)
    for name, given in made.integers.items():
        old = plain.integers[name]
        assert np.array_equal(given.weight, old.weight)
        assert np.array_equal(given.scale, old.scale)
    assert made.graph.nodes == plain.graph.nodes


def test_the_corrected_graph_is_what_its_integers_make():
    made = quantize(separable(), pictures(9, 1), technique="bias")
    plain = quantize(separable(), pictures(9, 1))
    graph = to_int8(made.float_graph, made.quantization)
    for node in graph.nodes:
        if node.name in made.integers:
            moved = made.integers[node.name].bias - plain.integers[node.name].bias
            bias = graph.constants[node.inputs[2]] + moved
            assert np.array_equal(bias, made.graph.constants[node.inputs[2]])


def test_biases_keep_to_the_width_of_sums():
    plain = quantize(separable(), pictures(8, 1), acc_bits=20)
    made = improve(plain, pictures(8, 1), ("bias",), acc_bits=20)
    for node in made.graph.nodes:
        if node.name in made.integers:
            weight = made.graph.constants[node.inputs[1]].astype(np.int64)
            most = 128 * np.abs(weight).reshape(len(weight), -1).sum(axis=1)
            assert (most + np.abs(made.graph.constants[node.inputs[2]]) < 1 << 19).all()
    # So narrow that no bias may change.
    same = improve(plain, pictures(8, 1), ("bias",), acc_bits=2)
    assert all(np.array_equal(same.integers[n].bias, plain.integers[n].bias) for n in same.integers)


def test_auto_uses_what_helps_on_samples_kept_aside():
    made = quantize(separable(), pictures(24, 1), technique="auto")
    trial = made.trials[0]
    assert trial.used
    assert trial.after_db > trial.before_db + 1
    assert trial.samples == 24
    assert 0 < trial.error_db < trial.after_db - trial.before_db
    plain = quantize(separable(), pictures(24, 1))
    aside = pictures(32, 3)
    assert loss(separable(), made, aside).sqnr_db > loss(separable(), plain, aside).sqnr_db


def test_auto_leaves_out_what_hurts(monkeypatch):
    def spoil(model, samples, techniques, acc_bits, excluded):
        spoiled = {n: v + 3000 if n.endswith("/bias") else v
                   for n, v in model.graph.constants.items()}  # fmt: skip
        return replace(model, graph=replace(model.graph, constants=spoiled))

    monkeypatch.setattr(techniques, "improve", spoil)
    made = quantize(separable(), pictures(24, 1), technique="auto")
    trial = made.trials[0]
    assert trial.technique == "bias"
    assert not trial.used
    assert trial.after_db < trial.before_db
    assert "round" not in [trial.technique for trial in made.trials if trial.used]


def test_a_trial_does_not_see_what_is_kept_aside():
    fitted, judged = [], []
    samples = pictures(24, 1)

    def make(fit, full):
        fitted.append(fit.samples)
        return quantize(fit.graph, fit.samples)

    class Seen(techniques.Reference):
        def loss(self, model):
            judged.append(self.samples)
            return super().loss(model)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(techniques, "Reference", Seen)
        choose(make, separable(), samples, 27, ["minmax"])
    assert len(fitted) == len(judged) == 4
    for fit, held in zip(fitted, judged, strict=True):
        both = np.concatenate([fit, held])
        assert len(np.unique(both, axis=0)) == len(np.unique(samples, axis=0)) == 24


def test_one_loud_sample_does_not_decide():
    # Of the loud one, 20 dB above the others, is nearly all the noise's power.
    before = Loss(each_db=np.array([40.0] * 7 + [20.0]), agreeing=8)
    after = Loss(each_db=before.each_db + np.array([1.0] * 7 + [-2.0]), agreeing=8)
    assert techniques._trial("bias", before, after).used
    assert not techniques._trial("bias", after, before).used


def test_a_gain_that_may_be_chance_is_none():
    before = Loss(each_db=np.full(8, 20.0), agreeing=8)
    gains = np.array([3.0, -3.0] * 4) + 0.4
    trial = techniques._trial("bias", before, Loss(each_db=20 + gains, agreeing=8))
    assert trial.after_db - trial.before_db == pytest.approx(0.4)
    assert trial.error_db == pytest.approx(3 / 7**0.5)
    assert not trial.used
    assert techniques._trial("bias", before, Loss(each_db=20.4 + gains, agreeing=8)).used


def test_softmax_at_the_end_is_judged_by_what_it_is_made_of():
    net = Net(6, 6, 3)
    graph = net.graph(net.node(ops.Softmax(), net.conv(net.node(ops.GlobalAvgPool(), "x"), 5)))
    x = net.samples(8)
    model = quantize(graph, x)
    exact, made = interpret(graph, x), interpret(model.graph, x)
    logits = graph.nodes[-1].inputs[0]
    real = dequantize_array(made[logits], model.graph.tensors[logits].quantization)
    noise = np.square(exact[logits].astype(np.float64) - real).sum(axis=(1, 2, 3))
    wanted = 10 * np.log10(np.square(exact[logits]).sum(axis=(1, 2, 3)) / noise)
    assert np.allclose(loss(graph, model, x).each_db, wanted)


def test_minmax_holds_all_values():
    graph, x = separable(), pictures(16, 1)
    made = quantize(graph, x, technique="minmax")
    assert made.quantization == quantize(graph, x, "minmax").quantization
    assert made.quantization != quantize(graph, x).quantization


def test_a_method_that_was_chosen_is_not_tried_against_minmax():
    made = quantize(separable(), pictures(8, 1), "percentile", technique="auto")
    assert [trial.technique for trial in made.trials] == ["bias", "equalize", "round"]


def test_few_samples_are_all_calibrated_on():
    few = quantize(separable(), pictures(LEAST_SAMPLES - 1, 1), technique="auto")
    assert few.trials == ()


def test_names_of_techniques():
    assert named("auto") is None
    assert named("none") == ()
    assert named("bias") == ("bias",)
    assert named("equalize, bias") == ("bias", "equalize")
    with pytest.raises(QuantizationError, match=r"auto, none, or of bias.*not 'bais'"):
        named("bais")


def test_the_blas_uses_one_thread(monkeypatch):
    """What it computes depends on how many: the same command would give other integers."""
    module = sys.modules["accelgen.quant.quantize"]
    seen = []

    class Watched(module.Fit):
        def __init__(self, *args):
            seen.append(blas_threads())
            super().__init__(*args)

    monkeypatch.setattr(module, "Fit", Watched)
    quantize(separable(), pictures(4, 1))

    assert seen in ([1], [None])  # None: numpy has another BLAS, which is left alone
