"""The window lanes sum products and find maxima exactly, whatever the operands and gaps."""

import numpy as np
from cocotb.triggers import FallingEdge

from accelgen.arch import timing
from accelgen.arch.isa import WindowOp
from tests.helpers import words
from tests.helpers.bench import bench_arch, part_test
from tests.helpers.blocks import window_lanes
from tests.helpers.clock import start_clock
from tests.helpers.pumped import Beside
from tests.helpers.simulate import simulate_archs
from tests.helpers.words import join

CONFIGURATIONS = {
    "single": {
        "lanes": 4, "pixels": 4, "chain_pixels": 1, "pe_mode": "single", "acc_bits": 32,
    },
    "packed": {
        "lanes": 8, "pixels": 8, "chain_pixels": 2, "pe_mode": "packed", "acc_bits": 27,
    },
    "double": {
        "lanes": 4, "pixels": 8, "chain_pixels": 4, "pe_mode": "double", "acc_bits": 27,
    },
}  # fmt: skip
CONFIGURATIONS |= {
    f"{name}_two_taps": {**own, "window_taps": 2} for name, own in CONFIGURATIONS.items()
}


def test_window_lanes(tmp_path):
    simulate_archs(CONFIGURATIONS, engine_of, __name__, tmp_path)


@part_test(timeout_time=300, timeout_unit="us")
async def sums_at_full_rate(dut):
    await begin(dut)

    await run_vectors(dut, WindowOp.MAC, random_vectors(1, 60))
    await run_vectors(dut, WindowOp.SCALE, random_vectors(2, 60, low=-255))


@part_test(timeout_time=300, timeout_unit="us")
async def sums_with_gaps(dut):
    await begin(dut)

    await run_vectors(dut, WindowOp.MAC, random_vectors(3, 60), gap=0.4)


@part_test(timeout_time=300, timeout_unit="us")
async def maxima_between_sums(dut):
    await begin(dut)

    for seed in range(4):
        rng = np.random.default_rng(seed)
        vectors = [
            (np.where(pixels_of(rng, [1, 0, 0], x.shape) > 0, -128, x), w, keep)
            for x, w, keep in random_vectors(seed, 30, low=-128, high=127)
        ]
        await run_vectors(dut, WindowOp.MAX, vectors, gap=0.2 * seed)
        await run_vectors(dut, WindowOp.MAC, vectors)


@part_test(timeout_time=300, timeout_unit="us")
async def extremes_do_not_leak_between_the_pixels_of_a_multiplier(dut):
    rng = np.random.default_rng(5)
    await begin(dut)

    for x_choices, w_choices in [
        ([-256], [255]), ([-256, 255], [-255]), ([255], [-256]), ([-255, 255], [-255, 255]),
        ([-256, 0], [255]), ([-1, 0], [1]), ([-1, 0, 1], [-1, 0, 1]),
    ]:  # fmt: skip
        vectors = [
            (pixels_of(rng, x_choices, x.shape), rng.choice(w_choices, w.shape), keep)
            for x, w, keep in random_vectors(6, 8)
        ]
        await run_vectors(dut, WindowOp.MAC, vectors)
        await run_vectors(dut, WindowOp.MAX, [(np.clip(x, -128, 127), w, k) for x, w, k in vectors])


def engine_of(arch):
    return Beside(arch, window_lanes(arch)) if arch.pumped else window_lanes(arch)


def latency_of(arch):
    own = timing.window_lanes_latency(arch.pumped, arch.window_taps)
    return own + (Beside.LATENCY if arch.pumped else 0)


def random_vectors(seed, count, *, low=-255, high=255):
    """Vectors of 1 to 25 beats (activations plus offsets, weights, keep), many values extreme.

    The activations of a pixel are at most 255 apart: they share an offset.
    """
    arch = bench_arch()
    rng = np.random.default_rng(seed)
    vectors = []
    for _ in range(count):
        beats = int(rng.choice([1, 1, 2, 9, 25]))
        x = rng.integers(-128, 128, (beats, arch.pixels, arch.lanes))
        w = rng.integers(-255, 256, (beats, arch.lanes))
        x = np.where(rng.random(x.shape) < 0.25, rng.choice([-128, 127], x.shape), x)
        x = x + pixels_of(rng, [low + 128, high - 127, 0], x.shape)
        w = np.where(rng.random(w.shape) < 0.25, rng.choice([-255, 255], w.shape), w)
        vectors.append((x, w, int(rng.integers(1 << arch.pixels))))
    return vectors


def pixels_of(rng, choices, shape):
    """A choice for each pixel, the same in all its lanes."""
    return np.broadcast_to(rng.choice(choices, (*shape[:2], 1)), shape)


def split_offsets(rng, x):
    """Activations of 8 bits, and an offset per pixel: any that makes the sum ``x``."""
    offsets = rng.integers(np.maximum(x.max(1) - 127, -256), np.minimum(x.min(1) + 129, 256))
    return x - offsets[:, None], offsets


def split_padding(rng, x):
    """Of maxima of two taps: pixels of -128 are outside of the map, some of them."""
    outside = (x == -128).all(1) & (rng.random(len(x)) < 0.7)
    return np.where(outside[:, None], 0, x), np.where(outside, -128, 0)


def paired(op):
    """Makes of a vector one whose products are small enough for two in a sum: int8 by int8, or
    with nothing beside them."""

    def change(vector):
        x, w, keep = vector
        if op == WindowOp.SCALE:
            return alone(x, w, keep)
        return np.clip(x, -128, 127), np.clip(w, -127, 127), keep

    return change


def alone(x, w, keep):
    """Every tap with one of zeros beside it."""
    x, w = (np.stack([a, 0 * a], axis=1).reshape(-1, *a.shape[1:]) for a in (x, w))
    return x, w, keep


def tap_width(arch):
    return arch.pixels * (8 * arch.lanes + 9) + 9 * arch.lanes


def tap_bits(activations, offsets, weights):
    """Bits of a tap in layouts.window_operands."""
    pixels, lanes = activations.shape
    bits = join(activations, 8) | join(offsets, 9) << (8 * pixels * lanes)
    return bits | join(weights, 9) << (pixels * (8 * lanes + 9))


async def begin(dut):
    await start_clock(dut, zero=["i__valid", "op"])


async def run_vectors(dut, op, vectors, *, gap=0.0):
    """Drive the beats of ``vectors``; every result must come in its cycle, and nothing else."""
    arch = bench_arch()
    rng = np.random.default_rng(len(vectors))
    stimulus, expected = [], {}
    taps = arch.window_taps
    split = split_offsets if op != WindowOp.MAX or taps == 1 else split_padding
    for x, w, keep in vectors if taps == 1 else map(paired(op), vectors):
        for beat in range(0, len(x), taps):
            while rng.random() < gap:
                stimulus.append(None)
            last = beat + taps >= len(x)
            marks = (beat == 0) | last << 1 | (keep if last else int(rng.integers(4))) << 2
            operands, bits = tap_bits(*split(rng, x[beat]), w[beat]), tap_width(arch)
            operands |= marks << bits
            if taps > 1:
                # What is past the last tap: padding, with a weight of 0.
                pad = (np.full(x.shape[1:], -128), np.zeros(arch.lanes, int))
                other = (x[beat + 1], w[beat + 1]) if beat + 1 < len(x) else pad
                bits += 2 + arch.pixels
                operands |= tap_bits(*split(rng, other[0]), other[1]) << bits
            stimulus.append(operands)
        acc = x.max(0) if op == WindowOp.MAX else (x * w[:, None]).sum(0)
        expected[len(stimulus) - 1 + latency_of(arch)] = (acc, keep)

    dut.op.value = int(op)
    await FallingEdge(dut.clk)
    for cycle in range(len(stimulus) + latency_of(arch) + 2):
        payload = stimulus[cycle] if cycle < len(stimulus) else None
        dut.i__valid.value = payload is not None
        if payload is not None:
            dut.i__payload.value = payload
        assert bool(dut.o__valid.value) == (cycle in expected), f"cycle {cycle}"
        if cycle in expected:
            acc, keep = expected.pop(cycle)
            got = int(dut.o__payload.value)
            np.testing.assert_array_equal(words.split(got, arch.acc_bits, acc.shape), acc)
            assert got >> (arch.acc_bits * arch.pixels * arch.lanes) == keep
        await FallingEdge(dut.clk)
    assert not expected
