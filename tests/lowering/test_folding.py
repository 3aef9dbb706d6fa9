"""A strided first convolution reads neighbouring pixels as one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.arch.isa import Opcode
from accelgen.lowering.folding import choose_folds, fold_kernel, fold_weight
from accelgen.program import pack_tensor
from accelgen.schedule import schedule, single_step
from accelgen.simulation.functional import run_functional
from tests.helpers.arches import LARGE, SMALL
from tests.helpers.int8_nets import Int8Net
from tests.helpers.programs import assert_matches_golden


def folds(net, *outputs, lanes=8):
    return choose_folds(net.graph(*outputs), frozenset({"x"}), lanes)


@pytest.mark.parametrize(
    ("kernel", "left", "columns", "pad_left"),
    [(3, 1, 2, 1), (3, 0, 2, 0), (7, 3, 4, 2), (2, 0, 1, 0), (2, 1, 2, 1), (1, 0, 1, 0)],
)
def test_taps_fall_in_pairs(kernel, left, columns, pad_left):
    net = Int8Net((9, 16, 3))
    net.conv(net.x, 4, (1, kernel), (1, 2), (0, left, 0, kernel - 1))
    op = net.nodes[0].op

    folded = fold_kernel(op, 2)
    weight = fold_weight(net.constants["w0"], op, 2)

    assert (folded.width, folded.pad_left) == (columns, pad_left)
    assert weight.shape == (4, 1, columns, 6)
    assert np.count_nonzero(weight) == np.count_nonzero(net.constants["w0"])


@given(
    st.integers(0, 10**6), st.integers(1, 7), st.integers(2, 4), st.integers(1, 9),
    st.sampled_from([SMALL, LARGE]), st.sampled_from([60, 4096]),
)  # fmt: skip
@settings(max_examples=60, deadline=None, derandomize=True)
def test_folded_convolutions_match_golden(seed, kernel, stride, channels, arch, rows):
    rng = np.random.default_rng(seed)
    net = Int8Net((int(rng.integers(7, 20)), stride * int(rng.integers(4, 9)), channels), seed)
    pads = tuple(int(v) for v in rng.integers(0, kernel, 4))
    y = net.conv(net.x, 11, (3, kernel), (int(rng.integers(1, 3)), stride), pads)
    net.max_pool(y, (2, 1), (1, 1))

    assert_matches_golden(schedule(net.graph(), arch), net.input(), shuffles=(None, seed))


def test_stem_takes_a_third_of_the_beats():
    net = Int8Net((32, 32, 3))
    net.conv(net.x, 8, (3, 3), (2, 2), (1, 1, 1, 1))

    program = schedule(net.graph(), LARGE)

    rasters = [c.in_raster for c in program.commands if c.opcode is Opcode.EXEC]
    assert program.input.shape == (32, 16, 6)
    beats = sum(r.vectors * r.kernel_h * r.kernel_w for r in rasters)
    assert beats == 16 * 2 * 6
    assert beats * 3 == 16 * 4 * 9


def test_inputs_that_others_read_as_they_are_stay():
    net = Int8Net((8, 8, 3))
    a = net.conv(net.x, 3, (3, 3), (2, 2), (1, 1, 1, 1))
    assert folds(net) == {"x": 2}
    assert folds(net, a, "x") == {}

    b = net.conv(net.x, 3, (1, 1), (2, 2))
    assert folds(net, a, b) == {"x": 2}

    net.depthwise(net.x)
    assert folds(net, a, b) == {}


@pytest.mark.parametrize(
    ("shape", "window"),
    [
        ((8, 9, 3), {"kernel": (3, 3), "stride": (2, 2)}),  # odd width
        ((8, 8, 3), {"kernel": (3, 3), "stride": (2, 1)}),  # no stride along rows
        ((8, 8, 3), {"kernel": (2, 2), "stride": (2, 2), "dilation": (1, 3)}),
    ],
)
def test_what_cannot_be_folded_is_not(shape, window):
    net = Int8Net(shape)
    net.conv(net.x, 4, **window)

    assert folds(net) == {}


def test_both_shapes_are_packed_alike():
    net = Int8Net((6, 8, 3))
    net.conv(net.x, 4, (3, 3), (2, 2), (1, 1, 1, 1))
    program = schedule(net.graph(), SMALL)
    x = net.input()

    packed = pack_tensor(x, program.input, SMALL)

    assert packed == pack_tensor(x.reshape(program.input.shape), program.input, SMALL)
    with pytest.raises(ValueError, match="tensor 'x' takes int8"):
        pack_tensor(x.reshape(8, 6, 3), program.input, SMALL)


def test_only_the_network_s_input_is_folded_in_a_single_step():
    net = Int8Net((8, 8, 3))
    first = net.conv(net.x, 3, (3, 3), (2, 2), (1, 1, 1, 1))
    net.conv(first, 3, (3, 3), (2, 2), (1, 1, 1, 1))
    program = schedule(net.graph(), SMALL)

    alone = [single_step(program, i) for i in (0, 1)]

    assert [p.input.shape for p in alone] == [(8, 4, 6), (4, 4, 3)]
    x = net.input()
    got = run_functional(alone[0], {"x": x}).tensors[first]
    assert_matches_golden(alone[0], x)
    assert got.shape == (4, 4, 3)
