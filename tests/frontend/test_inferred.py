"""Shapes that onnx infers in a process of its own, which may end as it likes."""

import subprocess
import sys

import numpy as np
import pytest

from accelgen.arch import PRESETS
from accelgen.flow import verdicts
from accelgen.flow.verdicts import check_model
from accelgen.frontend import inferred
from accelgen.frontend.inferred import inferred_shapes
from tests.helpers.nets import conv_relu, make_net, node, weights

ARCH = PRESETS["small"]
#: A convolution over more pixels than its map has: its sizes come out negative.
NEGATIVE = [
    node("Hardmax", "x", "e"), node("GlobalAveragePool", "e", "g"), node("Conv", "g w", "c")
]  # fmt: skip
W = {"w": weights(3, 3, 3, 4)}


def dying(opset=17):
    """A model at whose Slice onnx's inference aborts: std::clamp between 0 and a size below 0."""
    constants = {"s": np.array([0]), "n": np.array([5]), "a": np.array([2])}
    return make_net([*NEGATIVE, node("Slice", "c s n a", "y")], W | constants, opset=opset)


def test_an_assertion_in_onnx_does_not_end_check(tmp_path):
    file = tmp_path / "dying.onnx"
    file.write_bytes(dying().SerializeToString())

    done = subprocess.run(
        [sys.executable, "-m", "accelgen", "check", str(file)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert (
        "verdict: does not build for ultra96v2: node 'Hardmax_0' is Hardmax, which" in done.stdout
    )
    assert not done.stderr


@pytest.mark.parametrize("opset", [10, 13, 18])
def test_nothing_is_known_when_onnx_dies(opset):
    assert inferred_shapes(dying(opset)) == {}


def test_nothing_is_known_when_onnx_takes_too_long(monkeypatch):
    monkeypatch.setattr(inferred, "_CHILD", "import time; time.sleep(60)")
    monkeypatch.setattr(inferred, "_SECONDS", 0.2)

    assert inferred_shapes(conv_relu()) == {}


def test_shapes_are_those_of_onnx_without_the_weights():
    """A batch without a number is 1; weights of some size stay here."""
    nodes = [node("Conv", "x w", "c"), node("Hardmax", "c", "e"), node("Reshape", "e s", "y")]
    constants = {"w": weights(64, 3, 5, 5), "s": np.array([0, 1024])}
    model = make_net(nodes, constants, shape=("n", 3, 8, 8))

    assert inferred_shapes(model) == {
        "c": (1, 64, 4, 4), "e": (1, 64, 4, 4), "y": (1, 1024)
    }  # fmt: skip
    assert inferred._outline(model).ByteSize() < 1000 < model.ByteSize()


def test_nobody_is_asked_about_a_model_that_can_be_read(monkeypatch):
    monkeypatch.setattr(verdicts, "inferred_shapes", None)

    assert check_model(conv_relu(), arch=ARCH).builds
