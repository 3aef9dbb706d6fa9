"""What the processor moves beside the PL is what the frame was estimated with."""

from dataclasses import replace

import pytest

from accelgen.arch import PRESETS
from accelgen.boards import load_board
from accelgen.estimator import estimate
from accelgen.estimator.timeline import timeline
from accelgen.estimator.traffic import Beside, fixed_point
from accelgen.ps.model import PsModel
from accelgen.schedule import schedule_parts
from tests.helpers.int8_nets import Int8Net

MEMORY = 13.0
#: A processor that never binds, so that the PL's frame decides.
FAST = replace(PsModel(), core_rate=1e9, memory_rate=1e9)


def look_at(cycles_of, moved, looked=None):
    """A frame of ``cycles_of(traffic)`` cycles beside which ``moved`` bytes move."""

    def look(traffic):
        if looked is not None:
            looked.append(traffic)
        cycles = cycles_of(traffic)
        return Beside(None, traffic, cycles, min(moved / cycles, MEMORY / 2))

    return look


@pytest.mark.parametrize("moved", [2e4, 1e5, 6e5, 5e6])
@pytest.mark.parametrize("bound", [0.0, 5e4])
def test_the_frame_does_not_change_when_looked_at_with_its_own_traffic(moved, bound):
    """Bound by the memory, or by it only where little of it is left."""

    def cycles(traffic):
        return max(bound, 6e5 / (MEMORY - traffic))

    looked = []
    found = fixed_point(look_at(cycles, moved, looked), 0.002 * MEMORY)

    assert cycles(found.wanted) == pytest.approx(found.cycles, abs=1)
    assert found.bytes_per_cycle == pytest.approx(found.wanted, rel=1e-3)
    assert len(looked) <= 8


def test_it_ends_where_no_traffic_meets_its_frame():
    """At a jump: the frame on either side of it."""
    found = fixed_point(look_at(lambda traffic: 1e4 if traffic < 2 else 2e4, 3e4), 0.01)

    assert found.bytes_per_cycle == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("near", [0.5, 1.5, 2.5])
def test_a_guess_nearby_saves_looks_and_finds_the_same(near):
    moved, cycles = 2e5, lambda traffic: 6e5 / (MEMORY - traffic)
    looked, guessed = [], []
    found = fixed_point(look_at(cycles, moved, looked), 0.002 * MEMORY)
    again = fixed_point(look_at(cycles, moved, guessed), 0.002 * MEMORY, near)

    assert again.cycles == pytest.approx(found.cycles, abs=1)
    close = []
    fixed_point(look_at(cycles, moved, close), 0.002 * MEMORY, found.bytes_per_cycle)
    assert len(close) == 2 < len(looked)


def test_little_traffic_is_none():
    looked = []
    found = fixed_point(look_at(lambda _: 1e6, 1e4, looked), 0.02)

    assert (found.bytes_per_cycle, looked) == (0, [0])


@pytest.mark.parametrize("classes", [64, 1000, 4000])
def test_an_estimate_is_the_estimate_of_its_own_traffic(classes):
    board = load_board("ultra96v2")
    net = Int8Net((16, 16, 64))
    x = net.conv(net.conv(net.x, 256), 256)
    for _ in range(4):
        x = net.conv(x, 256)
    graph = net.graph(net.fc(net.gap(x), classes))
    parts = schedule_parts(graph, PRESETS["ultra96_double"], fc_on_ps=True)

    numbers = estimate(parts, board, ps=FAST)

    period = numbers.ps.period_seconds * numbers.clock_mhz * 1e6
    memory = board.memory(numbers.clock_mhz)
    traffic = min(numbers.ps.overlapped_bytes / period, memory.bytes_per_cycle / 2)
    assert traffic > 0.05
    assert numbers.competing_bytes_per_cycle == pytest.approx(traffic, rel=1e-3)
    again = sum(timeline(part, memory, traffic).cycles for part in parts)
    assert again == pytest.approx(numbers.cycles, abs=1.5)  # the estimate's are whole
