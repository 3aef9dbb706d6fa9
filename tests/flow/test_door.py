"""The Python door: functions that stay functions, and the numbers of the command line."""

import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

import accelgen
from accelgen.errors import ConfigError, ScheduleError, UnsupportedOpError
from accelgen.flow.simulated import Simulated, SimulatedLayer
from tests.helpers.cli import run
from tests.helpers.nets import make_net, node, weights

MODELS = Path(__file__).parents[1] / "models"
DIGITS = MODELS / "trained_digits_tiny.onnx"

FUNCTIONS = sorted(n for n in accelgen.__all__ if inspect.isfunction(getattr(accelgen, n)))
NETWORKS = [
    "zoo:mobilenet_v2",
    "zoo:squeezenet1_1",
    "zoo:shufflenet_v2",
    "zoo:efficientnet_b0",
    str(MODELS / "trained_fmnist_effse.onnx"),
]
CLI_CHECK = """
from typer.testing import CliRunner
from accelgen.cli.app import app
assert CliRunner().invoke(app, ["check", "zoo:squeezenet1_1@64"]).exit_code == 0
"""


def printed(code):
    """What a process of its own prints."""
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout


def test_the_verbs_are_there():
    verbs = {"build", "check", "compile", "estimate", "evaluate", "quantize", "simulate"}

    assert verbs < set(FUNCTIONS)
    assert set(accelgen.__all__) <= set(dir(accelgen))


def test_functions_stay_functions_whatever_is_imported():
    code = f"""
import importlib, pkgutil, accelgen
for module in pkgutil.walk_packages(accelgen.__path__, "accelgen."):
    if ".driver." not in module.name and not module.name.endswith("__main__"):
        importlib.import_module(module.name)
from accelgen import {", ".join(FUNCTIONS)}
print({", ".join(f"type({name}).__name__" for name in FUNCTIONS)})
"""
    assert printed(code).split() == ["function"] * len(FUNCTIONS)


@pytest.mark.parametrize(
    "work",
    [
        "",
        "accelgen.check('zoo:squeezenet1_1@64')",
        "accelgen.estimate('zoo:squeezenet1_1@64')",
        CLI_CHECK,
    ],
    ids=["import", "check", "estimate", "accelgen check"],
)
def test_amaranth_is_not_imported(work):
    code = f"import accelgen, sys\n{work}\nprint('amaranth' in sys.modules)"

    assert printed(code).strip() == "False"


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS, ids=lambda n: n.split(":")[-1].split("/")[-1])
def test_both_doors_say_the_same_to_the_digit(network):
    there = run("estimate", network, "--json")

    assert json.loads(there.out) == json.loads(
        json.dumps(accelgen.estimate(network).to_dict(network))
    )


def test_a_name_is_as_good_as_a_path(tmp_path):
    samples = MODELS / "trained_digits_tiny_test.npz"
    config = tmp_path / "knobs.toml"
    config.write_text("acc_depth = 32\n")

    def numbers(kind):
        hardware = accelgen.target("ultra96v2", preset="small", config=kind(config))
        assert hardware.arch.acc_depth == 32
        return accelgen.estimate(kind(DIGITS), hardware, calib=kind(samples))

    def written(kind, name):
        out = tmp_path / name
        accelgen.quantize(kind(DIGITS), kind(out), calib=kind(samples))
        return out.read_bytes()

    assert numbers(str) == numbers(Path)
    assert written(str, "a.onnx") == written(Path, "b.onnx")
    assert accelgen.check(str(DIGITS)).nodes == accelgen.check(DIGITS).nodes


def test_a_package_is_built_from_a_file_and_opened_by_name(tmp_path):
    numbers = accelgen.build(str(DIGITS), str(tmp_path / "p"), program_only=True)

    compiled, verilog = accelgen.open_package(str(tmp_path / "p"))

    assert accelgen.estimate(compiled).cycles == numbers.cycles
    assert verilog is None


def test_what_is_compiled_takes_no_options_of_compiling():
    compiled = accelgen.compile(DIGITS)

    for options in ({"calib": "x.npz"}, {"fc_on": "ps"}):
        with pytest.raises(ConfigError, match=f"compiled already: {next(iter(options))} can be"):
            accelgen.estimate(compiled, **options)
    with pytest.raises(ConfigError, match="is compiled for another configuration"):
        accelgen.estimate(compiled, accelgen.target(preset="small"))


def test_the_estimate_that_placed_the_layers_is_not_that_of_other_hardware():
    network = MODELS / "trained_fmnist_effse.onnx"
    slow = accelgen.target(clock_mhz=100)
    compiled = accelgen.compile(network)

    assert accelgen.estimate(compiled, slow).clock_mhz == 100
    assert accelgen.estimate(compiled).clock_mhz == 300


def test_representations_are_short():
    loaded, compiled = accelgen.load(DIGITS), accelgen.compile(DIGITS)

    for value in (loaded, compiled, accelgen.target(), accelgen.check(DIGITS)):
        assert len(repr(value)) < 100
    assert "trained_digits_tiny" in repr(compiled)


def test_results_are_short_in_a_shell_and_tables_in_a_notebook(tmp_path):
    hostile = tmp_path / "<b>&.onnx"
    hostile.write_bytes(DIGITS.read_bytes())
    compiled = accelgen.compile(hostile)
    results = (
        compiled,
        accelgen.check(hostile),
        accelgen.estimate(compiled),
        accelgen.quantize(hostile, tmp_path / "q.onnx"),
    )
    for value in results:
        html = value._repr_html_()
        assert len(repr(value)) < 300
        assert html.startswith("<table>")
        assert html.count("<tr>") > 3
        assert "<b>" not in html


def test_a_simulation_is_a_table_too():
    layer = SimulatedLayer(
        name="<i>conv", op="Conv2d", engine="array", macs=1, match=False, elements=4, cycles=100,
        estimated_cycles=99, step="<i>conv", efficiency=0.5, losses={"ddr": 50},
    )  # fmt: skip
    result = Simulated(board="b", config={}, layers=(layer,), faults=("it differs",))

    assert repr(result) == "<Simulated on b: 1 layers, DIFFERS from the golden model>"
    html = result._repr_html_()
    assert "&lt;i&gt;conv" in html
    assert "-1.0 %" in html
    assert "it differs" in html


def test_errors_have_their_parts_as_fields(tmp_path):
    nodes = [node("Conv", "x w", "y", name="p", group=3, pads=[6] * 4)]
    path = tmp_path / "pool.onnx"
    path.write_bytes(make_net(nodes, {"w": weights(3, 1, 13, 13)}).SerializeToString())

    with pytest.raises(ScheduleError) as caught:
        accelgen.compile(path)

    error, (report,) = caught.value, accelgen.check(path).nodes
    assert error.node == "p"
    assert error.reason.startswith("has 169 taps")
    assert error.way_out.endswith("raise tap_words to 512")
    assert str(error) == f"node 'p' {error.reason}; {error.way_out}"
    assert (report.verdict, report.reason, report.rewrite) == (
        "not supported", error.reason, error.way_out
    )  # fmt: skip


def test_an_attribute_that_is_not_built_is_a_field(tmp_path):
    nodes = [node("MaxPool", "x", "y", name="p", kernel_shape=[2, 2], strides=[70000, 1])]
    path = tmp_path / "pool.onnx"
    path.write_bytes(make_net(nodes, shape=(1, 3, 8, 8)).SerializeToString())

    with pytest.raises(UnsupportedOpError) as caught:
        accelgen.load(path)

    assert (caught.value.node, caught.value.attribute) == ("p", "strides")
    assert caught.value.way_out
