"""Builds: cached by everything that matters, errors in a sentence, interruption harmless."""

import os
import shutil
import signal
import subprocess
import sys
import time

import cocotb_tools.config
import pytest

from accelgen.errors import ToolError
from accelgen.simulation.launch import failures_in, run_cocotb
from accelgen.simulation.toolchain import has_fst
from accelgen.simulation.verilator import BuildFlags, build

COUNTER = """
module counter #(parameter int STEP = 1) (input clk, output reg [7:0] n);
    initial n = 0;
    always @(posedge clk) n <= n + STEP;
endmodule
"""
PUBLIC = '`verilator_config\npublic_flat_rw -module "counter" -var "*"\n'


@pytest.fixture
def sources(tmp_path):
    (tmp_path / "counter.v").write_text(COUNTER)
    (tmp_path / "public.vlt").write_text(PUBLIC)
    return [tmp_path / "counter.v", tmp_path / "public.vlt"]


def test_same_model_is_built_once(sources):
    first = build(sources, "counter")
    built = first.stat().st_mtime_ns
    second = build(sources, "counter")

    assert first == second
    assert second.stat().st_mtime_ns == built
    assert [p.name for p in first.parent.iterdir()] == ["counter"]


def test_a_model_runs_when_the_environment_that_built_it_is_gone(sources, tmp_path, monkeypatch):
    """Clones share the cache, and each has cocotb's libraries in a place of its own."""
    gone = tmp_path / "other" / "libs"
    shutil.copytree(cocotb_tools.config.libs_dir, gone)
    with monkeypatch.context() as other:
        other.setattr(cocotb_tools.config, "libs_dir", gone)
        executable = build(sources, "counter", cache_dir=tmp_path / "cache")
    shutil.rmtree(gone)

    failures = run_cocotb(
        executable, "tests.simulation.counter_bench", tmp_path, environment={"STEP": "1"}
    )

    assert failures == []


def test_everything_that_matters_is_in_the_key(sources):
    plain = build(sources, "counter")
    other_parameter = build(sources, "counter", parameters={"STEP": 3})
    with_waves = build(sources, "counter", flags=BuildFlags(trace=True))
    sources[0].write_text(COUNTER.replace("[7:0]", "[8:0]"))
    other_source = build(sources, "counter")

    assert len({plain, other_parameter, with_waves, other_source}) == 4


def test_syntax_errors_are_quoted(sources):
    sources[0].write_text("module counter; wire x = ; endmodule")

    with pytest.raises(ToolError, match=r"verilator_bin failed: %Error: .*counter.v:1"):
        build(sources, "counter")


def test_waves_of_a_run(sources, tmp_path):
    executable = build(sources, "counter", flags=BuildFlags(trace=True))

    run_cocotb(
        executable,
        "tests.simulation.counter_bench",
        tmp_path,
        arguments=["--trace"],
        environment={"STEP": "1"},
    )

    assert (tmp_path / ("dump.fst" if has_fst() else "dump.vcd")).stat().st_size > 100


def test_failures_are_reported_with_their_message(sources, tmp_path):
    executable = build(sources, "counter", parameters={"STEP": 2})

    good = run_cocotb(executable, "tests.simulation.counter_bench", tmp_path,
                      environment={"STEP": "2"})  # fmt: skip
    bad = run_cocotb(executable, "tests.simulation.counter_bench", tmp_path,
                     environment={"STEP": "1"})  # fmt: skip

    assert good == []
    assert len(bad) == 1
    assert bad[0].startswith("counts: ")


def test_a_bench_that_cannot_be_imported_is_a_tool_error(sources, tmp_path):
    executable = build(sources, "counter")

    with pytest.raises(ToolError, match="no results"):
        run_cocotb(executable, "tests.simulation.not_there", tmp_path)


def test_no_test_is_a_failure(tmp_path):
    (tmp_path / "results.xml").write_text("<testsuites></testsuites>")

    assert failures_in(tmp_path / "results.xml") == ["no test ran"]


def test_interrupted_build_leaves_nothing_half_built(sources, tmp_path):
    cache = tmp_path / "cache"
    program = (
        "from pathlib import Path; from accelgen.simulation.verilator import build; "
        f"build([Path({str(sources[0])!r})], 'counter', cache_dir=Path({str(cache)!r}))"
    )
    process = subprocess.Popen([sys.executable, "-c", program], start_new_session=True)
    # In an empty cache the run time is compiled first, for some seconds.
    while not list(cache.glob("runtime/.making-*/entry/*")):
        time.sleep(0.02)
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()

    assert not [p for p in cache.glob("*/*") if p.suffix != ".lock" and p.name[0] != "."]
