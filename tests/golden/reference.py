"""Convolution and pooling as the definition says, pixel by pixel, in Python's integers."""

import numpy as np


def positions(op, out_shape):
    """(output index, map rows and columns under its kernel) of every output pixel."""
    dilation = getattr(op, "dilation", (1, 1))
    for y in range(out_shape[0]):
        for x in range(out_shape[1]):
            under = [
                (
                    ky,
                    kx,
                    y * op.stride[0] + ky * dilation[0] - op.pads[0],
                    x * op.stride[1] + kx * dilation[1] - op.pads[1],
                )
                for ky in range(op.kernel[0])
                for kx in range(op.kernel[1])
            ]
            yield y, x, under


def sums_of_products(op, x, weight, out_shape):
    """acc[y, x, o] of a convolution whose outside is ``op.input_zero``; x is (h, w, c)."""
    h, w, _ = x.shape
    c_out, _, _, c_group = weight.shape
    acc = np.zeros((*out_shape, c_out), object)
    for y, x_out, under in positions(op, out_shape):
        for o in range(c_out):
            first = o // (c_out // op.groups) * c_group
            for ky, kx, row, column in under:
                inside = 0 <= row < h and 0 <= column < w
                for i in range(c_group):
                    pixel = int(x[row, column, first + i]) if inside else op.input_zero
                    acc[y, x_out, o] += pixel * int(weight[o, ky, kx, i])
    return acc


def pools(op, x, out_shape, outside, reduce):
    """``reduce`` of the pixels under the kernel; ``outside`` is one beyond the map, or None."""
    h, w, c = x.shape
    result = np.zeros((*out_shape, c), object)
    for y, x_out, under in positions(op, out_shape):
        for channel in range(c):
            pixels = [
                int(x[row, column, channel]) if 0 <= row < h and 0 <= column < w else outside
                for _, _, row, column in under
            ]
            result[y, x_out, channel] = reduce([p for p in pixels if p is not None])
    return result
