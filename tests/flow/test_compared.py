"""From one estimate to another, a difference at a time: sums are exact, ends are estimates."""

import json
from pathlib import Path

import pytest

import accelgen
from accelgen.cli import options
from accelgen.errors import ScheduleError
from accelgen.flow import compared, sides
from accelgen.flow.sides import ORDER, side
from tests.helpers.cli import run

MODELS = Path(__file__).parents[1] / "models"
EFFSE = MODELS / "trained_fmnist_effse.onnx"
DIGITS = MODELS / "trained_digits_tiny.onnx"
#: Causes of the naive preset, the FC layer of this small network among them.
NAIVE = ["SE on", "FC on", "fusion", "configuration", "clock"]
PAIRS = [
    (f"{EFFSE},preset=naive", ""),
    (f"{EFFSE},preset=naive", "preset=ultra96_double"),
    (f"{DIGITS},preset=small", f"{EFFSE},board=zcu104,fc-on=ps"),
    (str(EFFSE), "ddr-bytes-per-cycle=2,ddr-latency=200,stalls=0.2,clock-mhz=150"),
    (str(EFFSE), ""),
]


@pytest.fixture(scope="module")
def naive():
    return accelgen.compare(*PAIRS[0])


@pytest.mark.parametrize("pair", PAIRS, ids=range(len(PAIRS)))
def test_steps_add_up_to_the_whole_exactly(pair):
    result = accelgen.compare(*pair)

    assert sum(s.saves_ns for s in result.steps) == result.saves_ns
    assert sum(s.saves_cycles for s in result.steps) == result.before.cycles - result.after.cycles
    chain = [result.before, *(s.after for s in result.steps)]
    assert [s.before for s in result.steps] == chain[:-1]
    assert chain[-1] == result.after
    for end in (0, 1):
        cycles = result.numbers[end].cycles
        assert sum(pair[end].cycles for pair in result.groups) == cycles
        assert sum(pair[end].ddr_bytes for pair in result.groups) == result.numbers[end].ddr_bytes
        assert sum(both[end] for both in result.losses.values()) == cycles


def test_ends_are_what_estimate_says(naive):
    for numbers, hardware in zip(
        naive.numbers, (accelgen.target(preset="naive"), None), strict=True
    ):
        alone = accelgen.estimate(EFFSE, hardware)
        assert numbers.to_dict("x") == alone.to_dict("x")


def test_a_first_design_has_these_causes(naive):
    assert [s.change for s in naive.steps] == NAIVE
    assert (naive.steps[0].old, naive.steps[0].new) == ("PS", "PL")
    assert {s.change for s in naive.steps if s.saves_ns > 0} == {"SE on", "fusion", "configuration"}
    sizes = [abs(s.saves_ns) for s in naive.causes]
    assert sizes == sorted(sizes, reverse=True)
    assert naive.to_dict()["causes"] == [s.change for s in naive.causes]


def test_command_line_and_python_say_the_same(naive):
    outcome = run("compare", PAIRS[0][0], "--json")

    assert outcome.status == 0
    assert json.loads(outcome.out) == json.loads(json.dumps(naive.to_dict()))


def test_the_table_has_every_change(monkeypatch):
    for columns in ("80", "160"):
        monkeypatch.setenv("COLUMNS", columns)
        outcome = run("compare", PAIRS[0][0])
        for words in ("SE on", "fusion", "100 MHz -> 300 MHz", "saves most:", "1/2", "ddr"):
            assert words in outcome.out
        assert max(map(len, outcome.out.splitlines())) <= int(columns)


def test_the_same_on_both_sides_is_no_difference():
    result = accelgen.compare(str(DIGITS), str(DIGITS))

    assert not result.steps
    assert result.saves_ns == 0
    assert "no difference" in run("compare", DIGITS, DIGITS).out


def test_what_a_network_has_not_is_no_difference():
    """No squeeze-and-excite: where it would run changes nothing."""
    result = accelgen.compare(f"{DIGITS},se-on=ps", "se-on=pl")

    assert not result.steps


def test_what_cannot_be_scheduled_alone_is_one_step_with_the_next(monkeypatch):
    real = compared.placed

    def refuses(loaded, int8, hardware, **places):
        if hardware.layerwise is False and hardware.clock_mhz == 100:
            raise ScheduleError("no")
        return real(loaded, int8, hardware, **places)

    monkeypatch.setattr(compared, "placed", refuses)
    result = accelgen.compare(f"{EFFSE},preset=naive")

    assert [s.change for s in result.steps] == [*NAIVE[:2], "fusion + configuration + clock"]
    assert sum(s.saves_ns for s in result.steps) == result.saves_ns


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("clock-mhz=100", "names no model: begin with an ONNX file or zoo:NAME"),
        (f"{DIGITS},fish=3", "unknown key 'fish'"),
        (f"{DIGITS},clock-mhz", "'clock-mhz' in"),
        (f"{DIGITS},clock-mhz=fast", "clock-mhz is a number from 1 to 2000, not 'fast'"),
        (f"{DIGITS},clock-mhz=nan", "clock-mhz is a number from 1 to 2000, not 'nan'"),
        (f"{DIGITS},ps-threads=1.5", "ps-threads is a whole number from 1 to 4, not '1.5'"),
        (f"{DIGITS},clock-mhz=100,clock-mhz=200", "clock-mhz comes twice"),
        (f"{DIGITS},fc-on=fpga", "fc-on is auto, pl, ps, not 'fpga'"),
        (f"{DIGITS},preset=fast", "unknown preset 'fast'"),
        (f"{DIGITS},board=none", "unknown board 'none'"),
        ("nothing.onnx", "nothing.onnx"),
    ],
)
def test_a_bad_side_is_one_sentence(spec, sentence):
    outcome = run("compare", spec)

    assert outcome.status == 2
    assert sentence in outcome.err
    assert len(outcome.err.splitlines()) == 1


def test_a_side_of_the_other_sides_model_and_board():
    first = side(f"{DIGITS},board=zcu104")

    assert side("clock-mhz=200", first).board == "zcu104"
    assert side("clock-mhz=200", first).model == first.model
    assert side("board=kv260", first).board == "kv260"
    assert side(str(EFFSE), first).board == "ultra96v2"


def test_numbers_have_the_limits_of_the_command_lines_options():
    of = {
        "clock-mhz": options.ClockMhz, "ddr-bytes-per-cycle": options.DdrBytes,
        "ddr-latency": options.DdrLatency, "stalls": options.Stalls,
        "ps-threads": options.PsThreads,
    }  # fmt: skip
    given = {key: note.__metadata__[0] for key, note in of.items()}

    assert {k: (o.min, o.max) for k, o in given.items()} == {
        k: (least, most) for k, (_, least, most) in sides.NUMBERS.items()
    }
    assert set(compared.NAMES) == set(ORDER)
