"""Tensors in DDR lie as docs/architecture.md, "Memory order", says."""

import numpy as np
import pytest

from accelgen.program.layout import dense_slots, pack_tensor, rows_of, unpack_tensor
from accelgen.program.records import Placement
from tests.helpers.arches import SMALL

GAPPED = (0, 1, -1, -1, 2, 3, 4, -1)


def placement(slots=GAPPED, shape=(3, 5, 5)):
    stride = rows_of(shape[0], shape[1], SMALL.pixels) * SMALL.row_bytes
    groups = len(slots) // SMALL.lanes
    return Placement(
        tensor="t", shape=shape, slots=slots, offset=4096, stride=stride, groups=groups
    )


def test_dense_slots_end_in_gaps():
    assert dense_slots(6, 4) == (0, 1, 2, 3, 4, 5, -1, -1)


def test_pixel_of_a_group_is_lanes_bytes():
    array = np.random.default_rng(1).integers(-128, 128, (3, 5, 5), np.int8)
    place = placement()

    data = np.frombuffer(pack_tensor(array, place, SMALL), np.int8)

    assert len(data) == place.size_bytes == 2 * 4 * 16
    pixel = 1 * 5 + 3
    start = place.stride + pixel * SMALL.lanes
    assert data[start : start + 4].tolist() == [*array[1, 3, 2:5].tolist(), 0]


def test_unpack_is_the_inverse():
    array = np.random.default_rng(2).integers(-128, 128, (3, 5, 5), np.int8)

    packed = pack_tensor(array, placement(), SMALL)

    np.testing.assert_array_equal(unpack_tensor(packed, placement(), SMALL), array)


@pytest.mark.parametrize("wrong", [np.zeros((3, 5, 4), np.int8), np.zeros((3, 5, 5), np.uint8)])
def test_other_shapes_and_types_are_refused(wrong):
    with pytest.raises(ValueError, match=r"tensor 't' takes int8 \(3, 5, 5\)"):
        pack_tensor(wrong, placement(), SMALL)
