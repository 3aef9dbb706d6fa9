"""Table, add, scale, average, squeeze-and-excite."""

from dataclasses import replace

import numpy as np
import pytest

from accelgen.golden.int8_ops import INT8_OPS
from accelgen.ir import ops
from accelgen.ps import kernels
from tests.ps.judge import CHANNELS, assert_golden, dense_golden, int8s, requant

MIN32, MAX32 = -(2**31), 2**31 - 1
MODES = pytest.mark.parametrize("hostile", [False, True], ids=["random", "hostile"])


def golden(op, *inputs):
    """An operation of the golden model on (pixels, channels) maps and vectors."""
    maps = [i.reshape(1, 1, *i.shape) if i.ndim == 2 else i for i in inputs]
    return INT8_OPS[type(op)](op, *maps)[0, 0]


def pick(rng, *values):
    return int(rng.choice(values))


def zero(rng, hostile):
    return pick(rng, -128, 0, 127) if hostile else int(rng.integers(-128, 128))


def scaling(rng, hostile):
    return ops.QScale(
        x_zero=zero(rng, hostile),
        s_zero=zero(rng, hostile),
        multiplier=pick(rng, 0, 1, (1 << 17) - 1)
        if hostile
        else int(rng.integers(1 << 16, 1 << 17)),
        shift=pick(rng, 1, 31, 32, 47) if hostile else int(rng.integers(20, 28)),
        output_zero=zero(rng, hostile),
    )


def averaging(rng, pixels, hostile):
    op = scaling(rng, hostile)
    shift = op.shift if hostile else int(np.clip(16 + np.log2(pixels), 1, 47))
    return ops.QGlobalAvgPool(
        input_zero=op.x_zero, output_zero=op.output_zero, multiplier=op.multiplier, shift=shift
    )


def test_every_byte_through_a_table(runner):
    rng = np.random.default_rng(1)
    every = np.arange(-128, 128).astype(np.int8)
    inputs = [every, every[::-1], *(int8s(rng, n) for n in CHANNELS)]
    tables = [int8s(rng, 256) for _ in inputs]

    calls = [kernels.table(x, t) for x, t in zip(inputs, tables, strict=True)]
    expected = [t[x.astype(int) + 128] for x, t in zip(inputs, tables, strict=True)]
    assert_golden(runner, calls, expected, rng=rng)


@MODES
def test_add_is_golden(runner, hostile):
    rng = np.random.default_rng(2)
    calls, expected = [], []
    for count in CHANNELS[:-6]:
        a, b = int8s(rng, (1, count), hostile=hostile), int8s(rng, (1, count), hostile=hostile)
        wide = (-(1 << 17), -1, 0, (1 << 17) - 1)
        low, high = sorted(rng.integers(-128, 128, 2).tolist())
        op = ops.QAdd(
            multiplier_a=pick(rng, *wide) if hostile else int(rng.integers(1 << 14, 1 << 17)),
            multiplier_b=pick(rng, *wide) if hostile else int(rng.integers(-(1 << 17), 1 << 17)),
            offset=pick(rng, MIN32, MAX32) if hostile else int(rng.integers(-(1 << 30), 1 << 30)),
            shift=pick(rng, 1, 31) if hostile else int(rng.integers(14, 24)),
            output_zero=zero(rng, hostile), low=low, high=high,
        )  # fmt: skip
        calls.append(kernels.add(op, a, b))
        expected.append(golden(op, a, b))

    assert_golden(runner, calls, expected, rng=rng)


def test_add_near_the_end_of_32_bits_is_golden(runner):
    # Where the sums of some inputs pass 2^31, and those of others do not.
    rng = np.random.default_rng(20)
    most = (1 << 17) - 1
    calls, expected = [], []
    for part in (0, 32, 64, 127, 128, 129, 200):
        for sign in (1, -1):
            a, b = int8s(rng, (1, 96), hostile=True), int8s(rng, (1, 96), hostile=True)
            a[0, :8] = b[0, :8] = 127
            a[0, 8:16] = b[0, 8:16] = -128
            offset = sign * (MAX32 - 2 * part * most)
            op = ops.QAdd(
                multiplier_a=most, multiplier_b=most, offset=offset, shift=31, output_zero=3
            )
            calls.append(kernels.add(op, a, b))
            expected.append(golden(op, a, b))

    assert_golden(runner, calls, expected, rng=rng)


@MODES
def test_scale_is_golden(runner, hostile):
    rng = np.random.default_rng(3)
    calls, expected = [], []
    for channels in CHANNELS[:-4]:
        x = int8s(rng, (int(rng.integers(1, 6)), channels), hostile=hostile)
        s, op = int8s(rng, channels, hostile=hostile), scaling(rng, hostile)
        calls.append(kernels.scale(op, x, s))
        expected.append(golden(op, x, s))

    assert_golden(runner, calls, expected, rng=rng)


@MODES
def test_product_of_two_maps_is_golden(runner, hostile):
    rng = np.random.default_rng(8)
    calls, expected = [], []
    for count in (*CHANNELS, 5000):
        a, b = int8s(rng, (1, count), hostile=hostile), int8s(rng, (1, count), hostile=hostile)
        s = scaling(rng, hostile)
        op = ops.QMul(
            a_zero=s.x_zero, b_zero=s.s_zero, multiplier=s.multiplier, shift=s.shift,
            output_zero=s.output_zero,
        )  # fmt: skip
        calls.append(replace(kernels.multiply(op, a, b), threads=count % 5))
        expected.append(golden(op, a, b))

    assert_golden(runner, calls, expected, rng=rng)


@MODES
def test_global_average_is_golden(runner, hostile):
    rng = np.random.default_rng(4)
    calls, expected = [], []
    # 256 and 257 pixels: where sums in 16 bits end.
    for pixels, channels in zip((1, 2, 49, 255, 256, 257, 513, 600) * 6, CHANNELS, strict=False):
        x = int8s(rng, (pixels, channels), hostile=hostile)
        op = averaging(rng, pixels, hostile)
        calls.append(kernels.average(op, x))
        expected.append(INT8_OPS[type(op)](op, x[None, None])[0, 0])

    assert_golden(runner, calls, expected, rng=rng)


def test_average_of_a_large_map_is_golden(runner):
    op = averaging(np.random.default_rng(5), 112 * 112, False)
    x = np.full((112 * 112, 24), -128, np.int8)
    x[:, ::2] = 127

    assert_golden(runner, [kernels.average(op, x)], [INT8_OPS[type(op)](op, x[None, None])[0, 0]])


def se_case(rng, pixels, channels, hidden, *, tables=(True, True), hostile=False):
    x = int8s(rng, (pixels, channels), hostile=hostile)
    squeeze, scale = averaging(rng, pixels, hostile), scaling(rng, hostile)
    parts = []
    value = INT8_OPS[type(squeeze)](squeeze, x[None, None])[0, 0]
    for outputs, inputs, wanted in ((hidden, channels, tables[0]), (channels, hidden, tables[1])):
        weights = int8s(rng, (outputs, inputs), lowest=-127, hostile=hostile)
        q, entries = requant(rng, outputs, hostile=hostile), int8s(rng, 256) if wanted else None
        parts.append((weights, q, entries))
        value = dense_golden(value, weights, q)
        if entries is not None:
            value = entries[value.astype(int) + 128]
    return kernels.squeeze_excite(x, squeeze, *parts, scale), golden(scale, x, value.reshape(-1))


@MODES
def test_squeeze_and_excite_is_golden(runner, hostile):
    rng = np.random.default_rng(6)
    sizes = [
        (1, 1, 1),
        (9, 8, 4),
        (49, 24, 6),
        (64, 144, 6),
        (16, 33, 17),
        (4, 960, 40),
        (2, 2048, 85),
    ]
    cases = [
        se_case(rng, *s, tables=t, hostile=hostile)
        for s in sizes
        for t in ((True, True), (False, True), (False, False))
    ]
    calls = [replace(c, threads=i % 5) for i, (c, _) in enumerate(cases)]

    assert_golden(runner, calls, [e for _, e in cases], rng=rng)


def test_arguments_beyond_the_limits_are_refused(runner):
    rng = np.random.default_rng(7)
    x, s = int8s(rng, (4, 24)), int8s(rng, 24)
    scale, average = scaling(rng, False), averaging(rng, 4, False)
    plus = ops.QAdd(multiplier_a=1, multiplier_b=1, offset=0, shift=1, output_zero=0)
    product = ops.QMul(a_zero=0, b_zero=0, multiplier=1, shift=1, output_zero=0)
    calls = [
        *(kernels.multiply(replace(product, **c), x, x)
          for c in ({"shift": 0}, {"shift": 48}, {"multiplier": 1 << 17}, {"a_zero": 128},
                    {"b_zero": -129}, {"output_zero": 999})),
        *(kernels.scale(replace(scale, **c), x, s)
          for c in ({"shift": 0}, {"shift": 48}, {"multiplier": 1 << 17}, {"x_zero": 128},
                    {"s_zero": -129}, {"output_zero": 999})),
        *(kernels.average(replace(average, **c), x)
          for c in ({"shift": 0}, {"multiplier": -1}, {"input_zero": 1000}, {"output_zero": -200})),
        *(kernels.add(replace(plus, **c), x, x)
          for c in ({"shift": 0}, {"shift": 32}, {"multiplier_a": 1 << 17},
                    {"multiplier_b": -(1 << 17) - 1}, {"low": 5, "high": 4}, {"high": 300})),
        replace(kernels.scale(scale, x, s), integers=(0, *kernels.scale(scale, x, s).integers[1:])),
    ]  # fmt: skip

    answers = runner.run(calls)

    assert {a.status for a in answers} == {-1}
    assert all(set(a.outputs[0].view(np.uint8).ravel()) == {0xA5} for a in answers)
