"""The PE array sums products exactly, whatever the operands, gaps and vector lengths."""

import numpy as np
from cocotb.triggers import FallingEdge

from accelgen.arch import timing
from tests.helpers.bench import bench_arch, part_test
from tests.helpers.blocks import pe_array
from tests.helpers.clock import start_clock
from tests.helpers.pumped import Beside
from tests.helpers.simulate import simulate_archs
from tests.helpers.words import join, split

# Chains of 4 and 8 multipliers, one and two columns of each kind.
CONFIGURATIONS = {
    "single": {
        "lanes": 4, "pixels": 4, "chain_pixels": 1, "pe_mode": "single", "acc_bits": 32,
    },
    "packed": {
        "lanes": 8, "pixels": 4, "chain_pixels": 2, "pe_mode": "packed", "acc_bits": 27,
    },
    "packed4": {
        "lanes": 4, "pixels": 4, "chain_pixels": 1, "pe_mode": "packed", "acc_bits": 28,
    },
    "double": {
        "lanes": 8, "pixels": 4, "chain_pixels": 4, "pe_mode": "double", "acc_bits": 27,
    },
    "double4": {
        "lanes": 4, "pixels": 8, "chain_pixels": 4, "pe_mode": "double", "acc_bits": 28,
    },
}  # fmt: skip


def engine_of(arch):
    return Beside(arch, pe_array(arch)) if arch.pumped else pe_array(arch)


def test_pe_array(tmp_path):
    simulate_archs(CONFIGURATIONS, engine_of, __name__, tmp_path)


@part_test(timeout_time=300, timeout_unit="us")
async def matches_at_full_rate(dut):
    rng = np.random.default_rng(1)

    await run_vectors(dut, random_vectors(rng, 120), gap=0.0)


@part_test(timeout_time=300, timeout_unit="us")
async def matches_with_gaps(dut):
    rng = np.random.default_rng(2)

    await run_vectors(dut, random_vectors(rng, 60), gap=0.4)


@part_test(timeout_time=300, timeout_unit="us")
async def extremes_do_not_leak_between_the_pixels_of_a_multiplier(dut):
    rng = np.random.default_rng(3)
    arch = bench_arch()
    vectors = []

    for a_choices, w_choices in [
        ([-128], [127]), ([-128], [-127]), ([127], [-127]), ([-128, 127], [-127, 127]),
        ([-128, 0], [127]), ([-1, 0], [1]), ([0, -1], [-1, 0, 1]), ([-128, -1, 0, 1, 127], [127]),
    ]:  # fmt: skip
        vectors += [
            (
                rng.choice(a_choices, (beats, arch.pixels, arch.lanes)),
                rng.choice(w_choices, (beats, arch.lanes, arch.lanes)),
                int(rng.integers(1 << arch.pixels)),
            )
            for beats in (1, 1, 2, 9, 1)
        ]
    await run_vectors(dut, vectors, gap=0.0)


@part_test(timeout_time=300, timeout_unit="us")
async def accumulators_reach_the_ends_of_their_range(dut):
    arch = bench_arch()
    per_beat = arch.lanes * 128 * 127
    beats = min(((1 << (arch.acc_bits - 1)) - 1) // per_beat, 1100)
    lows = np.full((beats, arch.pixels, arch.lanes), -128)
    mixed = lows.copy()
    mixed[:, ::2] = 127
    weights = np.full((beats, arch.lanes, arch.lanes), 127)

    await run_vectors(dut, [(lows, -weights, 1), (mixed, weights, 2)], gap=0.0)


def random_vectors(rng, count):
    """Vectors of 1 to 12 beats (activations, weights, keep), a quarter of the values extreme."""
    arch = bench_arch()
    vectors = []
    for _ in range(count):
        beats = int(rng.choice([1, 1, 1, 2, 3, 12]))
        a = rng.integers(-128, 128, (beats, arch.pixels, arch.lanes))
        w = rng.integers(-127, 128, (beats, arch.lanes, arch.lanes))
        a = np.where(rng.random(a.shape) < 0.25, rng.choice([-128, 127], a.shape), a)
        a = np.where(rng.random((beats, arch.pixels, 1)) < 0.25, a[:, :, :1], a)
        w = np.where(rng.random(w.shape) < 0.25, rng.choice([-127, 127], w.shape), w)
        vectors.append((a, w, int(rng.integers(1 << arch.pixels))))
    return vectors


def padded(rng, a):
    """Activations and pads of a beat: some pixels of equal activations are given as padding."""
    pad = (a == a[:, :1]).all(1) & (rng.random(len(a)) < 0.5)
    return np.where(pad[:, None], 0, a), np.where(pad, a[:, 0], 0)


async def run_vectors(dut, vectors, *, gap):
    """Drive the beats of ``vectors``; every result must come in its cycle, and nothing else."""
    arch = bench_arch()
    rng = np.random.default_rng(len(vectors))
    latency = timing.pe_array_latency(arch.lanes, arch.pumped)
    latency += Beside.LATENCY if arch.pumped else 0
    await start_clock(dut, zero=["i__valid"])
    stimulus, expected = [], {}
    for a, w, keep in vectors:
        tag = int(rng.integers(4))
        for beat in range(len(a)):
            while rng.random() < gap:
                stimulus.append(None)
            first, last = beat == 0, beat == len(a) - 1
            seen, pads = padded(rng, a[beat])
            operands = join(seen, 8) | join(pads, 8) << (8 * arch.pixels * arch.lanes)
            operands |= join(w[beat], 8) << (8 * arch.pixels * (arch.lanes + 1))
            marks = first | last << 1 | (keep if last else int(rng.integers(4))) << 2
            marks |= (tag if last else 0) << (2 + arch.pixels)
            bits = 8 * (arch.lanes * (arch.pixels + arch.lanes) + arch.pixels)
            stimulus.append(operands | marks << bits)
        acc = np.einsum("bpi,boi->po", a, w)
        expected[len(stimulus) - 1 + latency] = (acc, keep | tag << arch.pixels)

    for cycle in range(len(stimulus) + latency + 2):
        payload = stimulus[cycle] if cycle < len(stimulus) else None
        dut.i__valid.value = payload is not None
        if payload is not None:
            dut.i__payload.value = payload
        assert bool(dut.o__valid.value) == (cycle in expected), f"cycle {cycle}"
        if cycle in expected:
            acc, marks = expected.pop(cycle)
            got = int(dut.o__payload.value)
            lanes = arch.pixels * arch.lanes
            np.testing.assert_array_equal(split(got, arch.acc_bits, acc.shape), acc)
            assert got >> (arch.acc_bits * lanes) == marks
        await FallingEdge(dut.clk)
    assert not expected
