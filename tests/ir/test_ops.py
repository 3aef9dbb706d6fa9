"""Traits of operations: what the rest goes by is there, and is what the formulas say."""

from dataclasses import fields
from typing import get_args

import numpy as np
import pytest

from accelgen.golden.int8_ops import INT8_OPS
from accelgen.ir import ops
from accelgen.ir.traits import ByteJoining, OneChannel, Sampling, Unpooling

OPERATIONS = get_args(ops.Op)
SHAPES = (
    ops.SameShape, ops.OnePixel, ops.Convolution, ops.Pooling, ops.Selection, ops.Enlarging,
    ops.Joining, ops.Elementwise, ops.Scaling, ops.QStretch,
    ops.Resampling, ops.Bordering, ops.ByteSums, ByteJoining, OneChannel, Sampling, Unpooling,
)  # fmt: skip


@pytest.mark.parametrize("kind", OPERATIONS, ids=lambda k: k.__name__)
def test_every_operation_has_one_shape_rule(kind):
    assert sum(issubclass(kind, rule) for rule in SHAPES) == 1
    assert not {f.name for f in fields(kind)} & {"arity", "int8", "lane_wise", "keeps_scale"}


@pytest.mark.parametrize("kind", OPERATIONS, ids=lambda k: k.__name__)
def test_int8_operations_are_those_with_an_int8_formula(kind):
    assert kind.int8 == (kind in INT8_OPS)
    assert kind.int8 == kind.__name__.startswith("Q")


@pytest.mark.parametrize("op", [
    ops.QMaxPool(kernel=(2, 2), stride=(2, 2)), ops.QUpsample(), ops.QStretch(axis=1), ops.QTable(),
    ops.QAvgPool(kernel=(2, 2), input_zero=1, output_zero=2, multiplier=9, shift=5),
    ops.QAdd(multiplier_a=3, multiplier_b=-2, offset=8, shift=4, output_zero=0),
    ops.QInsert(factor=(2, 3), value=-7), ops.QBorder(pads=(1, 0, 2, 3), mode="reflect"),
    ops.QScale(x_zero=1, s_zero=2, multiplier=90, shift=15, output_zero=0), ops.QSumBytes(),
], ids=lambda op: type(op).__name__)  # fmt: skip
def test_lane_wise_operations_look_at_one_channel_alone(op):
    rng = np.random.default_rng(3)
    x, other = (rng.integers(-128, 128, (1, 4, 4, 6)).astype(np.int8) for _ in range(2))
    beside = {
        ops.QTable: [rng.integers(-128, 128, 256).astype(np.int8)],
        ops.QAdd: [other],
        ops.QScale: [other[:, :1, :1]],
    }.get(type(op), [])
    changed = x.copy()
    changed[..., 2] = rng.integers(-128, 128, (4, 4))

    before, after = (INT8_OPS[type(op)](op, value, *beside) for value in (x, changed))

    assert op.lane_wise
    np.testing.assert_array_equal(np.delete(before, 2, axis=3), np.delete(after, 2, axis=3))
