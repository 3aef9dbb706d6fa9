"""Vivado's reports, read back and shown beside the estimate."""

import json
import shutil
from pathlib import Path

import pytest

from accelgen.deploy.results import Results, read_results
from accelgen.errors import ToolError
from tests.deploy.test_package import written
from tests.helpers import cli
from tests.helpers.vivado import needs_tclsh, run_script, write_scripts

REPORTS = Path(__file__).with_name("reports")
MADE = {"wns": 0.021, "whs": 0.01, "tpws": 0.0, "power_w": 6.214, "vivado": "2022.2"}
MADE |= {"lut": 52817, "ff": 81044, "bram36": 197.5, "dsp": 353}


def reports(where, *names):
    """The samples by name; ``a=b`` is sample b under the name a."""
    where.mkdir(parents=True)
    for name in names:
        target, _, source = name.partition("=")
        shutil.copyfile(REPORTS / (source or target), where / target)
    return where


def test_reports_alone_are_read(tmp_path):
    where = reports(tmp_path / "r", "utilization.rpt", "timing.rpt", "power.rpt")

    results = read_results(where)

    assert results == Results(**MADE)
    assert results.timing_met


def test_a_7_series_report_is_read(tmp_path):
    where = reports(tmp_path / "r", "utilization.rpt=utilization_7series.rpt")

    results = read_results(where)

    assert (results.lut, results.ff, results.bram36, results.dsp) == (23110, 29870, 131, 170)
    assert not results.timing_met  # nobody said that it is


def test_a_missed_clock_is_seen(tmp_path):
    where = reports(tmp_path / "r", "timing.rpt=timing_failed.rpt")

    assert read_results(where).wns == -0.412
    assert not read_results(where).timing_met


@pytest.mark.parametrize("slack", ["wns", "whs", "tpws"])
def test_each_slack_counts(slack):
    assert Results(wns=0.0, whs=0.0, tpws=0.0).timing_met
    assert not Results(**({"wns": 0.0, "whs": 0.0, "tpws": 0.0} | {slack: -0.001})).timing_met
    assert not Results(**({"wns": 0.0, "whs": 0.0, "tpws": 0.0} | {slack: None})).timing_met


@needs_tclsh
def test_what_the_script_writes_is_read_and_agrees_with_its_reports(tmp_path):
    from accelgen.boards import load_board

    where = write_scripts(tmp_path / "p", load_board("ultra96v2"))
    run_script(where, "ultra96v2", 250)

    assert read_results(where) == Results(
        **MADE, clock_mhz=250, reachable_mhz=250, part="xczu3eg-sbva484-1-i"
    )


def test_reports_of_different_builds_are_refused(tmp_path):
    where = reports(tmp_path / "r", "utilization.rpt")
    (where / "results.json").write_text(json.dumps({"lut": 1}))

    with pytest.raises(ToolError, match=r"lut is 52817, another report 1: they are of different"):
        read_results(where)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("utilization.rpt", "empty", "no report of Vivado"),
        ("timing.rpt", "    WNS(ns)\n", "no report of Vivado"),
        ("results.json", "{", "is not JSON"),
        ("results.json", "[]", "must be a valid dictionary"),
        ("results.json", '{"luts": 1}', "luts is not known; known: vivado"),
        ("results.json", '{"lut": "many"}', "lut must be a valid number, not 'many'"),
        ("results.json", '{"lut": true}', "lut must be a valid number, not True"),
        ("results.json", '{"vivado": 1}', "vivado must be a valid string, not 1"),
    ],
)
def test_what_is_no_report_is_named(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)

    with pytest.raises(ToolError, match=message) as caught:
        read_results(tmp_path)
    assert str(tmp_path / name) in str(caught.value)


def test_no_reports_are_named(tmp_path):
    with pytest.raises(ToolError, match=r"has no Vivado reports \(results.json, utilization.rpt,"):
        read_results(tmp_path)


def test_the_command_shows_both_and_its_status_says_whether_timing_is_met(tmp_path, digits):
    where = written(tmp_path, digits[1])
    names = ("utilization.rpt", "power.rpt")
    reports(where / "vivado" / "reports", *names, "timing.rpt")

    shown = cli.run("results", where)

    assert shown.status == 0
    assert "52,817" in shown.out
    assert "70,560" in shown.out
    assert "timing is met" in shown.out
    numbers = json.loads(cli.run("results", where, "--json").out)
    assert numbers["made"]["lut"] == 52817
    assert numbers["made"]["timing_met"] is True
    assert set(numbers["estimated"]["resources"]) >= {"lut", "ff", "bram36", "dsp"}

    elsewhere = reports(tmp_path / "e", *names, "timing.rpt=timing_failed.rpt")
    shown = cli.run("results", where, "--reports", elsewhere)
    assert shown.status == 1
    assert "timing is NOT met" in shown.out
    assert "setup -0.412 ns" in shown.out


def test_a_slower_bitstream_is_said_with_its_share(tmp_path, digits):
    where = written(tmp_path, digits[1])
    (where / "vivado" / "reports").mkdir()
    text = json.dumps({"clock_mhz": 250, "wns": -0.1, "whs": 0, "tpws": 0, "reachable_mhz": 243})
    (where / "vivado" / "reports" / "results.json").write_text(text)

    shown = cli.run("results", where)

    assert shown.status == 1
    assert "it would pass at about 243 MHz" in shown.out
    assert "are for 300 MHz: a fabric of 250 MHz gives at least 83 % of them" in shown.out


def test_what_is_no_package_is_named(tmp_path):
    shown = cli.run("results", tmp_path)

    assert shown.status == 2
    assert "is not a package made by accelgen build" in shown.err
