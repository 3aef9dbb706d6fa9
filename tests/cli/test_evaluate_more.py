"""accelgen evaluate: several files, maps of classes, rounded last layers, pictures on the RTL."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

import accelgen
from accelgen.errors import ConfigError, QuantizationError
from accelgen.flow import on_rtl, verbs
from accelgen.flow.simulated import Simulated
from accelgen.inputs.shown import open_shown
from tests.helpers.cli import run
from tests.helpers.nets import make_net, node, weights

MODELS = Path(__file__).parents[1] / "models"
DIGITS = MODELS / "trained_digits_tiny.onnx"
DATA = MODELS / "trained_digits_tiny_test.npz"
GIVEN = ("evaluate", DIGITS, "--calib", DATA, "--json")


@pytest.fixture
def halves(tmp_path):
    """The test pictures in two files of a folder."""
    arrays = dict(np.load(DATA))
    scaling = {k: arrays[k] for k in ("divisor", "mean", "std")}
    (tmp_path / "halves").mkdir()
    for name, part in (("a", slice(0, 200)), ("b", slice(200, None))):
        where = tmp_path / "halves" / f"{name}.npz"
        np.savez(where, x_uint8=arrays["x_uint8"][part], y=arrays["y"][part], **scaling)
    return tmp_path / "halves"


def test_several_files_and_a_folder_of_them_are_one_whole(halves):
    whole, several, folder = (
        json.loads(run(*GIVEN, *more).out)
        for more in (
            ("--data", DATA), ("--data", halves / "a.npz", "--data", halves / "b.npz"),
            ("--data", halves),
        )
    )  # fmt: skip

    for made in (several, folder):
        for key in ("pictures", "float", "int8", "onnxruntime", "agreement", "ties", "sqnr_db"):
            assert made[key] == pytest.approx(whole[key])
        assert made["worst"][0]["picture"].split(": ")[0] in ("a.npz", "b.npz")
    assert several["data"] == [str(halves / "a.npz"), str(halves / "b.npz")]
    python = accelgen.evaluate(DIGITS, [halves / "a.npz", str(halves / "b.npz")], calib=DATA)
    assert python.int8.top1 == several["int8"]["top1"]


def test_a_picture_is_read_from_the_file_that_has_it(halves):
    shown = open_shown(halves, shape=(1, 8, 8, 1), layout="nchw", pictures=accelgen.Pictures())
    one = open_shown(DATA, shape=(1, 8, 8, 1), layout="nchw", pictures=accelgen.Pictures())

    np.testing.assert_array_equal(shown.read(150, 260), one.read(150, 260))
    np.testing.assert_array_equal(shown.read(200, 201), one.read(200, 201))
    assert shown.names[199:201] == ["a.npz: sample 199", "b.npz: sample 0"]


def test_several_that_do_not_go_together(halves, tmp_path):
    np.savez(tmp_path / "c.npz", x=np.zeros((1, 1, 8, 8), np.float32))
    with pytest.raises(QuantizationError, match="1 of 2 pieces of data have labels; give labels"):
        accelgen.evaluate(DIGITS, [DATA, tmp_path / "c.npz"], calib=DATA)
    with pytest.raises(QuantizationError, match="--labels is of one --data"):
        accelgen.evaluate(DIGITS, [DATA, DATA], calib=DATA, labels=tmp_path / "y.txt")
    with pytest.raises(QuantizationError, match="nothing to evaluate on"):
        accelgen.evaluate(DIGITS, [], calib=DATA)
    with pytest.raises(ConfigError, match="of simulated ones 0 or more"):
        accelgen.evaluate(DIGITS, DATA, calib=DATA, rtl=-1)


@pytest.fixture(scope="module")
def maps(tmp_path_factory):
    """A small network of maps of 4 classes, and pictures."""
    where = tmp_path_factory.mktemp("maps")
    nodes = [
        node("Conv", "x w b", "t", pads=[1, 1, 1, 1]), node("Relu", "t", "u"),
        node("Conv", "u w2 b2", "y"),
    ]  # fmt: skip
    constants = {
        "w": weights(8, 3, 3, 3), "b": weights(8), "w2": weights(4, 8, 1, 1), "b2": weights(4),
    }  # fmt: skip
    onnx.save(make_net(nodes, constants, shape=(1, 3, 8, 8)), where / "net.onnx")
    x = np.random.default_rng(0).standard_normal((12, 3, 8, 8)).astype(np.float32)
    np.savez(where / "x.npz", x=x)
    return where


def with_labels(where, y):
    np.savez(where / "y.npz", x=np.load(where / "x.npz")["x"], y=y)
    return where / "y.npz"


def test_maps_of_classes_are_laid_on_each_other(maps):
    import onnxruntime

    session = onnxruntime.InferenceSession(maps / "net.onnx")
    x = np.load(maps / "x.npz")["x"]
    y = np.stack([session.run(None, {"x": one[None]})[0][0] for one in x]).argmax(1)
    y[:, 0] = 255
    given = ("evaluate", maps / "net.onnx", "--calib", maps / "x.npz", "--json")

    plain = json.loads(run(*given, "--data", maps / "x.npz").out)["maps"]
    labelled = json.loads(run(*given, "--data", with_labels(maps, y)).out)["maps"]
    text = run(*given[:-1], "--data", with_labels(maps, y))

    assert plain["classes"] == 4
    assert plain["labels"] is None
    assert 0.9 < plain["miou"] < plain["agreement"] < 1
    assert plain["onnxruntime_miou"] == pytest.approx(plain["miou"], abs=0.01)
    assert labelled["labels"]["float"] == {"miou": 1.0, "accuracy": 1.0}
    assert 0.9 < labelled["labels"]["int8"]["miou"] < 1
    assert labelled["miou"] == plain["miou"]
    assert "maps of 4 classes" in text.out
    assert "mIoU" in text.out


def test_labels_that_are_no_maps_of_it(maps):
    for y, sentence in (
        (np.arange(12), r"y.npz are \(12,\); the network's take a map \(8, 8\) of each"),
        (np.zeros((12, 8, 9), int), r"are \(12, 8, 9\); the network's take a map \(8, 8\)"),
        (np.full((12, 8, 8), 4), "pixel's label of sample 0 is 4, and the network has classes 0 t"),
    ):
        with pytest.raises(QuantizationError, match=sentence):
            accelgen.evaluate(maps / "net.onnx", with_labels(maps, y), calib=maps / "x.npz")
    np.savez(maps / "z.npz", x=np.zeros((2, 1, 8, 8), np.float32), y=np.zeros((2, 8, 8), int))
    with pytest.raises(QuantizationError, match="take one number of each picture"):
        accelgen.evaluate(DIGITS, maps / "z.npz", calib=DATA)


def test_ties_of_a_rounded_last_layer_are_said():
    model, data = (MODELS / f"trained_fmnist_dscnn{end}" for end in (".onnx", "_test.npz"))
    plain = {"calib": data, "technique": "none"}  # techniques may choose what ties nowhere
    wide, rounded = (
        run("evaluate", model, "--calib", data, "--data", data, "--technique", "none",
            "--logits", logits)
        for logits in ("wide", "int8")
    )  # fmt: skip
    made = accelgen.evaluate(model, data, logits="int8", **plain)
    sums = accelgen.evaluate(model, data, **plain)

    assert "rounded" not in wide.out
    share = f"{100 * made.int8.ties:.2f} % of the pictures have more than one largest output"
    assert f"the last layer is rounded to int8: {share}" in rounded.out
    assert made.int8.ties > 0
    assert made.ties_int8 == made.int8.ties
    assert sums.int8.ties == 0 < sums.ties_int8
    assert sums.ties_int8 == pytest.approx(made.int8.ties, abs=0.002)


def test_quantize_says_so_too(tmp_path):
    given = ("quantize", DIGITS, "--calib", DATA, "-o", tmp_path / "q.onnx")

    assert "rounded" not in run(*given).out
    assert (
        "the last layer is rounded to int8: 0 of 8 samples" in run(*given, "--logits", "int8").out
    )
    made = verbs.quantize(DIGITS, tmp_path / "q.onnx", calib=DATA, logits="int8")
    assert made.ties() == (0, 8)
    # All logits of one class: everything ties.
    proto = onnx.load(DIGITS)
    for tensor in proto.graph.initializer:
        if tensor.name in proto.graph.node[-1].input:
            zeros = np.zeros(tuple(tensor.dims), np.float32)
            tensor.CopyFrom(onnx.numpy_helper.from_array(zeros, tensor.name))
    onnx.save(proto, tmp_path / "flat.onnx")
    flat = verbs.quantize(tmp_path / "flat.onnx", tmp_path / "q.onnx", calib=DATA, logits="int8")
    assert flat.ties() == (8, 8)


def test_the_first_pictures_run_on_the_hardware():
    made = run(*GIVEN, "--data", DATA, "--rtl", 2, "--preset", "small", "--limit", 20)

    assert made.status == 0, made.err
    rtl = json.loads(made.out)["rtl"]
    assert (rtl["board"], rtl["pictures"], rtl["match"]) == ("ultra96v2", 2, True)
    assert len(set(rtl["cycles"])) == 1
    assert rtl["cycles"][0] > 1000
    assert rtl["faults"] == []
    assert json.loads(run(*GIVEN, "--data", DATA, "--limit", 2).out)["rtl"] is None


def test_a_picture_that_differs_is_named(monkeypatch):
    samples = []

    def wrong(compiled, *, sample):
        samples.append(sample)
        faults = ("a layer: first differs at 3",) if len(samples) == 2 else ()
        return Simulated(board="none", config={}, faults=faults)

    monkeypatch.setattr(on_rtl, "simulate", wrong)

    made = run(*GIVEN[:-1], "--data", DATA, "--rtl", 3, "--preset", "small", "--limit", 20)

    assert made.status == 1
    assert "the first 3 pictures, simulated for ultra96v2: WRONG" in made.out
    assert "mismatch: sample 1: a layer: first differs at 3" in made.err
    one = open_shown(DATA, shape=(1, 8, 8, 1), layout="nchw", pictures=accelgen.Pictures())
    np.testing.assert_array_equal(np.concatenate(samples), one.read(0, 3))
