"""Weights are parked where there is room, come back whole, and never keep a program from ending."""

from contextlib import suppress
from dataclasses import replace
from itertools import permutations

import pytest

from accelgen.arch import PRESETS
from accelgen.arch.isa import Opcode
from accelgen.cost import Memory
from accelgen.errors import ScheduleError
from accelgen.estimator.timeline import timeline
from accelgen.program import Store, Weights
from accelgen.schedule import build, schedule
from accelgen.schedule.plan import parking
from accelgen.simulation.functional_exec import CommandError
from tests.helpers.arches import LARGE, SMALL
from tests.helpers.int8_nets import Int8Net, random_net
from tests.helpers.programs import (
    assert_matches_golden,
    park_everything,
    with_commands,
    without_waits,
)

ARCHES = {"small": SMALL, "large": LARGE, "wide": replace(LARGE, pixels=16, chain_pixels=4)}
SLOW = Memory(bytes_per_cycle=2)


def deep_net():
    """A large map whose steps leave DDR idle, then a small one with many weights."""
    net = Int8Net((32, 32, 16))
    wide = net.conv(net.x, 16, (3, 3), pads=(1, 1, 1, 1))
    y = net.max_pool(net.conv(wide, 16, (3, 3), pads=(1, 1, 1, 1)), (8, 8), (8, 8))
    for _ in range(4):
        y = net.conv(y, 128, (1, 1))
    return net, net.graph(net.conv(y, 8, (1, 1)))


def feeds(command):
    return isinstance(command, Store) and command.weights


def parked_steps(program):
    parked = [c.header.tag for c in program.commands if isinstance(c, Weights) and c.parked]
    fed = {c.header.tag for c in program.commands if feeds(c)}
    assert set(parked) == fed
    return parked


def test_what_ddr_cannot_feed_in_time_is_parked(monkeypatch):
    net, graph = deep_net()
    arch = replace(PRESETS["ultra96"], acc_bits=32)
    program = schedule(graph, arch)

    assert parked_steps(program)
    assert_matches_golden(program, net.input(), shuffles=(None, 1, 2))
    memory = Memory(bytes_per_cycle=12)
    with monkeypatch.context() as patch:
        patch.setattr("accelgen.schedule.plan.parking._LEAST_BYTES", 1 << 30)
        direct = schedule(graph, arch)
    assert not parked_steps(direct)
    assert timeline(program, memory).cycles < timeline(direct, memory).cycles


@pytest.mark.parametrize("arch", sorted(ARCHES))
@pytest.mark.parametrize("rows", [120, 250, 600])
def test_random_nets_with_parked_weights_match_golden(arch, rows, monkeypatch):
    park_everything(monkeypatch)
    found = 0
    for seed in range(12):
        net, graph = random_net(seed, nodes=10, largest=9, channels=40)
        try:
            program = schedule(graph, replace(ARCHES[arch], feature_rows=rows))
        except ScheduleError:
            continue
        found += len(parked_steps(program))
        assert_matches_golden(program, net.input(), shuffles=(None, seed, seed + 1))
        assert timeline(program, SLOW).cycles > 0
    assert found > 12


@pytest.mark.parametrize("rows", [120, 250, 600])
def test_what_waits_lies_in_rows_of_its_own(rows, monkeypatch):
    park_everything(monkeypatch)
    plans = []

    def keep(*arguments):
        plans.append(parking.plan_parking(*arguments))
        return plans[-1]

    monkeypatch.setattr(build, "plan_parking", keep)
    for seed in range(12):
        _, graph = random_net(seed, nodes=10, largest=9, channels=40)
        with suppress(ScheduleError):
            schedule(graph, replace(SMALL, feature_rows=rows))

    together = 0
    for plan in plans:
        for one, other in permutations(plan.chunks, 2):
            # What a step uses up makes room for what is loaded in it.
            if one.loaded <= other.loaded < one.used and one.loaded < other.used:
                together += 1
                apart = one.row + one.rows <= other.row or other.row + other.rows <= one.row
                assert apart, (one, other)
    assert together > 100


@pytest.mark.parametrize("opcode", [Opcode.LOAD, Opcode.STORE])
def test_missing_waits_of_parked_weights_are_exposed(opcode, monkeypatch):
    park_everything(monkeypatch, chunk_bytes=4096)
    net, graph = deep_net()
    program = schedule(graph, replace(LARGE, feature_rows=400))

    def forget(index, command):
        mine = feeds(command) or command.header.tag > 1
        if command.opcode is not opcode or not mine:
            return command
        return without_waits(command)

    with pytest.raises((AssertionError, CommandError)):
        assert_matches_golden(with_commands(program, forget), net.input(), shuffles=range(20))


def test_a_wrong_row_is_seen(monkeypatch):
    park_everything(monkeypatch)
    net, graph = deep_net()
    program = schedule(graph, LARGE)

    def elsewhere(index, command):
        return replace(command, row=command.row + 1) if feeds(command) else command

    with pytest.raises((AssertionError, CommandError)):
        assert_matches_golden(with_commands(program, elsewhere), net.input())
