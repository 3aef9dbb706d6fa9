"""A package keeps all that its program depends on: opened, it is compiled to the same again."""

import inspect
import json
from dataclasses import fields
from pathlib import Path

import pytest

import accelgen
from accelgen.assets import asset
from accelgen.errors import ConfigError
from accelgen.flow.compiler import compile as compile_model
from accelgen.flow.hardware import Target, target
from tests.helpers.cli import run

MODELS = Path(__file__).parents[1] / "models"
DIGITS = MODELS / "trained_digits_tiny.onnx"
EFFSE = MODELS / "trained_fmnist_effse.onnx"
SAMPLES = MODELS / "trained_digits_tiny_test.npz"

#: Arguments of compile() beside model and hardware, each other than by default.
OPTIONS = {
    "fc_on": "ps",
    "se_on": "ps",
    "calib": SAMPLES,
    "method": "minmax",
    "technique": "none",
    "logits": "int8",
    "seed": 3,
    "keep_all": True,
}
#: Arguments of target(), each other than by default.
HARDWARE = {
    "board": "zcu104",
    "preset": "ultra96",
    "config": {"feature_rows": 1024},
    "arch": accelgen.target(preset="small").arch,
    "clock_mhz": 150.0,
    "ddr_bytes_per_cycle": 1.5,
    "ddr_latency": 400,
    "stalls": 0.4,
    "ps_threads": 4,
}


def opened_again(tmp_path, compiled, **more):
    accelgen.build(compiled, tmp_path / "p", program_only=True, **more)
    again, _ = accelgen.open_package(tmp_path / "p")
    assert [p.image for p in again.parts] == [p.image for p in compiled.parts]
    return again


def names(function):
    return set(inspect.signature(function).parameters)


def test_every_argument_of_compiling_is_tried_here():
    # Layers are excluded from what needs samples; the numbers are then in the network.
    others = {"model", "hardware", "cycles_only", "exclude"}
    assert names(compile_model) == {*OPTIONS, *others}
    assert names(target) == {*HARDWARE}
    assert {f.name for f in fields(Target)} == {
        "board", "arch", "clock_mhz", "memory", "ps_threads", "layerwise"
    }  # fmt: skip


@pytest.mark.parametrize(
    "option", [pytest.param(o, marks=pytest.mark.slow if o == "se_on" else ()) for o in OPTIONS]
)
def test_a_package_keeps_what_it_was_compiled_with(tmp_path, option):
    model = EFFSE if option == "se_on" else DIGITS
    compiled = accelgen.compile(model, accelgen.target(preset="small"), **{option: OPTIONS[option]})

    again = opened_again(tmp_path, compiled)

    assert again.offload == compiled.offload
    assert [set(p.kept) for p in again.parts] == [set(p.kept) for p in compiled.parts]


@pytest.mark.parametrize("option", HARDWARE)
def test_a_package_keeps_what_it_was_compiled_for(tmp_path, option):
    value = HARDWARE[option]
    if option == "config":
        value = tmp_path / "knobs.toml"
        value.write_text("".join(f"{k} = {v}\n" for k, v in HARDWARE[option].items()))
    hardware = accelgen.target(**{option: value})
    assert hardware != accelgen.target()

    again = opened_again(tmp_path, accelgen.compile(DIGITS, hardware))

    assert again.hardware == hardware


def test_a_package_of_a_board_of_its_own(tmp_path):
    """Whoever opens it need not have the board's file."""
    text = (asset("boards") / "ultra96v2" / "board.toml").read_text()
    file = tmp_path / "board.toml"
    file.write_text(text.replace('name = "ultra96v2"', 'name = "mine"').replace("2133", "1066"))
    hardware = accelgen.target(file)
    compiled = accelgen.compile(DIGITS, hardware)
    file.unlink()

    assert opened_again(tmp_path, compiled).hardware == hardware


def test_a_plan_that_was_made_for_other_hardware(tmp_path):
    """The program stays as it was planned; what it runs on is the package's."""
    compiled = accelgen.compile(DIGITS, accelgen.target(preset="small"))
    slow = accelgen.target(
        "zcu104", arch=compiled.hardware.arch, clock_mhz=100, ddr_bytes_per_cycle=0.5
    )

    again = opened_again(tmp_path, compiled, hardware=slow)

    assert again.hardware == slow
    assert accelgen.estimate(again).cycles == accelgen.estimate(compiled, slow).cycles


def test_made_up_ranges_are_no_package(tmp_path):
    compiled = accelgen.compile(DIGITS, accelgen.target(preset="small"), cycles_only=True)

    with pytest.raises(ConfigError, match="ranges are made up"):
        accelgen.build(compiled, tmp_path / "p", program_only=True)


@pytest.mark.slow
def test_a_package_is_simulated_on_the_memory_it_was_built_for(tmp_path):
    built = run(
        "build", DIGITS, "--preset", "small", "--ddr-latency", 500, "--json", "-o", tmp_path / "p"
    )
    assert built.status == 0, built.err

    here, slower = (
        run("simulate", tmp_path / "p", "--json", *more) for more in ((), ("--ddr-latency", 1500))
    )

    assert here.status == slower.status == 0, here.err + slower.err
    frames = [json.loads(x.out)["frame"] for x in (here, slower)]
    assert frames[0]["estimated_cycles"] == json.loads(built.out)["cycles"]
    assert frames[1]["cycles"] > frames[0]["cycles"] + 1000
