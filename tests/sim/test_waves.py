"""Waves of a window: they start and end where they were asked to."""

import re
import tempfile
from dataclasses import replace
from pathlib import Path

from accelgen.simulation.bench import build_bench, run_jobs, wave_file
from accelgen.simulation.toolchain import has_fst
from tests.sim.traffic import READ_W, command, job

CLOCK_PS = 3334
STANDIN = Path(__file__).parent / "standin.sv"


def test_waves_cover_their_window(tmp_path, monkeypatch):
    # VCD can be read here; FST is the same $dumpvars with another writer.
    has_fst.cache_clear()
    monkeypatch.setattr("accelgen.simulation.verilator.has_fst", lambda: False)
    monkeypatch.setattr("accelgen.simulation.bench.has_fst", lambda: False)
    with tempfile.TemporaryDirectory() as where:
        executable = build_bench(STANDIN.read_text(), Path(where), trace=True, speed=False)
    window = (500, 900)
    (result,) = run_jobs(executable, [replace(job(command(READ_W, 200)), waves=window)], tmp_path)

    assert result.error == "not done after 900 cycles, 0 EXECs completed"
    text = (tmp_path / wave_file()).read_text()
    times = [int(t) for t in re.findall(r"^#(\d+)$", text, re.M)]
    # In the bench's unit of a picosecond; after the window a few registers are read.
    cycles = (times[-1] - times[0]) / CLOCK_PS
    assert window[1] - window[0] - 2 <= cycles <= window[1] - window[0] + 600
    assert "m_axi_w_araddr" in text


def test_no_waves_without_a_window(tmp_path):
    with tempfile.TemporaryDirectory() as where:
        executable = build_bench(STANDIN.read_text(), Path(where), trace=True, speed=False)
    run_jobs(executable, [job(command(READ_W, 1))], tmp_path)

    assert not list(tmp_path.glob("waves.*"))
