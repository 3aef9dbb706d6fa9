"""Rows of docs/networks.md: made, replaced, kept; the page in the repository has them all."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from accelgen import zoo
from accelgen.bench import networks_page
from accelgen.errors import ScheduleError

PAGE = Path(__file__).parents[2] / "docs" / "networks.md"


def row(name, cycles):
    return (f"{name}@224", "1.0", "yes", cycles, "9.0", "", "", "", "50.0 %; ddr 9%")


def test_rows_are_replaced_and_others_kept():
    first = networks_page.merged("", [row("vgg16", "1"), row("alexnet", "2")])
    second = networks_page.merged(first, [row("vgg16", "3")])

    assert second == networks_page.merged("", [row("alexnet", "2"), row("vgg16", "3")])
    assert second.index("| alexnet@224 | 1.0 | yes | 2 |") < second.index("| vgg16@224 | 1.0 |")
    assert "| vgg16 | 15.47 | 138.357544 | torchvision" in second


def test_what_was_simulated_stays_where_a_row_is_estimated_anew():
    simulated = ("vgg16@224", "1.0", "yes", "5", "9.0", "6", "8.0", "yes", "50.0 %")
    first = networks_page.merged("", [simulated, row("alexnet", "2")])

    again = networks_page.merged(first, [row("vgg16", "7"), row("alexnet", "3")])
    refused = networks_page.merged(first, [("vgg16@224", "", "node 'a' needs b", *[""] * 6)])

    assert "| vgg16@224 | 1.0 | yes | 7 | 9.0 | 6 | 8.0 | yes | 50.0 %; ddr 9% |" in again
    assert "| alexnet@224 | 1.0 | yes | 3 | 9.0 |  |  |  | 50.0 %; ddr 9% |" in again
    assert "| vgg16@224 |  | node 'a' needs b |  |  |  |  |  |  |" in refused


def test_a_refusal_is_a_row(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise ScheduleError("node 'a' needs b | c")
        yield

    monkeypatch.setattr(networks_page, "run_networks", refuse)
    app = typer.Typer()
    app.command()(networks_page.main)
    out = tmp_path / "networks.md"

    result = CliRunner().invoke(app, ["vgg16,vgg16@64", "-o", str(out)], catch_exceptions=False)

    assert result.exit_code == 0
    assert "| vgg16@64 |  | node 'a' needs b / c |  |  |  |  |  |  |" in out.read_text()
    assert "| vgg16@224 |  | node 'a' needs b / c |  |  |  |  |  |  |" in out.read_text()


@pytest.mark.parametrize("name", zoo.names())
def test_the_page_has_every_network(name):
    assert f"| {name}@{zoo.default_resolution(name)} |" in PAGE.read_text()
