"""Resize, crop, normalise, quantize: images against their numpy definitions."""

import numpy as np

from accelgen.golden.arith import quantize_array
from accelgen.ir import Quantization
from accelgen.ps import kernels
from accelgen.ps import picture as golden
from tests.ps.judge import assert_golden


def image(rng, height, width, channels, kind=0):
    if kind == 1:
        return np.full((height, width, channels), rng.choice([0, 255]), np.uint8)
    if kind == 2:
        return rng.choice(np.array([0, 255], np.uint8), (height, width, channels))
    return rng.integers(0, 256, (height, width, channels)).astype(np.uint8)


def test_resize_is_its_definition(runner):
    rng = np.random.default_rng(1)
    sizes = [
        (1, 1, 1, 1), (1, 1, 7, 5), (7, 5, 1, 1), (2, 2, 3, 3), (480, 640, 224, 224),
        (37, 53, 64, 96), (64, 64, 64, 64), (300, 200, 10, 400), (5, 1000, 9, 3),
        (256, 256, 224, 224), (33, 1, 17, 2),
    ]  # fmt: skip
    calls, expected = [], []
    for i, (h, w, oh, ow) in enumerate(sizes):
        x = image(rng, h, w, 1 + i % 4, i % 3)
        calls.append(kernels.resize(x, oh, ow))
        expected.append(golden.resize(x, oh, ow))

    assert_golden(runner, calls, expected, rng=rng)


def test_resize_is_bilinear_with_half_pixel_centres():
    rng = np.random.default_rng(2)
    x = image(rng, 40, 30, 3)

    def axis(size, out):
        at = np.clip((np.arange(out) + 0.5) * size / out - 0.5, 0, size - 1)
        low = np.floor(at).astype(int)
        return low, np.minimum(low + 1, size - 1), at - low

    r0, r1, fr = axis(40, 25)
    c0, c1, fc = axis(30, 44)
    rows = x[r0] * (1 - fr)[:, None, None] + x[r1] * fr[:, None, None]
    true = rows[:, c0] * (1 - fc)[:, None] + rows[:, c1] * fc[:, None]

    # Positions are 1/256 exact: up to 255/256 per direction, and half for rounding.
    assert np.abs(golden.resize(x, 25, 44) - true).max() < 2.5


def test_tables_are_normalisation_and_quantization(runner):
    rng = np.random.default_rng(3)
    parameters = [
        (0.485, 0.229, 0.0187, -14), (0.0, 1.0, 1 / 255, -128), (0.5, 0.5, 2 / 255, 0),
        (0.0, 1 / 255, 1.0, -128), (1e30, 1e-30, 1e-30, 127), (-1e30, 1e-20, 1e-20, -128),
        *((float(rng.uniform(-1, 2)), float(rng.uniform(0.01, 2)), float(10 ** rng.uniform(-4, 0)),
           int(rng.integers(-128, 128))) for _ in range(50)),
    ]  # fmt: skip
    expected = [golden.image_table(*p) for p in parameters]

    assert_golden(runner, [kernels.image_table(*p) for p in parameters], expected)
    mean, deviation, scale, zero = parameters[0]
    real = (np.arange(256, dtype=np.float32) / np.float32(255) - np.float32(mean)) / np.float32(
        deviation
    )
    np.testing.assert_array_equal(expected[0], quantize_array(real, Quantization(scale, zero)))


def test_impossible_tables_are_refused(runner):
    bad = [
        (0, 0, 1, 0),
        (0, -1, 1, 0),
        (0, 1, 0, 0),
        (np.nan, 1, 1, 0),
        (0, 1, np.inf, 0),
        (0, 1, 1, 128),
    ]

    assert [a.status for a in runner.run([kernels.image_table(*p) for p in bad])] == [-1] * 6


def test_crop_and_quantize_is_its_definition(runner):
    rng = np.random.default_rng(4)
    calls, expected = [], []
    for i, crop in enumerate([
        (0, 0, 30, 40),
        (3, 5, 7, 9),
        (29, 39, 1, 1),
        (0, 1, 30, 33),
        (2, 0, 28, 40),
    ]):
        channels = 1 + i % 4
        x = image(rng, 30, 40, channels)
        tables = rng.integers(-128, 128, (channels, 256)).astype(np.int8)
        for reverse in (False, True):
            calls.append(kernels.quantize_image(x, crop, tables, reverse=reverse))
            expected.append(golden.quantize_image(x, *crop, tables, reverse=reverse))

    assert_golden(runner, calls, expected, rng=rng)


def test_crops_beyond_the_image_and_impossible_sizes_are_refused(runner):
    x, tables = np.zeros((8, 9, 3), np.uint8), np.zeros((3, 256), np.int8)
    crops = [(1, 0, 8, 9), (0, 1, 8, 9), (-1, 0, 4, 4), (0, -1, 4, 4), (0, 0, 0, 4), (0, 0, 4, 0)]
    calls = [kernels.quantize_image(x, c, tables, reverse=False) for c in crops]
    calls += [kernels.resize(x, *size) for size in ((0, 4), (4, 0), (1, 32769))]

    assert [a.status for a in runner.run(calls)] == [-1] * 9
