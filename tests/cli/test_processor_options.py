"""--fc-on, --se-on, --ps-threads, --ps: what they do, and what they refuse."""

import functools
import json
from pathlib import Path

import pytest

import accelgen
from accelgen.errors import ConfigError
from accelgen.flow import packages
from accelgen.simulation.processor import processor
from tests.helpers.cli import run
from tests.helpers.nets import make_net, node, weights

MODELS = Path(__file__).parents[1] / "models"
EFFSE = MODELS / "trained_fmnist_effse.onnx"
CALIB = MODELS / "trained_fmnist_effse_test.npz"


@functools.cache
def estimate(*options):
    outcome = run("estimate", EFFSE, "--calib", CALIB, "--preset", "small", "--json", *options)
    assert outcome.status == 0, outcome.err
    return json.loads(outcome.out)


def classifier(where, side, features=64):
    """The file of a convolution over ``side`` x ``side`` pixels, pooled, and 1,000 classes."""
    nodes = [
        node("Conv", "x w b", "map", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node("GlobalAveragePool", "map", "pooled"),
        node("Flatten", "pooled", "vector"),
        node("Gemm", "vector fc", "y", name="classifier", transB=1),
    ]
    constants = {
        "w": weights(features, 3, 3, 3), "b": weights(features), "fc": weights(1000, features),
    }  # fmt: skip
    file = where / f"classifier_{side}.onnx"
    model = make_net(nodes, constants, shape=(1, 3, side, side))
    file.write_bytes(model.SerializeToString())
    return file


def engines(result):
    return {layer["name"]: layer["engine"] for layer in result["layers"]}


def test_fc_on_ps_moves_the_classifier_and_nothing_else():
    before, after = estimate("--fc-on", "pl"), estimate("--fc-on", "ps")

    moved = {n for n, e in engines(after).items() if e != engines(before)[n]}
    assert moved == {"classifier"}
    kernels = [k["op"] for k in after["ps"]["kernels"]]
    assert kernels == ["quantize", "layout", "hand over", "layout", "Conv2d", "output"]
    assert [k["op"] for k in before["ps"]["kernels"]] == [
        "quantize",
        "layout",
        "hand over",
        "layout",
        "JoinBytes",  # what the PL leaves of the sums
        "output",
    ]
    assert before["ps"]["crossings"] == after["ps"]["crossings"] == 2


def test_se_on_ps_costs_a_crossing_each_way_per_block():
    result = estimate("--se-on", "ps", "--fc-on", "ps")
    ps = result["ps"]

    assert len(ps["se_blocks"]) == 5
    assert ps["crossings"] == 2 + 2 * 5
    assert ps["pl_waits_ms"] > 0.1
    assert result["fps"] == pytest.approx(1e3 / ps["frame_ms"])
    assert result["fps"] < estimate()["fps"]


def test_samples_change_no_cycle():
    """Without them an estimate makes ranges up."""
    outcome = run("estimate", EFFSE, "--preset", "small", "--json")

    assert "the ranges are made up" in outcome.err
    assert json.loads(outcome.out) == estimate()


def test_the_table_names_all_three_times_and_what_binds():
    outcome = run(
        "estimate", EFFSE, "--calib", CALIB, "--preset", "small", "--fc-on", "ps", "--se-on", "ps"
    )

    for text in ("PL", "PS kernels", "crossings (12)", "binds", "SE globalaveragepool_9",
                 "if interrupt_us were 20", "modelled, not measured"):  # fmt: skip
        assert text in outcome.out


def test_more_threads_are_not_slower_where_work_is_large(tmp_path):
    model = classifier(tmp_path, 8, features=1024)
    one, four = (
        json.loads(run("estimate", model, "--fc-on", "ps", "--ps-threads", t, "--json").out)
        for t in (1, 4)
    )

    assert four["ps"]["ps_ms"] < one["ps"]["ps_ms"]


def test_check_says_which_nodes_go_to_the_ps():
    outcome = run("check", EFFSE, "--fc-on", "ps", "--se-on", "ps", "--json")
    verdicts = {n["name"]: n["verdict"] for n in json.loads(outcome.out)["nodes"]}

    assert outcome.status == 0
    assert verdicts["classifier"] == verdicts["se_reduce_9"] == verdicts["mul_17"] == "ps"
    plain = json.loads(run("check", EFFSE, "--json").out)["nodes"]
    assert "ps" not in {n["verdict"] for n in plain}


@pytest.mark.parametrize(
    ("verb", "option", "words"),
    [("estimate", "--fc-on", "auto, pl or ps"), ("estimate", "--se-on", "auto, pl or ps"),
     ("check", "--fc-on", "pl or ps"), ("build", "--fc-on", "auto, pl or ps")],
)  # fmt: skip
def test_other_places_are_refused(tmp_path, verb, option, words):
    out = ("-o", tmp_path / "out") if verb == "build" else ()
    outcome = run(verb, EFFSE, option, "gpu", *out)

    assert outcome.status == 2
    assert f"{option} is {words}, not 'gpu'" in outcome.err


def test_auto_takes_the_faster_place_and_says_so(tmp_path):
    """64,000 weights for one pixel: a frame of 64 x 64 hides them on the PS, one of 8 x 8 not."""
    options = ("--preset", "small", "--json")
    model = classifier(tmp_path, 64)
    auto, there, here = (
        run("estimate", model, "--fc-on", where, *options) for where in ("auto", "ps", "pl")
    )
    short = run("estimate", classifier(tmp_path, 8), *options)

    assert auto.out == there.out != here.out
    assert "the last fully connected layers go to the PS: estimated" in auto.err
    assert json.loads(auto.out)["fps"] > 1.01 * json.loads(here.out)["fps"]
    assert engines(json.loads(short.out))["classifier"] == "array"
    assert "go to the PS" not in short.err


def test_auto_leaves_the_pl_something_to_do(tmp_path):
    """A network that is one fully connected layer cannot go to the PS whole."""
    model = tmp_path / "fc.onnx"
    nodes = [node("Flatten", "x", "v"), node("Gemm", "v w", "y", transB=1)]
    net = make_net(nodes, {"w": weights(2000, 1024)}, shape=(1, 1024, 1, 1))
    model.write_bytes(net.SerializeToString())

    assert run("estimate", model, "--preset", "small").status == 0


def test_build_places_them_as_estimate_does(tmp_path):
    """The one calibrates on random input, the other on none."""
    model = classifier(tmp_path, 64)
    estimated = run("estimate", model, "--preset", "small", "--json")
    built = run(
        "build", model, "--preset", "small", "--program-only", "--json", "-o", tmp_path / "out"
    )

    numbers = json.loads(built.out)
    assert {k: v for k, v in numbers.items() if k != "out"} == json.loads(estimated.out)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["fc_on"] == "ps"
    assert [s["op"] for s in manifest["ps_steps"]] == ["QConv2d"]
    assert f"{numbers['fps']:,.1f} frames per second" in (tmp_path / "out/README.md").read_text()
    compiled, _ = packages.open_package(tmp_path / "out")
    assert compiled.offload.fc


def test_an_unknown_processor_is_refused():
    with pytest.raises(ConfigError, match="known: twin, qemu"):
        processor("m7")


def test_blocks_on_the_ps_are_built_in_parts(tmp_path):
    hardware = accelgen.target(preset="small")
    network = accelgen.compile(EFFSE, hardware, fc_on="pl", se_on="ps")

    packages.build(network, tmp_path / "out", program_only=True)
    again, _ = packages.open_package(tmp_path / "out")

    assert len(again.parts) == len(network.parts) > 2
    assert again.offload == network.offload
    with pytest.raises(ConfigError, match="simulate the whole frame"):
        assert again.program  # asked for when a step alone is cut from it


def test_a_package_takes_no_such_options(tmp_path):
    outcome = run("simulate", tmp_path, "--se-on", "ps")

    assert outcome.status == 2
    assert "give --fc-on, --se-on and --logits with a model" in outcome.err
