"""docs/tutorial.md is true: its commands, integers and cycles are those of today."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from accelgen import compile, target
from accelgen.golden.interpret import interpret
from accelgen.program.text import program_text
from tests.helpers.cli import run

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "tutorial.md").read_text()
MODEL = ROOT / "tests" / "models" / "trained_fmnist_dscnn.onnx"
SAMPLES = MODEL.with_name(MODEL.stem + "_test.npz")


def _number(pattern: str) -> int:
    (found,) = set(re.findall(pattern, PAGE))
    return int(found.replace(",", ""))


@pytest.fixture(scope="module")
def program():
    hardware = target("ultra96v2", preset="small")
    return compile(MODEL, hardware, calib=SAMPLES).program


def test_the_listing_is_the_programs(program):
    (block,) = re.findall(r"    step 1 \[array.*?\n\n", PAGE, re.DOTALL)
    head, command = block.strip().split("\n", 1)
    lines = [line.strip() for line in program_text(program).splitlines()]
    assert head in lines
    assert " ".join(command.split()) in lines


def test_the_integers_are_the_golden_models(program):
    graph = program.graph
    given = np.load(SAMPLES)
    scale = graph.tensors["input"].quantization
    real = given["x_uint8"][0].transpose(1, 2, 0) / 255.0
    real = (real - float(given["mean"])) / float(given["std"])
    x = np.clip(np.rint(real / scale.scale) + scale.zero_point, -128, 127).astype(np.int8)
    seen: dict[str, np.ndarray] = {}
    interpret(graph, x[None], watch=lambda name, value: seen.setdefault(name, value.copy()))

    pixel = seen["relu_6_out"][0, 6, 6].astype(int)
    acc = int(pixel @ graph.constants["conv_7/weight"][1, 0, 0].astype(int))
    bias = int(graph.constants["conv_7/bias"][1])
    assert acc == _number(r"acc  = *(-[\d,]+)")
    assert bias == _number(r"bias = *([\d,]+)")
    assert int(graph.constants["conv_7/multiplier"][1]) == _number(r"M = ([\d,]+), n")
    assert int(graph.constants["conv_7/shift"][1]) == _number(r", n = (\d+)")
    assert int(seen["relu_9_out"][0, 6, 6, 1]) == _number(r"\d+ - 128 = (-\d+)")


@pytest.mark.slow
def test_the_cycles_are_simulated_and_estimated():
    options = ["--calib", SAMPLES, "--preset", "small"]
    said = run("simulate", MODEL, *options, "--frame", "--json")
    assert said.status == 0
    result = json.loads(said.out)
    (layer,) = (x for x in result["layers"] if x["name"] == "conv_7")
    assert layer["cycles"] == _number(r"conv_7  \.\.\.  ([\d,]+) cycles")
    assert layer["estimated_cycles"] == _number(r"([\d,]+) estimated   ")
    assert layer["elements"] == _number(r"([\d,]+) elements")
    assert result["frame"]["cycles"] == _number(r"`([\d,]+) cycles simulated")
    assert result["frame"]["estimated_cycles"] == _number(r"simulated, ([\d,]+) estimated`")
