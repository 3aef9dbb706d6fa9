"""Sums and scaling in floats against the same in int64, on random and on hostile numbers."""

import numpy as np
import pytest

from accelgen.flow.network import load, quantized
from accelgen.golden import exact
from accelgen.golden.arith import MAX_MULTIPLIER, MAX_SHIFT, requantize
from accelgen.golden.exact import EXACT_FLOAT32, MOST_SUM, Sums, look_up, rescale
from accelgen.golden.int8_ops import INT8_OPS
from accelgen.golden.interpret import walk
from accelgen.golden.windows import convolve
from accelgen.ir.ops import QConv2d


def in_integers(op, x, weight):
    """The sums in int64, tap after tap: no float, no BLAS, no block."""
    return convolve(
        x.astype(np.int64), weight.astype(np.int64), stride=op.stride, dilation=op.dilation,
        pads=op.pads, groups=op.groups, pad_value=op.input_zero,
    )  # fmt: skip


def in_blocks(sums):
    result = np.zeros(sums.shape, np.int64)
    for at, block in sums.blocks():
        result[at] += block.astype(np.int64)  # +=: a place that is made twice is wrong
    return result


@pytest.fixture(params=[1, 1 << 7, 1 << 17], ids=["tiny blocks", "small blocks", "as they are"])
def blocks(request, monkeypatch):
    monkeypatch.setattr(exact, "_BLOCK", request.param)
    if request.param < 1 << 17:
        monkeypatch.setattr(exact, "_FEWEST_PIXELS", 3)


CASES = {
    "pointwise": ({"kernel": (1, 1)}, (40, 1, 1, 24)),
    "dense": ({"kernel": (3, 3), "pads": (1, 1, 1, 1)}, (17, 3, 3, 9)),
    "strided": ({"kernel": (3, 2), "stride": (2, 3), "pads": (2, 0, 1, 3)}, (5, 3, 2, 7)),
    "dilated": ({"kernel": (2, 3), "dilation": (3, 2), "pads": (0, 3, 1, 0)}, (5, 2, 3, 7)),
    "cut": ({"kernel": (3, 3), "pads": (-1, -2, 0, -1)}, (5, 3, 3, 7)),
    "groups": ({"kernel": (3, 3), "pads": (1, 1, 1, 1), "groups": 3}, (6, 3, 3, 5)),
    "depthwise": ({"kernel": (3, 3), "pads": (1, 1, 1, 1), "groups": 9}, (9, 3, 3, 1)),
    "wide": ({"kernel": (5, 5), "pads": (2, 2, 2, 2), "groups": 300}, (300, 5, 5, 1)),
    "two each": ({"kernel": (3, 3), "stride": (2, 2), "groups": 4}, (8, 3, 3, 1)),
    "lanes": (
        {"kernel": (3, 3), "stride": (3, 2), "dilation": (2, 3), "pads": (3, 3, 2, 4), "groups": 6},
        (6, 3, 3, 1),
    ),
}


@pytest.mark.parametrize("kind", ["random", "extreme", "largest"])
@pytest.mark.parametrize("case", CASES)
def test_sums_are_those_of_integers(case, kind, blocks):
    fields, shape = CASES[case]
    op = QConv2d(**fields, input_zero=-128, output_zero=3)
    rng = np.random.default_rng(7)
    x = rng.integers(-128, 128, (3, 11, 13, shape[3] * op.groups)).astype(np.int8)
    weight = rng.integers(-127, 128, shape).astype(np.int8)
    if kind == "extreme":
        x, weight = (np.where(a < 0, low, 127) for a, low in ((x, -128), (weight, -127)))
    if kind == "largest":  # every product 128 * 127
        x, weight = np.full_like(x, -128), np.full_like(weight, -127)
    sums = Sums(op, x.astype(np.int8), weight.astype(np.int8))

    made = in_blocks(sums)

    np.testing.assert_array_equal(made, in_integers(op, x, weight))
    assert np.abs(made).max() <= sums.most


@pytest.mark.parametrize(("inputs", "kind"), [(1032, "float32"), (1033, "float64")])
def test_the_type_of_a_sum_holds_the_largest_there_can_be(inputs, kind):
    op = QConv2d(kernel=(1, 1), input_zero=0, output_zero=0)
    weight = np.full((2, 1, 1, inputs), 127, np.int8)
    x = np.full((1, 1, 2, inputs), -128, np.int8)
    x[0, 0, 1, ::2] = 127  # half of it goes again: odd sums on the way
    sums = Sums(op, x, weight)

    ((_, block),) = sums.blocks()

    assert block.dtype == kind
    assert (sums.most <= EXACT_FLOAT32) == (kind == "float32")
    np.testing.assert_array_equal(block.astype(np.int64), in_integers(op, x, weight))


@pytest.mark.parametrize("most", [1 << 7, 1 << 20, 1 << 26, MOST_SUM])
@pytest.mark.parametrize("zero", [-128, 0, 127])
def test_rescaling_is_that_of_integers(most, zero, blocks):
    rng = np.random.default_rng(most + zero)
    channels = 41
    multiplier = rng.integers(1 << 16, MAX_MULTIPLIER + 1, channels)
    multiplier[:4] = (0, 1, MAX_MULTIPLIER, 1 << 16)
    # Such that sums become numbers of some 8 bits; one of each extreme beside them.
    shift = np.clip(most.bit_length() + 9 + rng.integers(0, 3, channels), 1, MAX_SHIFT)
    shift[:6] = (1, MAX_SHIFT, MAX_SHIFT, 1, 17, 30)
    acc = rng.integers(-most, most + 1, (2, 7, 5, channels))
    acc[0, 0], acc[1, 1] = most, -most
    bias = rng.integers(-most, most + 1, channels)
    bias[-2:] = most, -most
    # What a sum rounds to hangs on its last bit: those at either side of where it changes.
    edges = ((rng.integers(-90, 90, channels) * 2 + 1) << (shift - 1)) // np.maximum(multiplier, 1)
    acc[0, 1] = np.clip(edges + rng.integers(-1, 2, (5, channels)) - bias, -most, most)

    made = rescale(acc.astype(np.float64), bias, multiplier, shift, zero, -100, 90, most=most)

    wanted = requantize(acc, bias, multiplier, shift, zero, -100, 90)
    np.testing.assert_array_equal(made, wanted)
    assert made.dtype == np.int8
    assert len(np.unique(made)) > 50


def test_ties_and_their_neighbours_round_as_integers_do():
    """Just below a half, on it, just above it: the last bit of a sum decides."""
    shift = np.arange(1, 41)
    acc = np.array([-1, 0, 1])[:, None] + (3 << (shift - 1))
    acc = np.clip(np.concatenate([acc, -acc]), -MOST_SUM, MOST_SUM)

    made = rescale(acc, 0, 1, shift, 0, most=MOST_SUM)

    np.testing.assert_array_equal(made, requantize(acc, 0, 1, shift, 0))
    assert {1, 2} <= set(made.ravel().tolist())


def test_larger_sums_than_float64_holds_are_scaled_in_integers():
    most = 1 << 54
    near = np.arange(-99, 100)[:, None]
    acc, bias = np.concatenate([most - 100 + near, 100 - most - near], axis=1), 100 - most
    bias = np.array([bias, -bias])

    made = rescale(acc, bias, 257, 8, 0, most=most)

    np.testing.assert_array_equal(made, requantize(acc, bias, 257, 8))
    assert len(np.unique(made)) > 100


def test_a_table_is_looked_up_by_value():
    table = np.random.default_rng(0).permutation(np.arange(-128, 128)).astype(np.int8)
    x = np.arange(-128, 128).astype(np.int8).reshape(4, 8, 8).transpose(0, 2, 1)

    np.testing.assert_array_equal(look_up(table, x), table[x.astype(int) + 128])


@pytest.mark.parametrize("name", ["mobilenet_v2@32", "squeezenet1_1@48", "shufflenet_v2@32"])
def test_networks_have_the_values_they_have_in_integers(name, monkeypatch):
    graph = quantized(load(f"zoo:{name}"))[0].graph
    _, *shape = graph.tensors[graph.input].shape
    x = np.random.default_rng(1).integers(-128, 128, (3, *shape)).astype(np.int8)
    quick = dict(walk(graph, x))

    def plainly(op, x, weight, bias, multiplier, shift):
        sums = in_integers(op, x, weight)
        if op.wide:
            return sums + bias
        return requantize(sums, bias, multiplier, shift, op.output_zero, op.low, op.high)

    monkeypatch.setitem(INT8_OPS, QConv2d, plainly)
    for tensor, value in walk(graph, x):
        np.testing.assert_array_equal(quick[tensor], value, tensor)
