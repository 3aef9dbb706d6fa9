"""First and last steps are cut so that what nothing hides is small."""

from dataclasses import replace

import pytest

from accelgen.arch.isa import Opcode
from accelgen.arch.presets import PRESETS
from accelgen.estimate import Memory
from accelgen.estimate.timeline import timeline
from accelgen.schedule import memory, schedule
from accelgen.schedule.overlap import TileCost, overlapped_cycles
from tests.helpers.int8_nets import Int8Net
from tests.helpers.programs import LARGE, assert_matches_golden

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
    return [c.fields for c in program.commands if c.opcode is opcode]


@pytest.mark.parametrize(("name", "arch", "saved"), [
    ("3x3", DOUBLE, 0.03), ("1x1", DOUBLE, 0.08), ("3x3", LARGE, 0.009), ("depthwise", LARGE, 0.03),
])  # fmt: skip
def test_a_layer_from_ddr_to_ddr_is_faster_than_evenly_cut(monkeypatch, name, arch, saved):
    net = layer(name)
    uneven = schedule(net.graph(), arch)
    monkeypatch.setattr(memory, "cut_unevenly", lambda work, tiling, gaps, arch: tiling)
    even = schedule(net.graph(), arch)

    before, after = (timeline(p, MEMORY).cycles for p in (even, uneven))

    assert after < (1 - saved) * before


@pytest.mark.parametrize("arch", [LARGE, DOUBLE], ids=["large", "double"])
@pytest.mark.parametrize("name", ["3x3", "1x1", "depthwise"])
def test_uneven_cuts_match_golden(name, arch):
    net = layer(name)

    assert_matches_golden(schedule(net.graph(), arch), net.input(), shuffles=(None, 1, 2))


def test_the_first_load_and_the_last_store_are_small():
    program = schedule(layer("3x3").graph(), DOUBLE)
    loads, stores = (
        [f["groups"] * f["rows"] for f in commands(program, opcode)]
        for opcode in (Opcode.LOAD, Opcode.STORE)
    )

    assert loads[0] < max(loads)
    assert stores[-1] < max(stores) / 2


def test_weights_of_later_tiles_let_the_first_load_pass():
    program = schedule(layer("3x3").graph(), DOUBLE)
    first, *later = commands(program, Opcode.WEIGHTS)

    assert not first["header"].get("wait_loads")
    assert all(f["header"]["wait_loads"] == 1 for f in later)


def test_steps_in_between_are_cut_evenly():
    net = Int8Net((28, 32, 16))
    x = net.conv(net.conv(net.x, 64), 64)
    net.max_pool(net.conv(x, 16), (4, 4), (4, 4))
    arch = replace(LARGE, feature_rows=600)
    program = schedule(net.graph(), arch)
    middle = program.steps[1]
    heights = [
        program.commands[i].fields["in_raster"]["height"]
        for i in middle.commands
        if program.commands[i].opcode is Opcode.EXEC
    ]

    assert len(heights) > 1
    assert len(set(heights[:-1])) == 1


def tile(**values):
    nothing = {"loads": 0, "stores": 0, "weights": 0, "first_weights": 0, "engines": 0}
    return TileCost(**nothing | values)


def test_overlapped_cycles_by_hand():
    # A load of 1,000 bytes, work, a store: one after another, with 60 cycles to begin each.
    alone = tile(loads=1000, engines=500, stores=2000)
    assert overlapped_cycles([alone], 10) == pytest.approx(60 + 100 + 60 + 500 + 60 + 200)
    # The second tile's load is behind the first one's work, and its work behind the store.
    two = overlapped_cycles([alone, alone], 10)
    assert two == pytest.approx(60 + 100 + 2 * (60 + 500) + 60 + 200)


def test_buffers_hold_tiles_up():
    work = {"loads": 1000, "engines": 1000, "stores": 1000}
    free = overlapped_cycles([tile(**work) for _ in range(3)], 10)
    one_in = overlapped_cycles([tile(**work, reuses=i - 1) for i in range(3)], 10)
    one_out = overlapped_cycles([tile(**work, restores=i - 1) for i in range(3)], 10)

    assert free == pytest.approx(60 + 100 + 3 * 1060 + 160)
    # The load comes beside the store of the tile before: each at half the rate.
    assert one_in == pytest.approx(free + 2 * (60 + 200))
    assert one_out == pytest.approx(free + 2 * 160)


def test_transfers_share_the_memory():
    weights = tile(loads=1000, weights=1000, first_weights=500, engines=10)

    # The load ends at 60 + 200 beside as many bytes of weights.
    assert overlapped_cycles([weights], 10) == pytest.approx(60 + 200 + 60 + 10)
