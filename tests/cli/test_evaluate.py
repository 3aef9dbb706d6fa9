"""accelgen evaluate on the command line: pictures in, accuracy out, bad data in one sentence."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

import accelgen
from accelgen.cli import evaluate as module
from tests.helpers.cli import run

MODELS = Path(__file__).parents[1] / "models"
DIGITS = MODELS / "trained_digits_tiny.onnx"
DATA = MODELS / "trained_digits_tiny_test.npz"
GRAY = ("--mean", "0", "--std", "1")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """40 digits as PNG, a folder per class, and the same in one folder with a CSV."""
    where = tmp_path_factory.mktemp("digits")
    arrays = np.load(DATA)
    divisor, mean, std = (float(arrays[k]) for k in ("divisor", "mean", "std"))
    lines = ["name,label"]
    for index in range(40):
        pixels = np.rint(arrays["x_uint8"][index, 0] / divisor * 255).astype(np.uint8)
        label = int(arrays["y"][index])
        for folder in (where / "classes" / str(label), where / "flat"):
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(folder / f"{index:02}.png")
        lines.append(f"{index:02}.png,{label}")
    (where / "labels.csv").write_text("\n".join(lines))
    return where, ("--mean", str(mean), "--std", str(std))


def test_an_archive_as_table_and_as_json():
    table = run("evaluate", DIGITS, "--calib", DATA, "--data", DATA)
    answer = run("evaluate", DIGITS, "--calib", DATA, "--data", DATA, "--json", "--worst", 2)

    made = json.loads(answer.out)
    assert (table.status, answer.status, answer.err) == (0, 0, "")
    assert made["pictures"] == 500
    assert made["float"]["top1"] == pytest.approx(0.978)
    assert made["int8"]["top1"] > 0.97
    assert made["onnxruntime"]["top1"] > 0.97
    assert len(made["worst"]) == 2
    assert "97.80 %" in table.out
    assert "points of top-1" in table.out
    assert "worst pictures" in table.out


def test_folders_of_classes_and_a_file_of_labels_say_the_same(pictures):
    where, scaling = pictures
    calibrated = ("evaluate", DIGITS, "--calib", where / "flat", *scaling, "--json")

    folders = run(*calibrated, "--data", where / "classes")
    lines = run(*calibrated, "--data", where / "flat", "--labels", where / "labels.csv")

    assert (folders.status, lines.status) == (0, 0)
    one, other = json.loads(folders.out), json.loads(lines.out)
    assert one["labelled"] == 40
    assert one["float"]["top1"] > 0.9
    for key in ("float", "int8", "onnxruntime", "agreement", "ties"):
        assert one[key] == other[key]
    assert one["worst"][0]["picture"].count("/") == 1


def test_the_command_is_the_function(pictures):
    where, (_, mean, _, std) = pictures
    how = accelgen.Pictures(mean=mean, std=std)
    calib = accelgen.Calibration(where=where / "flat", pictures=how)

    made = accelgen.evaluate(DIGITS, where / "classes", calib=calib)

    said = json.loads(
        run(
            "evaluate", DIGITS, "--calib", where / "flat", "--data", where / "classes",
            "--mean", mean, "--std", std, "--json",
        ).out
    )  # fmt: skip
    assert {k: v for k, v in said.items() if k not in ("model", "data")} == json.loads(
        json.dumps(made.to_dict())
    )


def test_without_labels_it_says_so_and_random_calibration_warns(pictures):
    where, scaling = pictures

    made = run("evaluate", DIGITS, "--data", where / "flat", *scaling, "--limit", 3)

    assert made.status == 0
    assert "no labels were given" in made.out
    assert "no calibration data" in made.err


def corrupt(where):
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(where / "a.png")
    data = (where / "a.png").read_bytes()
    (where / "b.png").write_bytes(data[: len(data) // 2])
    return ("--data", where, *GRAY)


def unlabelled(where):
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(where / "a.png")
    (where / "l.csv").write_text("b.png,1\n")
    return ("--data", where, *GRAY, "--labels", where / "l.csv")


def beyond(where):
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(where / "a.png")
    (where / "l.csv").write_text("a.png,10\n")
    return ("--data", where, *GRAY, "--labels", where / "l.csv")


def unsaid(where):
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(where / "a.png")
    return ("--data", where)


def saved(x):
    def make(where):
        np.savez(where / "x.npz", x=x)
        return ("--data", where / "x.npz")

    return make


BAD = {
    "corrupt": (corrupt, "cannot read picture"),
    "missing label": (unlabelled, "has no label for 'a.png'; write a line"),
    "label out of range": (beyond, "the label of a.png is 10, and the network has classes 0 to 9"),
    "no preprocessing": (unsaid, "pictures need normalising; say how the network was trained"),
    "empty folder": (lambda where: ("--data", where), "no picture (.png"),
    "nothing there": (lambda where: ("--data", where / "no"), "there is no"),
    "uint8": (saved(np.zeros((2, 1, 8, 8), np.uint8)), "are uint8: raw pixels"),
    "layout": (saved(np.zeros((2, 8, 8, 1), np.float32)), "NCHW; they are NHWC: x.transpose"),
    "size": (saved(np.zeros((2, 1, 9, 8), np.float32)), "NCHW; resize them to the model's"),
    "nan": (saved(np.full((2, 1, 8, 8), np.nan, np.float32)), "x.npz holds NaN or infinity"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_data_is_one_sentence(what, tmp_path):
    make, sentence = BAD[what]

    made = run("evaluate", DIGITS, "--calib", DATA, *make(tmp_path))

    assert (made.status, made.out) == (2, "")
    assert made.err.startswith("error: ")
    assert sentence in made.err
    assert made.err.count("\n") == 1


def test_a_terminal_sees_a_bar_and_a_pipe_none(monkeypatch):
    with module._bar("evaluating") as progress:
        assert progress is None
    monkeypatch.setattr(type(module.log), "is_terminal", True)
    monkeypatch.setattr(module.log, "notes", True)
    with module._bar("evaluating") as progress:
        progress(3, 10)
        assert callable(progress)


def test_last_outputs_that_are_rounded_tie():
    given = ("--calib", DATA, "--data", DATA, "--json")
    wide, rounded = (
        json.loads(run("evaluate", DIGITS, *given, "--logits", logits).out)
        for logits in ("wide", "int8")
    )

    assert (wide["logits"], rounded["logits"]) == ("wide", "int8")
    assert wide["sqnr_db"] > rounded["sqnr_db"]
    refused = run("evaluate", DIGITS, *given, "--logits", "int16")
    assert refused.status == 2
    assert "--logits is wide or int8, not 'int16'" in refused.err


def test_a_file_of_either_kind_is_written(tmp_path):
    after = {}
    for logits in ("wide", "int8"):
        out = tmp_path / f"{logits}.onnx"
        assert run("quantize", DIGITS, "--calib", DATA, "--logits", logits, "-o", out).status == 0
        nodes = onnx.load(out).graph.node
        (last,) = (node.output[0] for node in nodes if node.name == "classifier")
        after[logits] = [node.op_type for node in nodes if last in node.input]

    assert after == {"wide": ["Flatten"], "int8": ["QuantizeLinear"]}
