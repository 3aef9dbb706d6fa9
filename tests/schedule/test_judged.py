"""Of plans that the look-ahead cannot tell apart, the one that the judge finds faster."""

from dataclasses import dataclass, replace

import pytest

from accelgen.arch.presets import PRESETS
from accelgen.cost import Memory
from accelgen.errors import ScheduleError
from accelgen.estimator.timeline import timeline
from accelgen.schedule import plan_parts
from accelgen.schedule.judged import judged_plan
from tests.helpers.int8_nets import Int8Net
from tests.helpers.programs import assert_matches_golden

ARCH = replace(PRESETS["ultra96_double"], acc_bits=32)
MEMORY = Memory(bytes_per_cycle=10, latency_cycles=40, write_latency_cycles=40)


@dataclass(frozen=True)
class Tiling:
    """Cycles of its beginning and of the whole; ``bad``: it cannot be emitted whole."""

    begins: int
    whole: int
    others: tuple = ()
    bad: bool = False


@dataclass(frozen=True)
class Plan:
    tilings: tuple


def emit(plan, steps):
    tiling = plan.tilings[0]
    if steps is None and tiling.bad:
        raise ScheduleError("wait counts end")
    return tiling.whole if steps is None else tiling.begins


@pytest.mark.parametrize(("others", "wanted"), [
    ([], 90),
    ([(9, 80), (8, 70)], 70),
    ([(8, 95), (9, 80)], 80),
    ([(10, 80), (11, 70)], 90),  # they begin no sooner
    ([(8, 90), (9, 91)], 90),
    ([(8, 70, True), (9, 80)], 80),
    ([(7, 95), (8, 95), (9, 80)], 90),  # two are judged whole
], ids=str)  # fmt: skip
def test_what_begins_sooner_and_ends_sooner_is_chosen(others, wanted):
    tilings = tuple(Tiling(o[0], o[1], bad=len(o) > 2) for o in others)
    last = Tiling(0, 0)
    plan = Plan((Tiling(10, 90, others=tilings), last))

    chosen, program = judged_plan(plan, 90, emit, float)

    assert program == wanted == chosen.tilings[0].whole
    assert chosen.tilings[1:] == (last,)


def test_a_program_of_one_step_keeps_its_plan():
    plan = Plan((Tiling(10, 90, others=(Tiling(8, 70),)),))

    assert judged_plan(plan, 90, emit, float) == (plan, 90)


def network():
    """Its first step takes a map from DDR in tiles."""
    net = Int8Net((28, 28, 64))
    net.conv(net.conv(net.conv(net.x, 64), 32, (3, 3), pads=(1, 1, 1, 1)), 64)
    return net


def test_a_judged_program_is_another_s_equal_and_no_slower():
    net, seen = network(), []

    def slowest(program):
        """As if the time line ran backwards: another than the look-ahead's."""
        seen.append(program)
        return -timeline(program, MEMORY).cycles

    (planned,) = plan_parts(net.graph(), ARCH, MEMORY)
    plain, other = planned.program(), planned.program(slowest)
    faster = planned.program(lambda p: timeline(p, MEMORY).cycles)

    assert timeline(faster, MEMORY).cycles <= timeline(plain, MEMORY).cycles
    assert timeline(plain, MEMORY).cycles < timeline(other, MEMORY).cycles
    assert len(plain.commands) > min(len(p.commands) for p in seen)  # beginnings
    assert_matches_golden(other, net.input(), shuffles=(None, 1))
