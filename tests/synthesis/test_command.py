"""``python -m accelgen.synthesis``: a table, what breaks a rule of the clocks, and a status."""

import pytest

from accelgen.synthesis import TOP
from accelgen.synthesis import __main__ as command
from accelgen.synthesis.timing import Violation

EMPTY = {TOP: {"ports": {}, "cells": {}, "netnames": {}}}
BROKEN = [Violation("levels", 7, ("top.a[0]", "top.b[0]"))]


def run(monkeypatch, found, *arguments):
    """The command's; returns the configuration it mapped."""
    mapped = []
    monkeypatch.setattr("sys.argv", ["accelgen.synthesis", *arguments])
    monkeypatch.setattr(
        command, "mapped_modules", lambda hardware, *, flat: mapped.append(hardware) or EMPTY
    )
    monkeypatch.setattr(command, "violations", lambda netlist: found)
    command._main()
    return mapped[0].arch


def test_without_a_broken_rule_it_says_so(monkeypatch, capsys):
    run(monkeypatch, [])

    assert capsys.readouterr().out.endswith("0 violations of the clocks' rules\n")


def test_a_broken_rule_is_named_and_status_1(monkeypatch, capsys):
    with pytest.raises(SystemExit) as end:
        run(monkeypatch, BROKEN)

    assert end.value.code == 1
    assert "levels         7  top.a[0] > top.b[0]" in capsys.readouterr().out


def test_knobs_of_a_file_change_those_of_the_board(monkeypatch, tmp_path):
    knobs = tmp_path / "knobs.toml"
    knobs.write_text("window_taps = 2\n")

    arch = run(monkeypatch, [], "--config", str(knobs))

    assert (arch.window_taps, arch.pe_mode) == (2, "double")
