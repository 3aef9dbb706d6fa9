"""NHWC to and from feature-memory order, against the compiler's own packing."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from accelgen.program.layout import dense_slots, pack_tensor
from accelgen.program.records import Placement
from accelgen.ps import kernels
from accelgen.ps.kernels import Layout
from tests.ps.judge import CHANNELS, assert_golden, int8s

SHAPES = [(1, 1, c) for c in CHANNELS] + [
    (7, 7, 24), (13, 11, 100), (3, 5, 8), (56, 56, 9), (1, 17, 40), (9, 1, 3), (20, 30, 65)
]  # fmt: skip


def place(rng, shape, lanes, *, shuffled):
    """A placement with gaps and channels out of order, or the usual one."""
    h, w, c = shape
    slots = np.array(dense_slots(c, lanes))
    if shuffled:
        slots = np.concatenate([slots, np.full(lanes * int(rng.integers(0, 3)), -1)])
        rng.shuffle(slots)
    stride = -(-h * w // 16) * 16 * lanes
    placement = Placement(
        tensor="t", shape=shape, slots=tuple(int(s) for s in slots), offset=0, stride=stride,
        groups=len(slots) // lanes,
    )  # fmt: skip
    layout = Layout(
        pixels=h * w, channels=c, lanes=lanes, groups=placement.groups, stride=stride,
        slots=placement.slots if shuffled else None,
    )  # fmt: skip
    return placement, layout


@pytest.mark.parametrize("lanes", [4, 8, 16])
@pytest.mark.parametrize("shuffled", [False, True], ids=["dense", "shuffled"])
def test_both_ways_are_the_compilers(runner, lanes, shuffled):
    rng = np.random.default_rng(lanes)
    there, back, maps, pixels = [], [], [], []
    for shape in SHAPES:
        placement, layout = place(rng, shape, lanes, shuffled=shuffled)
        x = int8s(rng, shape)
        data = np.frombuffer(pack_tensor(x, placement, SimpleNamespace(lanes=lanes)), np.int8)
        flat = x.reshape(-1, shape[2])
        there.append(kernels.to_feature_memory(flat, layout))
        # Gaps and tails hold garbage on the board: only channels may be read.
        dirty = data.copy()
        dirty[data == 0] = -86
        dirty = np.where(mask(placement, lanes), data, dirty).astype(np.int8)
        back.append(kernels.from_feature_memory(dirty, layout))
        maps.append(data)
        pixels.append(flat)

    assert_golden(runner, there, maps, rng=rng)
    assert_golden(runner, back, pixels, rng=rng)


def mask(placement, lanes):
    """Which bytes of a map are channels."""
    h, w, c = placement.shape
    ones = np.ones((h, w, c), np.int8)
    packed = pack_tensor(ones, placement, SimpleNamespace(lanes=lanes))
    return np.frombuffer(packed, np.int8) == 1


def test_impossible_layouts_are_refused(runner):
    good = Layout(pixels=10, channels=12, lanes=8, groups=2, stride=80)
    x = np.zeros((10, 12), np.int8)
    bad = [
        {"groups": 1}, {"stride": 79}, {"lanes": 0}, {"pixels": 0}, {"channels": 0}, {"groups": -2},
        {"slots": (12,) + (-1,) * 15}, {"slots": (-2,) + (-1,) * 15},
    ]  # fmt: skip
    calls = []
    for change in bad:
        call = kernels.to_feature_memory(x, good)
        changed = replace(good, **change)
        calls.append(
            replace(
                call, integers=changed.integers, buffers=(x, changed.slot_buffer, call.buffers[2])
            )
        )

    assert [a.status for a in runner.run(calls)] == [-1] * len(bad)
    assert runner.run([kernels.to_feature_memory(x, good)])[0].status == 0
