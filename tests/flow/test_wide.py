"""Wide logits from the front door: where they are, what they change, and what they do not."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import accelgen
from accelgen.errors import ConfigError
from accelgen.flow.packages import open_package
from accelgen.golden.interpret import interpret
from accelgen.golden.outputs import model_outputs
from accelgen.ir.wide import narrowed, wide_nodes
from tests.helpers.random_onnx import POINT, OnnxNet
from tests.quant.test_write_qdq import assert_same

MODELS = Path(__file__).parents[1] / "models"
DIGITS = MODELS / "trained_digits_tiny.onnx"
DATA = MODELS / "trained_digits_tiny_test.npz"


@pytest.fixture(scope="module")
def small():
    return accelgen.target(preset="small")


def compiled(small, **options):
    return accelgen.compile(DIGITS, small, calib=DATA, **options)


def test_ps_and_pl_leave_the_same_sums(small):
    there, here = (compiled(small, fc_on=place) for place in ("ps", "pl"))
    rounded = compiled(small, fc_on="ps", logits="int8")

    assert [len(wide_nodes(c.model.graph)) for c in (there, here, rounded)] == [1, 1, 0]
    assert_same(there.model.graph, here.model.graph)
    assert_same(rounded.model.graph, narrowed(here.model.graph))
    assert [len(wide_nodes(c.program.graph)) for c in (there, here, rounded)] == [1, 0, 0]
    # The PL's part is the same to the byte.
    assert there.program.image == rounded.program.image
    # Of the other, the PS puts bytes together.
    (step,) = here.program.ps_steps
    assert step.node.endswith(".join")


def test_without_room_a_layer_is_int8(tmp_path, small):
    """Two pixels of a row do not hold four bytes."""
    few = accelgen.target(arch=replace(small.arch, lanes=8, pixels=2))
    net = OnnxNet((3, 6, 5))
    net.whole("GlobalAveragePool", net.conv("x", 9, POINT))
    (tmp_path / "net.onnx").write_bytes(net.model())

    made = [accelgen.compile(tmp_path / "net.onnx", where) for where in (few, small)]

    assert [len(wide_nodes(c.model.graph)) for c in made] == [0, 1]


def test_any_other_word_is_refused(small):
    with pytest.raises(ConfigError, match="--logits is wide or int8, not 'int16'"):
        compiled(small, logits="int16")


@pytest.mark.parametrize("logits", ["wide", "int8"])
def test_a_package_says_what_leaves_and_is_opened_again(tmp_path, small, logits):
    network = compiled(small, fc_on="ps", logits=logits)
    accelgen.build(network, tmp_path / "p", calib=DATA, program_only=True)

    again, _ = open_package(tmp_path / "p")

    assert again.model.graph.tensors == network.model.graph.tensors
    (step,) = json.loads((tmp_path / "p" / "manifest.json").read_text())["ps_steps"]
    kind = network.model.graph.tensors[step["output"]]
    if logits == "wide":
        assert (step["dtype"], step["scales"]) == ("int32", list(kind.steps))
    else:
        assert "dtype" not in step
    expected = np.load(tmp_path / "p" / "expected.npz")
    x = expected["input"][None]
    (want,) = model_outputs(network.model.graph, interpret(network.model.graph, x)).values()
    assert expected["output_0"].tobytes() == want.tobytes()


def test_ties_are_gone(small):
    wide, rounded = (
        accelgen.evaluate(MODELS / "trained_fmnist_dscnn.onnx", where, calib=where, logits=logits)
        for where in [MODELS / "trained_fmnist_dscnn_test.npz"]
        for logits in ("wide", "int8")
    )

    assert (wide.logits, rounded.logits) == ("wide", "int8")
    assert wide.int8.ties == 0
    assert wide.onnxruntime.ties == 0
    assert rounded.int8.ties > 0
    assert wide.int8.sqnr_db > rounded.int8.sqnr_db
