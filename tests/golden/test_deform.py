"""What a deformable convolution gathers: the int8 formula, pixel by pixel."""

import numpy as np
import pytest

from accelgen.golden.deform import deform_int8
from accelgen.ir.ps_ops import QDeform


@pytest.mark.parametrize("masked", [False, True])
def test_a_deformable_gather_is_its_formula(masked):
    rng = np.random.default_rng(11)
    kernel, stride, dilation, (top, left, *_), groups = (2, 3), (2, 1), (2, 1), (1, 2, 0, 1), 2
    op = QDeform(
        kernel=kernel, stride=stride, dilation=dilation, pads=(top, left, 0, 1), groups=groups,
        input_zero=-7, output_zero=3, shift=13,
        offsets=tuple(rng.integers(-6000, 6000, 256).tolist()),
        factors=tuple(rng.integers(-(1 << 14), 1 << 14, 256 if masked else 1).tolist()),
    )  # fmt: skip
    x = rng.integers(-128, 128, (1, 5, 4, 4)).astype(np.int8)
    offset = rng.integers(-128, 128, (1, 2, 5, 24)).astype(np.int8)
    mask = rng.integers(-128, 128, (1, 2, 5, 12)).astype(np.int8)

    got = deform_int8(op, x, offset, *([mask] if masked else []))

    def pixel(row, column, c):
        return int(x[0, row, column, c]) if 0 <= row < 5 and 0 <= column < 4 else -7

    assert got.shape == (1, 2, 5, 24)
    for i, j, c, ky, kx in np.ndindex(2, 5, 4, 2, 3):
        t = 3 * ky + kx
        n = c // 2 * 6 + t
        moved = [op.offsets[int(offset[0, i, j, 2 * n + k]) + 128] for k in (0, 1)]
        row = (2 * i - 1 + 2 * ky) * 2048 + moved[0]
        column = (j - 2 + kx) * 2048 + moved[1]
        f = op.factors[int(mask[0, i, j, n]) + 128] if masked else op.factors[0]
        low = (f * (row % 2048) + 1024) // 2048
        total = 4096 - f * -7
        for at, share in ((row // 2048, f - low), (row // 2048 + 1, low)):
            after = (share * (column % 2048) + 1024) // 2048
            total += pixel(at, column // 2048, c) * (share - after)
            total += pixel(at, column // 2048 + 1, c) * after
        assert got[0, i, j, 6 * c + t] == min(max((total >> 13) + 3, -128), 127)
