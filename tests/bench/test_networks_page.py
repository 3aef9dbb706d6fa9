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


def test_a_refusal_is_a_row(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise ScheduleError("node 'a' needs b | c")
        yield

    monkeypatch.setattr(networks_page, "run_networks", refuse)
    app = typer.Typer()
    app.command()(networks_page.main)
    out = tmp_path / "networks.md"

    result = CliRunner().invoke(app, ["vgg16", "-o", str(out)], catch_exceptions=False)

    assert result.exit_code == 0
    assert "| vgg16@224 |  | node 'a' needs b / c |  |  |  |  |  |  |" in out.read_text()


@pytest.mark.parametrize("name", zoo.names())
def test_the_page_has_every_network(name):
    assert f"| {name}@{zoo.default_resolution(name)} |" in PAGE.read_text()
