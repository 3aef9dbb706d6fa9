"""Small files like those of public reports: right, or refused in one sentence everywhere alike.

``tests/models/cases`` holds the files. What is not named below is built.
"""

from pathlib import Path

import numpy as np
import onnx
import pytest

from accelgen import compile, target
from accelgen.arch import PRESETS
from accelgen.errors import AccelgenError
from accelgen.flow.network import read_network
from accelgen.flow.verdicts import check_model
from tests.helpers.second_opinion import assert_outputs_agree

CASES = Path(__file__).parents[1] / "models" / "cases"
ARCH = PRESETS["ultra96_double"]

#: File: what the one sentence says. Each names its node.
REFUSED = {
    "concat5000": "read 5,000 tensors; up to 4,000 are compiled: split the model",
    "constantofshape_no_input": "'k' (ConstantOfShape) has 0 inputs; the operator has 1",
    "flatten_bn1d": "scales each of 120 features of a flattened map; put it before the Flatten",
    "gap512": "'GlobalAveragePool_y' does not fit the feature memory of 5,120 rows",
    "in4k": "'c' reads a map of 4096 x 4096, over 4095; use a smaller input resolution",
    "slice_2e40": "'lr' (MatMul) has alpha=0.10000000149011612, which this operator has not",
    "string_constant": "'k' (Constant): attribute value='$(id)' must be a tensor",
}
BUILT = sorted({path.stem for path in CASES.glob("*.onnx")} - set(REFUSED))


def answers(name):
    """What check says, and what the compiler says."""
    path = CASES / f"{name}.onnx"
    try:
        said = check_model(path, arch=ARCH).refusal
    except AccelgenError as error:
        said = str(error)
    try:
        compile(path, target(arch=ARCH), fc_on="pl")
    except AccelgenError as error:
        return said, str(error)
    return said, ""


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_one_sentence(name):
    said, compiler = answers(name)

    assert REFUSED[name] in said
    assert said == compiler
    assert "\n" not in said


@pytest.mark.parametrize("name", BUILT)
def test_built(name):
    assert answers(name) == ("", "")


@pytest.mark.parametrize("name", BUILT)
def test_every_output_is_the_models(name):
    """Float, int8, and the QDQ file we write, against onnxruntime."""
    path = CASES / f"{name}.onnx"

    assert_outputs_agree(onnx.load(path), path=path)


def test_the_bias_of_another_scale_is_rounded_to_the_layers():
    """Such a bias taken as it stood was 40 steps off."""
    imported = read_network(CASES / "bias_int8_own_scale.onnx")

    (scale,) = imported.bias_scales.values()
    (weight,) = imported.weight_scales.values()

    layer = imported.quantization[imported.graph.input].scale * weight
    assert not np.isclose(scale, layer, rtol=1e-3).any()


@pytest.mark.parametrize("name", ["in4k"])
def test_check_of_what_cannot_be_a_map(name):
    path = CASES / f"{name}.onnx"

    try:
        refusal = check_model(path, arch=ARCH).refusal
    except AccelgenError as error:
        refusal = str(error)

    assert REFUSED[name] in refusal
