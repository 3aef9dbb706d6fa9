"""The real command is told to end, at moments that matter: it does, and leaves nothing."""

import signal
import subprocess
import sys
import time

import pytest

from accelgen import ends
from accelgen.cache import cache_directory
from tests.deploy.conftest import MODELS
from tests.helpers.command import Command, with_shelves

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
DIGITS = MODELS / "trained_digits_tiny.onnx"
#: The sentence comes within a second on an idle machine. This one may be loaded.
SECONDS = 12


def assert_ends_well(command, number, *, group=False, left="nothing was written"):
    """One sentence, the right status, no process and no scratch file."""
    status, seconds = command.told(number, group=group)

    assert command.said().splitlines()[-1] == f"interrupted; {left}", command.said()
    assert "Traceback" not in command.said()
    assert status == 128 + number
    assert seconds < SECONDS
    assert command.processes() == []
    assert list(command.tmp.iterdir()) == []
    if command.cache != cache_directory():  # there others may be making something
        assert not list(command.cache.glob("*/.making-*"))


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("module", ["accelgen.ends", "typer", "numpy", "onnx", "accelgen.schedule"])
def test_during_imports(module, number, tmp_path):
    with Command(tmp_path, "check", DIGITS, imports=True) as command:
        command.until(lambda: command.imported(module))
        time.sleep(0.02)  # the handlers come right behind accelgen.ends
        assert_ends_well(command, number)


#: Told to end when it begins to load a module, by a finder that knows of it first.
FIRST = """
import os, sys
class Finder:
    def find_spec(self, name, *rest):
        if name == {module!r}:
            os.kill(os.getpid(), {number})
sys.meta_path.insert(0, Finder())
sys.argv = ["accelgen", "presets"]
from accelgen.__main__ import main
main()
"""


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize(
    "module", ["accelgen.cli", "accelgen.ends", "threading", "accelgen.errors"]
)
def test_before_anything_is_loaded(module, number):
    code = FIRST.format(module=module, number=int(number))

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert done.stderr == "interrupted; nothing was written\n"
    assert done.stdout == ""
    assert done.returncode == 128 + number


@pytest.mark.parametrize("number", SIGNALS)
def test_while_quantizing(number, tmp_path):
    out = tmp_path / "q.onnx"
    arguments = ("quantize", "zoo:resnet50@224", "-o", out)
    with Command(tmp_path, *arguments, imports=True) as command:
        command.until(lambda: command.imported("accelgen.flow.network"))
        time.sleep(0.3)
        assert_ends_well(command, number)
    assert not list(tmp_path.glob("*.onnx"))


@pytest.mark.slow
@pytest.mark.parametrize("number", SIGNALS)
def test_while_yosys_writes_verilog_over_a_package(number, tmp_path):
    package = tmp_path / "package"
    with Command(tmp_path, "build", DIGITS, "-o", package, "--program-only") as command:
        assert command.process.wait(120) == 0, command.said()
    before = {p: p.read_bytes() for p in package.rglob("*") if p.is_file()}

    with Command(tmp_path, "build", DIGITS, "-o", package) as command:
        command.until(lambda: list(command.cache.glob("verilog/.making-*")))
        time.sleep(1)
        assert_ends_well(command, number)

    assert {p: p.read_bytes() for p in package.rglob("*") if p.is_file()} == before
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "group"),
    [(signal.SIGINT, True), (signal.SIGINT, False), (signal.SIGTERM, False), (signal.SIGHUP, True)],
)
@pytest.mark.parametrize("program", ["verilator_bin", "cc1plus"])
def test_while_the_simulator_is_built(program, number, group, tmp_path):
    arguments = ("simulate", DIGITS, "--preset", "small", "--frame")
    made = ["verilog", "runtime"] if program == "verilator_bin" else ["verilog"]
    with Command(tmp_path, *arguments, cache=with_shelves(tmp_path / "cache", *made)) as command:
        command.until(lambda: program in command.programs())
        assert_ends_well(command, number, group=group)


@pytest.mark.slow
@pytest.mark.parametrize("number", SIGNALS)
def test_while_it_simulates(number, tmp_path):
    arguments = ("simulate", "zoo:mobilenet_v1@64", "--preset", "small", "--frame")
    with Command(tmp_path, *arguments, cache=cache_directory()) as command:
        command.until(lambda: list(command.tmp.glob("accelgen-*/events.jsonl")))
        assert_ends_well(command, number)


def test_what_was_written_before_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(ends, "_state", ends._State())
    ends.note_written(tmp_path / "package")

    assert ends.interrupted_sentence() == f"interrupted; written before: {tmp_path / 'package'}"


def test_a_background_job_goes_on_at_a_hangup(tmp_path):
    # nohup has SIGHUP ignored.
    def ignore():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    arguments = ("check", DIGITS)
    with Command(tmp_path, *arguments, imports=True, preexec_fn=ignore) as command:
        command.until(lambda: command.imported("numpy"))
        status, _ = command.told(signal.SIGHUP)

        assert status == 0
