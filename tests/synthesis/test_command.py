"""``python -m accelgen.synthesis``: a table, what breaks a rule of the clocks, and a status."""

import pytest

from accelgen.synthesis import TOP
from accelgen.synthesis import __main__ as command
from accelgen.synthesis.timing import Violation

EMPTY = {TOP: {"ports": {}, "cells": {}, "netnames": {}}}
BROKEN = [Violation("levels", 7, ("top.a[0]", "top.b[0]"))]


def run(monkeypatch, found):
    monkeypatch.setattr("sys.argv", ["accelgen.synthesis"])
    monkeypatch.setattr(command, "mapped_modules", lambda hardware, *, flat: EMPTY)
    monkeypatch.setattr(command, "violations", lambda netlist: found)
    command._main()


def test_without_a_broken_rule_it_says_so(monkeypatch, capsys):
    run(monkeypatch, [])

    assert capsys.readouterr().out.endswith("0 violations of the clocks' rules\n")


def test_a_broken_rule_is_named_and_status_1(monkeypatch, capsys):
    with pytest.raises(SystemExit) as end:
        run(monkeypatch, BROKEN)

    assert end.value.code == 1
    assert "levels         7  top.a[0] > top.b[0]" in capsys.readouterr().out
