"""The time line ends for any configuration, and short queues of reads cost time."""

from dataclasses import replace
from itertools import pairwise

import pytest

from accelgen.arch import ArchParams, limits
from accelgen.arch.isa import FETCH_BYTES
from accelgen.arch.timing import RASTER_SWITCH
from accelgen.cost import Memory
from accelgen.cost.events import Simulation
from accelgen.estimator import timeline as timeline_module
from accelgen.estimator.timeline import timeline
from accelgen.program import Exec
from accelgen.schedule import schedule
from tests.helpers.int8_nets import Int8Net
from tests.helpers.programs import with_commands


@pytest.fixture(scope="module")
def graph():
    """A convolution of 14 KB, a table and a depthwise convolution, on a small map."""
    net = Int8Net((7, 7, 64))
    y = net.table(net.conv(net.x, 24, kernel=(3, 3), pads=(1, 1, 1, 1)))
    return net.graph(net.depthwise(y))


@pytest.mark.parametrize("outstanding", [2, 4, 8])
@pytest.mark.parametrize("stalls", [0.0, 0.7])
def test_it_ends_however_little_is_in_flight(graph, outstanding, stalls):
    memory = Memory(stalls=stalls)
    cycles = []
    for burst_beats in (1, 2, 4, 16):
        arch = ArchParams(acc_bits=32, burst_beats=burst_beats, outstanding=outstanding)
        cycles.append(timeline(schedule(graph, arch), memory).cycles)

    # Some requests' rounding apart, more in flight is never slower.
    assert all(more <= fewer * 1.01 for fewer, more in pairwise(cycles))
    assert cycles[0] > 1000


def pointwise():
    """A layer whose EXECs follow one another closely."""
    net = Int8Net((28, 28, 64))
    net.conv(net.x, 128)
    return schedule(net.graph(), ArchParams(acc_bits=32))


def test_the_array_begins_a_step_closely_behind_the_one_before():
    spans = timeline(pointwise(), Memory()).spans
    gaps = [b.start - a.front_end for a, b in pairwise(spans) if b.early and not b.time.residual]

    assert min(gaps) == pytest.approx(RASTER_SWITCH)


def test_commands_that_many_wait_before_are_not_fetched(monkeypatch):
    """The first EXEC's end finds what was fetched at the start, and a burst or two."""
    net = Int8Net((8, 8, 16))
    x = net.x
    for _ in range(30):
        x = net.conv(x, 16)
    program = schedule(net.graph(), ArchParams(acc_bits=32))
    run = timeline_module._Run(program, Memory(), 0.0)
    fetched = []
    take = run.take

    def watched(index):
        fetched.append(run.fetched)
        return take(index)

    monkeypatch.setattr(run, "take", watched)
    assert run.simulation.run(*run.processes())

    assert fetched[1] < (limits.FETCH_AHEAD + 2) * FETCH_BYTES < fetched[-1]


def test_what_may_begin_early_or_finds_its_lanes_placed_takes_less():
    program = pointwise()

    def late(_, command):
        return replace(command, early=False) if isinstance(command, Exec) else command

    def unplaced(_, command):
        if not isinstance(command, Exec):
            return command
        return replace(command, in_raster=replace(command.in_raster, placed=False))

    whole, without_early, without_places = (
        timeline(p, Memory()).cycles
        for p in (program, with_commands(program, late), with_commands(program, unplaced))
    )
    later = sum(c.early for c in program.commands if isinstance(c, Exec))

    # At least what the walk is made ready in, if not hidden; the places of eight lanes.
    assert later > 2
    assert without_early > whole + 10 * later
    assert without_places == pytest.approx(whole + 8 * later, abs=8 * later / 2)


def test_a_slow_memory_costs_time(graph):
    program = schedule(graph, replace(ArchParams(), acc_bits=32))

    slow, fast = (timeline(program, Memory(bytes_per_cycle=b)).cycles for b in (0.5, 16))

    assert slow > 13824 / 0.5 > fast


def test_weights_that_are_there_are_taken_at_once(monkeypatch):
    """What an estimate takes of a computer: some steps of the clock per 1,024 bytes of weights."""
    net = Int8Net((7, 7, 640))
    net.conv(net.x, 320)
    program = schedule(net.graph(), ArchParams(acc_bits=32))
    steps = []
    advance = Simulation._advance
    monkeypatch.setattr(Simulation, "_advance", lambda s: (steps.append(s.now), advance(s)))

    timeline(program, Memory())

    # 1,475 where they were taken by 256, whatever was there.
    assert 640 * 320 / 1024 < len(steps) < 1200
