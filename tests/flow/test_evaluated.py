"""evaluate: accuracy of a trained network, of a QDQ file, of maps; and what is no data for it."""

from pathlib import Path

import numpy as np
import pytest

import accelgen
from accelgen.errors import ConfigError, QuantizationError
from accelgen.flow import evaluated
from accelgen.inputs.shown import ShownArrays
from accelgen.quant.accuracy import predict, top1

MODELS = Path(__file__).parents[1] / "models"
DIGITS = MODELS / "trained_digits_tiny.onnx"
DATA = MODELS / "trained_digits_tiny_test.npz"


@pytest.fixture(scope="module")
def digits():
    return accelgen.evaluate(DIGITS, DATA, calib=DATA)


def test_float_is_what_it_was_trained_to(digits):
    arrays = np.load(DATA)
    right = (arrays["float_logits"].argmax(1) == arrays["y"]).mean()

    assert (digits.pictures, digits.labelled, digits.classes) == (500, 500, 10)
    assert digits.float.top1 == pytest.approx(right)
    assert digits.float.top5 >= digits.float.top1
    assert digits.reference == "float"


def test_int8_is_the_golden_model(digits, tmp_path):
    made = accelgen.quantize(DIGITS, tmp_path / "q.onnx", calib=DATA).model
    arrays = np.load(DATA)
    divisor, mean, std = (np.float32(arrays[k]) for k in ("divisor", "mean", "std"))
    x = ((arrays["x_uint8"].astype(np.float32) / divisor - mean) / std).transpose(0, 2, 3, 1)
    logits = predict(made.graph, x)

    assert digits.int8.top1 == pytest.approx(top1(logits, arrays["y"]))
    same = logits.argmax(1) == arrays["float_logits"].argmax(1)
    assert digits.int8.agreement == pytest.approx(same.mean())
    tied = (logits == logits.max(1, keepdims=True)).sum(1) > 1
    assert digits.int8.ties == pytest.approx(tied.mean())
    assert digits.same_as_onnxruntime > 0.99
    assert digits.onnxruntime.top1 == pytest.approx(digits.int8.top1, abs=0.005)


def test_pictures_that_lose_most_are_named(digits):
    assert len(digits.worst) == 5
    arrays = np.load(DATA)
    changed = round((1 - digits.int8.agreement) * 500)
    for place, found in enumerate(digits.worst):
        index = int(found.picture.removeprefix("sample "))
        assert found.label == arrays["y"][index]
        assert found.reference == arrays["float_logits"][index].argmax()
        assert (found.int8 != found.reference) == (place < changed)


def test_json_has_the_contracts_keys(digits):
    made = digits.to_dict()

    assert set(made["float"]) == {"top1", "top5"}
    assert {"top1", "top5", "agreement", "ties", "sqnr_db"} == set(made["int8"])
    assert set(made["int8"]) == set(made["onnxruntime"])
    for key in ("agreement", "ties", "sqnr_db"):
        assert made[key] == made["int8"][key]


def test_a_quantized_file_is_compared_with_onnxruntime(tmp_path, digits):
    accelgen.quantize(DIGITS, tmp_path / "q.onnx", calib=DATA)

    made = accelgen.evaluate(tmp_path / "q.onnx", DATA)

    assert (made.reference, made.float, made.warnings) == ("onnxruntime", None, ())
    assert made.int8.top1 == digits.int8.top1
    assert made.onnxruntime.top1 == digits.onnxruntime.top1
    assert made.onnxruntime.agreement is None
    assert made.int8.agreement == made.same_as_onnxruntime
    assert made.to_dict()["float"] is None


def test_pictures_stream_and_order_is_kept(monkeypatch):
    under_way, most, done = [], [], []
    read = ShownArrays.read

    def counted(self, first, last):
        if len(self.x) < 500:  # calibration
            return read(self, first, last)
        under_way.append(first)
        most.append(last - first)
        assert len(under_way) - len(done) <= 2 * len(evaluated.os.sched_getaffinity(0)) + 2
        return read(self, first, last)

    monkeypatch.setattr(ShownArrays, "read", counted)
    monkeypatch.setattr(evaluated, "_MOST_PER_RUN", 3)
    told = []

    def progress(count, total):
        done.append(count)
        told.append((count, total))

    made = accelgen.evaluate(DIGITS, DATA, calib=DATA, limit=100, progress=progress)

    assert set(most) <= {1, 3, 8}  # eight to see how they are scaled
    assert told == [(min(n, 100), 100) for n in range(3, 103, 3)]
    assert made.pictures == 100
    monkeypatch.undo()
    at_once = accelgen.evaluate(DIGITS, DATA, calib=DATA, limit=100)
    assert at_once.int8.top1 == made.int8.top1
    assert at_once.worst == made.worst


def test_maps_have_errors_and_no_classes(tmp_path):
    x = np.random.default_rng(0).standard_normal((3, 3, 64, 64)).astype(np.float32)
    np.savez(tmp_path / "x.npz", x=x)

    made = accelgen.evaluate("zoo:tiny_yolov3@64", tmp_path / "x.npz", calib=tmp_path / "x.npz")

    assert (made.classes, made.int8.top1, made.int8.agreement) == (None, None, None)
    assert len(made.outputs) == 2
    for output in made.outputs:
        assert 10 < output.sqnr_db < 60
        assert output.max_error > 0
    assert made.int8.sqnr_db == made.outputs[0].sqnr_db
    assert [w.sqnr_db for w in made.worst] == sorted(w.sqnr_db for w in made.worst)


def test_labels_of_maps_are_refused(tmp_path):
    np.savez(tmp_path / "x.npz", x=np.zeros((1, 3, 64, 64), np.float32), y=np.array([1]))

    with pytest.raises(QuantizationError, match=r"output 'head0.out' .*is no vector and no only"):
        accelgen.evaluate("zoo:tiny_yolov3@64", tmp_path / "x.npz")


def test_without_labels_agreement_is_left(tmp_path):
    x = np.random.default_rng(0).standard_normal((4, 1, 8, 8)).astype(np.float32)
    np.savez(tmp_path / "x.npz", x=x)

    made = accelgen.evaluate(DIGITS, tmp_path / "x.npz", calib=DATA)

    assert (made.labelled, made.float.top1, made.int8.top1) == (0, None, None)
    assert made.int8.agreement is not None


def test_nothing_is_computed_before_data_is_looked_at(tmp_path, monkeypatch):
    monkeypatch.setattr(evaluated, "quantized", lambda *a, **k: pytest.fail("computed"))
    np.savez(tmp_path / "x.npz", x=np.zeros((2, 1, 8, 8), np.float32), y=np.array([3, 10]))

    with pytest.raises(QuantizationError, match=r"label of sample 1 is 10.*classes 0 to 9"):
        accelgen.evaluate(DIGITS, tmp_path / "x.npz", calib=DATA)
    with pytest.raises(ConfigError, match="limit of pictures is at least 1"):
        accelgen.evaluate(DIGITS, DATA, limit=0)
    with pytest.raises(QuantizationError, match="nothing to evaluate on"):
        accelgen.evaluate(DIGITS, accelgen.Calibration())
