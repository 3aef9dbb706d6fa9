"""Tables fit a terminal of 80 columns; what is asked for beside them."""

import contextlib
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from accelgen.display.cells import shortened
from tests.helpers.cli import run

#: Names and columns are a network's at any resolution.
MOBILENET = "zoo:mobilenet_v2@64"
DIGITS = Path(__file__).parents[1] / "models" / "trained_digits_tiny.onnx"
CALIB = DIGITS.with_name("trained_digits_tiny_test.npz")
EFFSE = DIGITS.with_name("trained_fmnist_effse.onnx")


@pytest.fixture
def narrow(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


def rows_of(text, title):
    """Lines of the first table under ``title``, after its ruler."""
    lines = text[text.index(title) :].splitlines()
    start = next(i for i, line in enumerate(lines) if set(line) == {"─"})
    return lines[start + 1 :]


@pytest.mark.parametrize(
    "command",
    [
        ("estimate", MOBILENET, "--fc-on", "pl"),
        ("estimate", EFFSE, "--sort", "time", "--top", "3"),
        ("check", "zoo:efficientnet_b0@64"),
        ("check", MOBILENET),
        ("quantize", EFFSE, "-o", "q.onnx"),
        ("boards",),
        ("presets",),
        ("zoo", "list"),
    ],
    ids=lambda c: "_".join(Path(str(x)).stem for x in c[:2]),
)
def test_tables_fit_80_columns(command, narrow, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    outcome = run(*command)

    assert outcome.status == 0
    assert max(len(line) for line in outcome.out.splitlines()) <= 80


def test_no_name_is_split(narrow):
    outcome = run("estimate", MOBILENET, "--fc-on", "pl", "--top", "20")

    rows = [line for line in rows_of(outcome.out, MOBILENET)[:20] if line[0] != " "]
    assert len(rows) >= 10
    assert len({row.partition("  ")[0] for row in rows}) == len(rows)
    for row in rows:
        name, _, rest = row.partition("  ")
        assert name.endswith("conv") or "conv +" in name
        assert "%" in rest


def test_layers_are_sorted_and_cut(monkeypatch):
    numbers = json.loads(run("estimate", EFFSE, "--json").out)
    slowest = sorted((x["cycles"] for x in numbers["layers"] if x["cycles"]), reverse=True)[:3]
    monkeypatch.setenv("COLUMNS", "100")

    rows = rows_of(run("estimate", EFFSE, "--sort", "time", "--top", "3").out, str(EFFSE)[:9])

    for row, cycles in zip(rows, slowest, strict=False):
        assert f"{cycles:,}" in row
        assert f"{cycles / 300e3:.3f}" in row
        assert f"{100 * cycles / numbers['cycles']:.1f} %" in row


def test_wide_has_every_layer():
    numbers = json.loads(run("estimate", EFFSE, "--json").out)

    outcome = run("estimate", EFFSE, "--wide")

    assert all(layer["name"] in outcome.out for layer in numbers["layers"])
    assert "DDR bytes" in outcome.out


def test_quiet_drops_warnings_and_notes_but_no_error(tmp_path):
    assert "warning: " in run("estimate", DIGITS).err
    assert run("-q", "estimate", DIGITS).err == ""
    assert "error: " in run("-q", "estimate", tmp_path / "none.onnx").err
    assert "warning: " in run("estimate", DIGITS).err


def test_verbose_says_what_is_done():
    said = subprocess.run(
        [sys.executable, "-m", "accelgen", "-v", "estimate", DIGITS, "--json"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip

    assert "trained_digits_tiny: quantized" in said.stderr
    assert json.loads(said.stdout)["cycles"] > 0


@pytest.mark.parametrize("verb", [(), ("estimate",), ("zoo", "list"), ("presets",)])
def test_help_is_short_to_ask_for_and_tells_the_exit_status(verb):
    outcome = run(*verb, "-h")

    assert outcome.status == 0
    assert "Exit status: 0 all well" in outcome.out


def test_presets_can_be_taken_as_configurations(tmp_path):
    names = json.loads(run("presets", "--json").out)["presets"]
    config = tmp_path / "knobs.toml"
    config.write_text(run("presets", "small").out)

    here = json.loads(run("estimate", DIGITS, "--config", config, "--json").out)

    assert {"small", "ultra96_double", "single-clock"} <= set(names)
    assert here["config"] == names["small"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_can_complete(shell):
    said = subprocess.run(
        [sys.executable, "-m", "accelgen", "--show-completion", shell],
        check=True, capture_output=True, text=True, env={"PYTHONPATH": str(Path.cwd())},
    )  # fmt: skip

    assert "COMPLETE" in said.stdout


def test_of_long_names_the_end_stays():
    assert shortened("features.3.expand.conv", 22) == "features.3.expand.conv"
    assert shortened("/model/features/features.13/conv", 16) == "…eatures.13/conv"


def on_a_terminal(*arguments):
    """stdout, and what a terminal saw on stderr."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "accelgen", *arguments],
        stdout=subprocess.PIPE, stderr=theirs, text=True, env={**os.environ, "TERM": "xterm"},
    ) as running:  # fmt: skip
        os.close(theirs)
        seen = b""
        with contextlib.suppress(OSError):  # how the end of a terminal is told
            while some := os.read(ours, 65536):
                seen += some
        out = running.stdout.read()
    os.close(ours)
    assert running.returncode == 0, seen
    return out, seen.decode()


def test_what_is_done_is_seen_on_a_terminal(tmp_path):
    out, seen = on_a_terminal("estimate", DIGITS, "--calib", CALIB, "--json")
    assert json.loads(out)["cycles"] > 0
    assert "trained_digits_tiny: read, 16 operations ..." in seen
    assert "checking" in on_a_terminal("check", DIGITS)[1]
    assert "quantizing" in on_a_terminal("quantize", DIGITS, "-o", tmp_path / "q.onnx")[1]


def test_quiet_shows_nothing_on_a_terminal():
    assert on_a_terminal("-q", "estimate", DIGITS, "--json")[1] == ""


def test_nothing_of_it_is_in_a_pipe():
    assert "reading" not in run("estimate", DIGITS, "--json").err
