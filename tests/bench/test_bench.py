"""python -m accelgen.bench: rows, what is kept, what is refused; one layer simulated."""

import json
from dataclasses import replace

import pytest
import typer
from typer.testing import CliRunner

import accelgen
from accelgen.bench import run_networks as networks_module
from accelgen.bench.__main__ import main
from accelgen.bench.kept import kept
from accelgen.bench.layers import LAYERS
from accelgen.bench.run_layers import MEMORY, layer_target, run_layers
from accelgen.bench.run_networks import run_networks
from accelgen.flow import runs
from accelgen.flow.simulated import Simulated, SimulatedFrame

#: (layer, MACs, input bytes, output bytes)
SIZES = [
    ("a", 9_437_184, 32768, 32768), ("b", 6_422_528, 50176, 100352), ("c", 903_168, 100352, 100352),
    ("d", 0, 32768, 8192), ("e", 0, 50176, 1024), ("f", 1_024_000, 1024, 1000),
    ("g", 6_435_072, 18816, 18816), ("h", 0, 25088, 25088), ("i", 8192, 25088, 25088),
]  # fmt: skip


@pytest.fixture(autouse=True)
def own_results(tmp_path, monkeypatch):
    """Results of a run before must not hide what is tested; simulators are kept as ever."""
    monkeypatch.setattr("accelgen.bench.kept.cache_directory", lambda: tmp_path)


def bench(*arguments):
    app = typer.Typer()
    app.command()(main)
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    return result.exit_code, result.stdout, result.stderr


def test_estimates_of_all_layers():
    status, out, _ = bench("--estimate", "--networks", "none", "--json")

    assert status == 0
    rows = json.loads(out)["layers"]
    assert [(r["config"], r["key"]) for r in rows] == [
        (config, layer.key) for config in ("ultra96_double", "ultra96") for layer in LAYERS
    ]
    for row, (_, macs, given, made) in zip(rows, 2 * SIZES, strict=True):
        assert row["macs"] == macs
        assert row["simulated"] is False
        peak = 1024 if row["config"] == "ultra96_double" else 512
        assert row["efficiency"] == pytest.approx(macs / peak / row["cycles"])
        # Nothing is faster than its bounds, and maps cross the bus, each in its direction.
        assert row["cycles"] >= max(row[f"{name}_bound"] for name in ("array", "window", "ddr"))
        assert row["ddr_bound"] >= max(given, made) / 16


def test_the_table_names_configuration_and_sources():
    status, out, _ = bench("--estimate", "--networks", "squeezenet1_1", "--layers", "a")

    assert status == 0
    for text in ("a conv 3x3", "36,966", "squeezenet1_1@224", "283.6 (dpu)", "(estimated)",
                 "nngen: NNgen 1.3.4"):  # fmt: skip
        assert text in out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--layers", "z"), "there is no layer 'z'; known: a, b"),
        (("--networks", "lenet"), "there is no network 'lenet'; known: "),
        (("--preset", "huge"), "unknown preset 'huge'"),
        (("--board", "none"), "none"),
    ],
)
def test_what_is_unknown_is_refused(arguments, sentence):
    status, out, err = bench("--estimate", *arguments)

    assert status == 2
    assert out == ""
    assert sentence in err


def test_a_result_is_kept_until_something_changes():
    calls = []

    def make():
        calls.append(1)
        return {"cycles": len(calls)}

    assert kept(["verilog", b"program"], make) == ({"cycles": 1}, False)
    assert kept(["verilog", b"program"], make) == ({"cycles": 1}, True)
    assert kept(["verilog", b"another"], make) == ({"cycles": 2}, False)
    assert kept(["verilogp", b"rogram"], make) == ({"cycles": 3}, False)


def test_networks_done_before_are_not_simulated_again(monkeypatch):
    done, news = [], []

    def simulate(compiled, **_):
        done.append(compiled.name)
        frame = SimulatedFrame(
            match=True, cycles=500_000, estimated_cycles=1, fps=600.0, wall_s=1.0, efficiency=0.5,
            losses={"window": 250_000}, ddr_bytes=1, ps_ddr_bytes=0, ps_ms=0.1, counters={},
        )  # fmt: skip
        return Simulated(board="b", config={}, frame=frame)

    monkeypatch.setattr(runs, "simulate", simulate)
    monkeypatch.setattr(networks_module, "design_verilog", lambda *of: repr(of))
    hardware = accelgen.target(preset="ultra96")
    compiled = accelgen.compile("zoo:squeezenet1_1", hardware, cycles_only=True)
    monkeypatch.setattr(networks_module, "compile", lambda _, hardware: compiled.on(hardware))

    def run(hardware):
        options = {"simulate": True, "progress": False, "say": news.append}
        return list(run_networks(["squeezenet1_1"], hardware, **options))

    (first,), (second,) = run(hardware), run(hardware)
    run(replace(hardware, memory=replace(hardware.memory, latency_cycles=61)))

    assert first == second
    assert first.fps_pl == pytest.approx(300e6 / 500_000)
    assert 0.9 * first.fps_pl < first.fps < first.fps_pl  # the driver, between two frames
    assert first.reached is False  # 600 wanted: the PL alone has them, a stream has not
    assert done == ["zoo:squeezenet1_1"] * 2
    assert ["kept" in line for line in news] == [False, True, False]


@pytest.mark.slow
def test_a_layer_comes_from_ddr_and_goes_there():
    hardware = layer_target("small", "ultra96v2")
    (layer,) = [x for x in LAYERS if x.key == "d"]

    (result,) = run_layers([layer], hardware, "small", simulate=True, say=lambda _: None)

    assert hardware.memory == MEMORY
    assert result.match
    assert result.simulated
    assert result.cycles == result.counters["cycles"]
    assert 16 * result.counters["load_beats"] >= 32768
    assert 16 * result.counters["store_beats"] >= 8192
    # Some hundred cycles of it are starts and ends, which the estimate knows less well.
    assert result.cycles == pytest.approx(result.estimated_cycles, rel=0.03)
