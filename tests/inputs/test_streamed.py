"""Samples that are read when they are asked for: as an array has them, and a few in memory."""

import tracemalloc

import numpy as np
import onnx
import pytest

import accelgen
from accelgen.inputs import pictures as module
from accelgen.streamed import Streamed
from tests.helpers.nets import make_net, node, weights

ALL = np.arange(10 * 4, dtype=np.float32).reshape(10, 2, 1, 2)


def streamed(read=None):
    return Streamed(read or (lambda a, b: ALL[a:b]), ALL.shape)


@pytest.mark.parametrize(
    "chosen",
    [slice(2, 5), slice(None, -3), slice(-3, None), slice(5, 2), slice(0, 9, 2), [7, 0, 7],
     np.array([3]), 4],
)  # fmt: skip
def test_it_is_chosen_from_as_from_an_array(chosen):
    made = np.asarray(streamed()[chosen])

    np.testing.assert_array_equal(made, ALL[chosen])
    assert made.dtype == np.float32


def test_slices_of_slices_read_nothing_until_they_are_arrays():
    read = []
    part = streamed(lambda a, b: read.append((a, b)) or ALL[a:b])[2:9][1:-2]

    assert (len(part), part.shape, part.ndim, read) == (4, (4, 2, 1, 2), 4, [])
    np.testing.assert_array_equal(np.asarray(part), ALL[3:7])
    assert read == [(3, 4), (4, 5), (5, 6), (6, 7)]


def peak(model, where, count, monkeypatch):
    """Bytes that quantizing on ``count`` pictures holds at most, and how often one was read."""
    read = []

    def made_up(file, order):
        read.append(file.name)
        rng = np.random.default_rng(int(file.stem))
        return rng.integers(0, 256, (64, 64, 3)).astype(np.uint8)

    files = [where / f"{i}.png" for i in range(count)]
    monkeypatch.setattr(module, "read_picture", made_up)
    monkeypatch.setattr("accelgen.inputs.samples.pictures_below", lambda where: files)
    how = accelgen.Pictures(mean="0.5", std="0.5")
    tracemalloc.start()
    made = accelgen.quantize(
        model, where / "q.onnx", calib=accelgen.Calibration(where=where, pictures=how),
        technique="none",
    )  # fmt: skip
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert made.model.calibrated == count
    assert set(read) == {f.name for f in files}
    return most


def test_a_thousand_pictures_take_the_memory_of_a_hundred(tmp_path, monkeypatch):
    nodes = [node("Conv", "x w b", "t", pads=[1, 1, 1, 1]), node("Relu", "t")]
    constants = {"w": weights(16, 3, 3, 3), "b": weights(16)}
    onnx.save(make_net(nodes, constants, shape=(1, 3, 64, 64)), tmp_path / "net.onnx")

    few, many = (peak(tmp_path / "net.onnx", tmp_path, n, monkeypatch) for n in (100, 1000))

    assert many < 1.1 * few
