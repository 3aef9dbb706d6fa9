"""One preprocessing: recorded in QDQ file and manifest, used by driver, reference and RTL."""

import json
import sys

import numpy as np
import onnx
import pytest
from PIL import Image

import accelgen
from accelgen.deploy.board import example
from accelgen.errors import ModelError
from accelgen.flow import runs
from accelgen.flow.network import load
from accelgen.flow.simulated import Simulated
from accelgen.golden.arith import quantize_array
from accelgen.inputs.pictures import PRESETS
from accelgen.inputs.recorded import read_recorded, written_record
from accelgen.ps import picture as picture_module
from accelgen.ps.picture import Preprocess
from accelgen.quant.compare_ort import OrtModel
from tests.helpers.cli import run
from tests.helpers.nets import make_net, node, weights

SHAPE = (1, 8, 8, 3)


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A network and pictures larger than its input."""
    where = tmp_path_factory.mktemp("desk")
    nodes = [
        node("Conv", "x w b", "t", pads=[1, 1, 1, 1]), node("Relu", "t", "u"),
        node("GlobalAveragePool", "u", "v"), node("Flatten", "v"),
    ]  # fmt: skip
    constants = {"w": weights(4, 3, 3, 3), "b": weights(4)}
    onnx.save(make_net(nodes, constants), where / "net.onnx")
    (where / "pictures").mkdir()
    for i in range(3):
        pixels = np.random.default_rng(i).integers(0, 256, (12, 20, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(where / "pictures" / f"{i}.png")
    return where


def wanted(desk, name):
    """What others would make of the second picture: Pillow reads, float64 computes."""
    pixels = np.asarray(Image.open(desk / "pictures" / "1.png"))[2:10, 6:14].astype(np.float64)
    if name == "imagenet":
        return (pixels / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    if name == "tf":
        return pixels / 127.5 - 1
    return pixels / 255 if name == "unit" else pixels[..., ::-1] - [103.939, 116.779, 123.68]


@pytest.mark.parametrize("name", PRESETS)
def test_it_is_the_same_everywhere(desk, name, tmp_path, monkeypatch):
    q, package, picture = tmp_path / "q.onnx", tmp_path / "package", desk / "pictures" / "1.png"
    how = ("--preprocess", name, "--crop", "8")
    made = run("quantize", desk / "net.onnx", "--calib", desk / "pictures", *how, "-o", q)
    assert made.status == 0, made.err
    want = wanted(desk, name)

    # In the file: nothing has to be said again.
    loaded = load(q)
    assert loaded.recorded.crop == (8, 8)
    assert loaded.recorded.order == ("bgr" if name == "caffe" else "rgb")
    built = run("build", q, "--program-only", "--preset", "small", "-o", package)
    assert built.status == 0, built.err
    manifest = json.loads((package / "manifest.json").read_text())
    assert Preprocess.from_dict(manifest["preprocess"]) == loaded.recorded

    # The driver on the board.
    class Board:
        pass

    Board.manifest = manifest
    monkeypatch.setitem(sys.modules, "picture", picture_module)
    there = example.load_input(Board, picture)
    scale = loaded.imported.quantization[loaded.imported.graph.input]
    golden = quantize_array(want.astype(np.float32)[None], scale)
    assert np.abs(there.astype(int) - golden).max() <= 1
    assert (there == golden).mean() > 0.99

    # The simulated accelerator, of the file and of the package.
    samples = []

    def caught(compiled, *, sample, **options):
        samples.append(sample)
        return Simulated(board="none", config={})

    monkeypatch.setattr(runs, "simulate", caught)
    monkeypatch.setattr("accelgen.flow.packages.store_simulated", lambda *a: None)
    for model in (q, package):
        more = ("--preset", "small") if model == q else ()
        assert run("simulate", model, "--input", picture, *more).status == 0
        np.testing.assert_allclose(samples[-1][0], want, atol=1e-4)
        assert np.array_equal(quantize_array(samples[-1], scale), there)

    # onnxruntime, as the reference.
    fed = []
    real = OrtModel.run
    monkeypatch.setattr(OrtModel, "run", lambda self, x: fed.append(x) or real(self, x))
    accelgen.evaluate(q, picture)
    assert np.array_equal(fed[0], samples[-1])


def test_options_hold_against_the_file_and_it_is_said(desk, tmp_path):
    q, pictures = tmp_path / "q.onnx", desk / "pictures"
    run("quantize", desk / "net.onnx", "--calib", pictures, "--preprocess", "tf", "--crop", "8",
        "-o", q)  # fmt: skip

    same = run("evaluate", q, "--data", pictures)
    other = run("evaluate", q, "--data", pictures, "--preprocess", "unit", "--crop", "8")
    part = run("evaluate", q, "--data", pictures, "--resize", "8x8", "--json")

    assert (same.status, same.err) == (0, "")
    assert other.status == 0
    assert "the network's file says of pictures: the centre of 8x8, rgb, (v / 255 -" in other.err
    assert part.status == 0
    assert "options, which hold: resized to 8x8, rgb, (v / 255 - (0.5, 0.5, 0.5))" in part.err


def test_words_that_do_not_go_together(desk, tmp_path):
    def said(*options):
        made = run(
            "quantize", desk / "net.onnx", "--calib", desk / "pictures", *options, "-o",
            tmp_path / "q.onnx",
        )  # fmt: skip
        assert (made.status, made.err.count("\n")) == (2, 1)
        return made.err

    assert "--preprocess is imagenet, tf, caffe, unit, not 'torch'" in said("--preprocess", "torch")
    assert "numbers of its own; leave --mean and" in said("--preprocess", "tf", "--mean", "0")
    assert "imagenet is for RGB, not for --bgr" in said("--preprocess", "imagenet", "--bgr")
    assert "say how the network was trained: --preprocess imagenet" in said("--crop", "8")
    gray = Preprocess(size=(8, 8), mean=(0.5,), std=(0.5,), order="gray")
    named = accelgen.Pictures(preset="tf").preprocess((1, 8, 8, 1), "nchw")
    assert named == gray


HOWS = [
    Preprocess(size=(8, 8), mean=(0.5, 0, 1), std=(1, 2, 3), resize=11, crop=(8, 8), order="bgr"),
    Preprocess(size=(8, 8), mean=(0.5, 0.0, 1.0), std=(1.0, 2.0, 3.0), resize=(8, 8)),
]


@pytest.mark.parametrize("how", HOWS)
def test_what_was_written_is_read(how):
    assert read_recorded(written_record(how), SHAPE, "nchw") == how
    assert read_recorded(written_record(how), SHAPE, "nhwc").layout == "nhwc"


GOOD = json.loads(written_record(HOWS[0]))


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "3", "{", "[" * 100_000, json.dumps(GOOD | {"size": [8, 9]}),
        json.dumps(GOOD | {"size": [9, 9], "crop": [9, 9]}),
        json.dumps(GOOD | {"order": "gray", "mean": [0.5], "std": [1.0]}),
        *(json.dumps(GOOD | {key: value}) for key, value in (
            ("size", [8]), ("size", ["8", 8]), ("size", [True, 8]), ("mean", [0.5]),
            ("mean", ["a", "b", "c"]), ("mean", [float("nan")] * 3), ("std", [0, 1, 1]),
            ("std", None), ("resize", "large"), ("resize", -3), ("crop", [9, 9]), ("crop", 8),
            ("order", "gray"), ("order", None), ("resize", 10**9),
        )),
        json.dumps({k: v for k, v in GOOD.items() if k != "mean"}),
    ],
)  # fmt: skip
def test_what_was_not_written_by_accelgen_is_refused(text, desk, tmp_path):
    with pytest.raises(ModelError, match=r"metadata 'accelgen.preprocess' is not what accelgen"):
        read_recorded(text, SHAPE, "nchw")
    if not text:
        return
    proto = onnx.load(desk / "net.onnx")
    proto.metadata_props.add(key="accelgen.preprocess", value=text)
    onnx.save(proto, tmp_path / "q.onnx")
    assert run("estimate", tmp_path / "q.onnx").status == 2
