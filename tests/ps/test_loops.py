"""The counted loops: as fresh as the code, and as fast as they must be."""

import pytest

from accelgen.errors import ToolError
from accelgen.ps import loops
from accelgen.ps.loops import LOOPS, Loop, main, measure, read_costs, read_file
from accelgen.ps.runner import missing_tools


@pytest.fixture(scope="module")
def measured():
    if lack := missing_tools("qemu"):
        pytest.skip(f"{lack} (NEON loops are counted from compiled code: issue 4)")
    return measure()


def test_the_kept_counts_are_those_of_the_code(measured):
    version, costs = measured
    kept = read_costs()

    assert {c.kernel for c in costs} == set(kept) == {loop.kernel for loop in LOOPS}
    if version == read_file()["compiler"]:
        assert {c.kernel: c for c in costs} == kept, "run python -m accelgen.ps.loops --write"
    # Another compiler may order things otherwise; the assembly of the FC kernel it may not.
    assert next(c for c in costs if c.kernel == "fc") == kept["fc"]


def test_fully_connected_reaches_70_percent_of_the_issue_bound():
    fc = read_costs()["fc"]

    assert fc.bound_cycles / fc.cycles >= 0.7
    assert fc.instructions["arithmetic"] == 3 * fc.units / 16  # smull, smlal2, sadalp for 16 MACs
    # What peers publish for int8 convolution on one A53 at 1.4 GHz: 3 to 6 GMAC/s.
    assert 3 <= 1.4 * fc.units / fc.cycles <= 6


def test_no_loop_beats_its_bound():
    for cost in read_costs().values():
        assert cost.bound_cycles <= cost.cycles, cost.kernel
        assert cost.compiler_cycles <= cost.cycles, cost.kernel


def test_the_table_shows_count_and_model_side_by_side(measured, monkeypatch, capsys):
    monkeypatch.setattr(loops, "measure", lambda: measured)

    main([])

    text = capsys.readouterr().out
    assert text.splitlines()[-1].startswith("fc: 113 instructions for 256 MACs; issue bound 4.00")
    assert all(loop.kernel in text for loop in LOOPS)


def test_a_loop_that_is_not_there_is_an_error(measured, monkeypatch):
    monkeypatch.setattr(loops, "LOOPS", (Loop("x", "layout", "gather", "smull", 1, "MAC"),))

    with pytest.raises(ToolError, match="no loop of gather"):
        measure()
