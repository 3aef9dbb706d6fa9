"""Options that belong together are one parameter."""

import inspect
from dataclasses import dataclass, fields
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from accelgen.boards import DEFAULT_BOARD
from accelgen.cli.app import build, check, estimate, quantize
from accelgen.cli.groups import Configuration, Hardware, Samples, StalledHardware, grouped
from accelgen.cli.simulate import simulate

Size = Annotated[int, typer.Option("--size", help="Of a side.")]


@dataclass(frozen=True, kw_only=True)
class Box:
    size: Size = 2
    colour: Annotated[str, typer.Option("--colour")] = "red"


def told(function, *arguments):
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(function)
    return CliRunner().invoke(app, arguments, catch_exceptions=False)


def test_fields_are_options_in_the_parameter_s_place():
    @grouped
    def paint(name: str, box: Box, coats: Annotated[int, typer.Option("--coats")] = 1):
        typer.echo(f"{name} {box} {coats}")

    assert list(inspect.signature(paint).parameters) == ["name", "size", "colour", "coats"]
    assert told(paint, "x").stdout == "x Box(size=2, colour='red') 1\n".replace(
        "Box", f"{Box.__qualname__}"
    )
    assert "size=5, colour='blue') 3" in told(
        paint, "x", "--colour", "blue", "--size", "5", "--coats", "3"
    ).stdout  # fmt: skip
    help_text = told(paint, "--help").stdout
    assert "Of a side." in help_text
    assert help_text.index("--size") < help_text.index("--colour") < help_text.index("--coats")


def test_a_name_comes_once():
    with pytest.raises(TypeError, match="paint: size comes twice"):

        @grouped
        def paint(size: Size, box: Box):
            raise AssertionError


def test_a_field_has_a_default():
    @dataclass
    class Bare:
        size: int

    def paint(box): ...

    paint.__annotations__ = {"box": Bare}
    with pytest.raises(TypeError, match="size has no default"):
        grouped(paint)


@pytest.mark.parametrize(
    ("verb", "groups"),
    [
        (check, (Configuration,)),
        (quantize, (Samples,)),
        (estimate, (StalledHardware, Samples)),
        (build, (Hardware, Samples)),
        (simulate, (StalledHardware, Samples)),
    ],
    ids=lambda x: getattr(x, "__name__", ""),
)
def test_verbs_have_the_same_options(verb, groups):
    shown = inspect.signature(verb).parameters
    for group in groups:
        names = [f.name for f in fields(group)]
        assert [name for name in shown if name in names] == names
        assert {n: shown[n].default for n in names} == {f.name: f.default for f in fields(group)}


def test_options_become_hardware_and_samples():
    chosen = StalledHardware(preset="small", ddr_latency=77, stalls=0.25)
    target = chosen.target(ps_threads=2, clock_mhz=123)

    assert target.board.name == DEFAULT_BOARD
    assert target.memory.latency_cycles == 77
    assert target.memory.stalls == 0.25
    assert (target.clock_mhz, target.ps_threads) == (123, 2)
    assert Samples(mean="1,2,3", bgr=True).calibration.pictures.given


@pytest.mark.parametrize(
    "chosen", [{"preset": "small"}, {"clock_mhz": 1.0}, {"ddr_latency": 3}, {"stalls": 0.1}]
)
def test_whether_an_option_was_given(chosen):
    assert StalledHardware(**chosen).given
    assert not StalledHardware(board="kv260").given
    assert Samples(crop="3").given
    assert not Samples().given
