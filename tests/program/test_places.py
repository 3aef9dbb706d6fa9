"""Two places: program 1 does at the second place what program 0 does at the first."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.arch.isa import Opcode
from accelgen.arch.registers import PAGE_BYTES
from accelgen.errors import ScheduleError
from accelgen.program.places import two_places
from accelgen.schedule import schedule
from accelgen.simulation.functional import run_functional
from tests.helpers.arches import LARGE, SMALL
from tests.helpers.int8_nets import Int8Net, random_net
from tests.helpers.programs import assert_matches_golden
from tests.helpers.two_places import program_at


def spans(placements):
    return [(p.offset, p.offset + p.size_bytes) for p in placements]


@given(st.integers(0, 10**6), st.sampled_from(["small", "large"]), st.sampled_from([60, 400, 4096]))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_both_programs_match_golden(seed, arch, rows):
    net, graph = random_net(seed)
    arch = replace({"small": SMALL, "large": LARGE}[arch], feature_rows=rows)
    try:
        program = schedule(graph, arch)
    except ScheduleError:
        return
    places = two_places(program)

    for place in (0, 1):
        assert_matches_golden(program_at(program, places, place), net.input())


def concatenated():
    """An output that is a part of a concatenation which is read again."""
    net = Int8Net((6, 6, 8), seed=5)
    a, b = net.conv(net.x, 8), net.conv(net.x, 16)
    joined = net.concat(a, b)
    return net, net.graph(a, net.conv(joined, 8))


def test_an_output_that_is_read_again_within_the_frame():
    net, graph = concatenated()
    program = schedule(graph, replace(SMALL, feature_rows=60))
    assert any(c.opcode is Opcode.LOAD for c in program.commands[4:])

    places = two_places(program)

    assert_matches_golden(program_at(program, places, 1), net.input())


@pytest.mark.parametrize("place", [0, 1])
def test_a_frame_leaves_the_other_place_alone(place):
    """Memory begins as the same garbage: what a frame does not write is the same after any two."""
    net, graph = concatenated()
    program = schedule(graph, replace(SMALL, feature_rows=60))
    places = two_places(program)
    mine, other = program_at(program, places, place), program_at(program, places, 1 - place)

    after = run_functional(mine, {program.input.tensor: net.input()}).ddr
    theirs = run_functional(other, {program.input.tensor: net.input()}).ddr

    assert len(after) == len(theirs) == places.image_bytes
    for low, high in spans(mine.outputs):
        assert after[low:high] != theirs[low:high]
    for low, high in spans(other.outputs):
        assert after[low:high] != theirs[low:high]


def test_nothing_overlaps_and_everything_is_inside():
    _, graph = concatenated()
    program = schedule(graph, SMALL)
    places = two_places(program)

    taken = [(s.offset, s.offset + len(s.data)) for s in places.sections]
    taken += spans(places.inputs) + spans(places.outputs[0]) + spans(places.outputs[1])
    taken.sort()

    assert all(a[1] <= b[0] for a, b in pairwise(taken))
    assert taken[-1][1] <= places.image_bytes
    assert places.image_bytes % PAGE_BYTES == 0
    assert len(places.program_bin) == sum(len(s.data) for s in places.sections)


@pytest.mark.parametrize("place", [0, 1])
def test_programs_lie_where_they_are_said_to(place):
    _, graph = concatenated()
    program = schedule(graph, SMALL)
    places = two_places(program)
    first, other = (program_at(program, places, p) for p in (0, place))

    changed = [a != b for a, b in zip(other.commands, first.commands, strict=True)]
    assert any(changed) == bool(place)
    moved = {Opcode.LOAD, Opcode.STORE}
    assert all(c.opcode in moved for c, x in zip(program.commands, changed, strict=True) if x)


def test_offsets_differ_by_whole_pages():
    _, graph = concatenated()
    places = two_places(schedule(graph, SMALL))

    for a, b in zip(*places.outputs, strict=True):
        assert (b.offset - a.offset) % PAGE_BYTES == 0
    assert np.all([b.offset > 0 for b in places.inputs])
