"""Wide logits from the front door: where they are, what they change, and what they do not."""

import json
from pathlib import Path

import numpy as np
import pytest

import accelgen
from accelgen.errors import ConfigError, ScheduleError
from accelgen.flow.network import load, quantized
from accelgen.flow.packages import open_package
from accelgen.golden.interpret import interpret
from accelgen.golden.outputs import model_outputs
from accelgen.ir.wide import narrowed, wide_nodes
from accelgen.schedule import schedule
from tests.quant.test_write_qdq import assert_same

MODELS = Path(__file__).parents[1] / "models"
DIGITS = MODELS / "trained_digits_tiny.onnx"
DATA = MODELS / "trained_digits_tiny_test.npz"


@pytest.fixture(scope="module")
def small():
    return accelgen.target(preset="small")


def compiled(small, **options):
    return accelgen.compile(DIGITS, small, calib=DATA, **options)


def test_the_ps_leaves_sums_and_the_pl_int8(small):
    there, here = (compiled(small, fc_on=place) for place in ("ps", "pl"))
    rounded = compiled(small, fc_on="ps", logits="int8")

    assert [len(wide_nodes(c.model.graph)) for c in (there, here, rounded)] == [1, 0, 0]
    assert_same(narrowed(there.model.graph), here.model.graph)
    assert_same(rounded.model.graph, here.model.graph)
    assert [len(wide_nodes(c.program.graph)) for c in (there, here, rounded)] == [1, 0, 0]
    # The PL's part is the same to the byte.
    assert there.program.image == rounded.program.image


def test_a_wide_layer_on_the_pl_is_refused(small):
    int8, _ = quantized(load(DIGITS), calib=DATA)

    with pytest.raises(ScheduleError, match="leaves its sums in int32, which the PL does not"):
        schedule(int8.graph, small.arch)


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
