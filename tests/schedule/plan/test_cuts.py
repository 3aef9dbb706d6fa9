"""First and last steps are cut so that what nothing hides is small."""

from dataclasses import replace
from itertools import pairwise

import pytest

from accelgen.arch.isa import Opcode
from accelgen.arch.presets import PRESETS
from accelgen.cost import Memory
from accelgen.estimator.timeline import timeline
from accelgen.schedule import schedule
from accelgen.schedule.plan import cuts, memory
from tests.helpers.arches import LARGE
from tests.helpers.int8_nets import Int8Net
from tests.helpers.programs import assert_matches_golden

DOUBLE = replace(PRESETS["ultra96_double"], acc_bits=32)
MEMORY = Memory(bytes_per_cycle=16, latency_cycles=40, write_latency_cycles=40)


def layer(name):
    """Of the micro-benchmark: map from DDR, map to DDR."""
    if name == "3x3":
        net = Int8Net((32, 32, 32))
        net.conv(net.x, 32, (3, 3), pads=(1, 1, 1, 1))
    elif name == "1x1":
        net = Int8Net((28, 28, 64))
        net.conv(net.x, 128)
    else:
        net = Int8Net((28, 28, 128))
        net.depthwise(net.x)
    return net


def commands(program, opcode):
    return [c for c in program.commands if c.opcode is opcode]


@pytest.mark.parametrize(("name", "arch", "saved"), [
    ("3x3", DOUBLE, 0.03), ("1x1", DOUBLE, 0.08), ("3x3", LARGE, 0.009),
])  # fmt: skip
def test_a_layer_from_ddr_to_ddr_is_faster_than_evenly_cut(monkeypatch, name, arch, saved):
    net = layer(name)
    uneven = schedule(net.graph(), arch)
    monkeypatch.setattr(memory, "cut_unevenly", lambda work, tiling, *_: tiling)
    even = schedule(net.graph(), arch)

    before, after = (timeline(p, MEMORY).cycles for p in (even, uneven))

    assert after < (1 - saved) * before


@pytest.mark.parametrize("arch", [LARGE, DOUBLE], ids=["large", "double"])
@pytest.mark.parametrize("name", ["3x3", "1x1", "depthwise"])
def test_uneven_cuts_match_golden(name, arch):
    net = layer(name)

    assert_matches_golden(schedule(net.graph(), arch), net.input(), shuffles=(None, 1, 2))


def test_a_step_is_searched_once_and_again_where_something_is_different(monkeypatch):
    searched, search = [], cuts._searched

    def seen(work, *others):
        searched.append((work, *others))
        return search(work, *others)

    monkeypatch.setattr(cuts, "_found", {})
    monkeypatch.setattr(cuts, "_searched", seen)
    one, same = (schedule(layer("1x1").graph(), DOUBLE) for _ in range(2))
    assert len(searched) == 1
    assert one.image == same.image

    work, *others = searched[0]
    weights = work.weights
    for changed in (
        replace(work, weights=replace(weights, tables=weights.tables + bytes(256))),
        replace(work, drain_pixels=work.drain_pixels // 2),
        replace(work, chain=replace(work.chain, table1=work.chain.array, array=None)),
    ):
        cuts.cut_unevenly(changed, *others)
    schedule(layer("1x1").graph(), LARGE)
    assert len(searched) == 5


def test_the_first_load_and_the_last_store_are_small():
    program = schedule(layer("3x3").graph(), DOUBLE)
    loads, stores = (
        [f.groups * f.rows for f in commands(program, opcode)]
        for opcode in (Opcode.LOAD, Opcode.STORE)
    )

    assert loads[0] < max(loads)
    assert stores[-1] < max(stores) / 2


def test_weights_of_later_tiles_let_the_first_load_pass():
    program = schedule(layer("3x3").graph(), DOUBLE)
    first, *later = commands(program, Opcode.WEIGHTS)

    assert not first.header.wait_loads
    assert all(f.header.wait_loads == 1 for f in later)


def test_weights_let_a_whole_map_pass_that_is_loaded_first():
    net = Int8Net((16, 16, 16))
    x = net.conv(net.conv(net.x, 16), 16)
    net.add(x, net.x)  # read twice: it stays in the memory
    program = schedule(net.graph(), replace(LARGE, feature_rows=4096))
    opcodes = [c.opcode for c in program.commands]
    loads = opcodes[: opcodes.index(Opcode.EXEC)].count(Opcode.LOAD)
    first, *later = commands(program, Opcode.WEIGHTS)

    assert loads == 2
    assert not first.header.wait_loads
    assert later
    assert all(f.header.wait_loads >= 1 for f in later)


def test_steps_in_between_are_cut_evenly():
    net = Int8Net((28, 32, 16))
    x = net.conv(net.conv(net.x, 64), 64)
    net.max_pool(net.conv(x, 16), (4, 4), (4, 4))
    arch = replace(LARGE, feature_rows=600)
    program = schedule(net.graph(), arch)
    middle = program.steps[1]
    heights = [
        program.commands[i].in_raster.height
        for i in middle.commands
        if program.commands[i].opcode is Opcode.EXEC
    ]

    assert len(heights) > 1
    assert len(set(heights[:-1])) == 1


def test_words_are_kept_from_band_to_band():
    program = schedule(layer("1x1").graph(), DOUBLE)
    execs, weights = (commands(program, opcode) for opcode in (Opcode.EXEC, Opcode.WEIGHTS))
    words = sum(f.groups * f.weight_words for f in weights)

    assert words == 16 * 8  # 128 channels of 64, once
    # Every band is 16 groups of 784 pixels in all: all but the last keep, all but the first rewind.
    bands, groups = [], 16
    for fields in execs:
        if groups == 16:
            bands.append([])
            groups = 0
        bands[-1].append(fields)
        groups += fields.groups
    assert len(bands) > 1
    for number, band in enumerate(bands):
        assert {f.keep for f in band} == {int(number < len(bands) - 1)}
        assert [f.rewind for f in band] == [int(number > 0)] + [0] * (len(band) - 1)


def test_a_pointwise_step_is_cut_between_feature_rows():
    program = schedule(layer("1x1").graph(), DOUBLE)

    assert {f.in_raster.width for f in commands(program, Opcode.EXEC)} == {DOUBLE.pixels}


def test_execs_of_one_step_begin_early_and_know_where_lanes_stand():
    program = schedule(layer("1x1").graph(), DOUBLE)
    first, *later = commands(program, Opcode.EXEC)

    assert all(f.early and f.in_raster.placed for f in later)
    assert not first.early
    assert not first.in_raster.placed


def rows_read(fields, pixels):
    """Feature rows that the array of an EXEC reads, from its fields; pads are inside the map."""
    raster = fields.in_raster
    first = raster.origin + raster.pad_top * raster.width + raster.pad_left
    count = -(-(first + raster.height * raster.width) // pixels)
    last_group = (fields.groups - 1) // fields.in_repeat * fields.in_step
    return {
        fields.in_row + group * fields.in_stride + row
        for group in range(last_group + fields.in_groups)
        for row in range(count)
    }


def rows_written(fields):
    return {
        fields.out_row + group * fields.out_stride + row
        for group in range(fields.groups)
        for row in range(fields.out_rows)
    }


@pytest.mark.parametrize("size", [8, 40])
def test_an_exec_is_early_unless_it_reads_what_the_one_before_writes(size):
    net = Int8Net((size, size, 16))
    x = net.conv(net.conv(net.x, 16), 24, (3, 3), pads=(1, 1, 1, 1))
    net.conv(net.conv(x, 16), 16)
    execs = commands(schedule(net.graph(), LARGE), Opcode.EXEC)
    expected = [
        int(not rows_read(now, LARGE.pixels) & rows_written(before))
        for before, now in pairwise(execs)
    ]

    assert [f.early for f in execs] == [0, *expected]
    assert {0, 1} >= set(expected) >= {0}
