"""Operations that no engine of the PL has a form for: the PS computes them, wherever they stand."""

from __future__ import annotations

from dataclasses import dataclass

from accelgen.ir.traits import (
    ByteJoining,
    Elementwise,
    OneChannel,
    OnePixel,
    Pads,
    Pair,
    Pooling,
    Resampling,
    SameShape,
    Sampling,
    Unpooling,
)

__all__ = [
    "ALONG",
    "COORDINATES",
    "PS_NAMES",
    "Bilinear",
    "ChannelMax",
    "Deform",
    "InnerAvgPool",
    "LocalNorm",
    "Normalize",
    "PsOp",
    "QBilinear",
    "QChannelMax",
    "QDeform",
    "QInnerAvgPool",
    "QJoinBytes",
    "QLocalNorm",
    "QMul",
    "QNormalize",
    "QResponse",
    "QSoftmax",
    "QUnpool",
    "Response",
    "Unpool",
    "split_along",
]

#: Of Bilinear: what :func:`accelgen.golden.ps_ops.positions` knows.
COORDINATES = ("half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners")

#: Of Normalize: what one mean and one variance are of.
ALONG = ("channels", "pixels", "map")


@dataclass(frozen=True, kw_only=True)
class Bilinear(Resampling):
    """inputs (x,): ``size`` rows and columns, each between the two of x around its position.

    ``scales``: output over input, by which ONNX finds positions; ``coordinates``: how
    (:data:`COORDINATES`). Positions beyond the map are those of its edge. No antialiasing.
    """

    on_ps = True

    size: Pair
    scales: tuple[float, float]
    coordinates: str = "half_pixel"


@dataclass(frozen=True, kw_only=True)
class QBilinear(Resampling):
    """inputs (x,). ``rows`` and ``columns`` are positions in 1/2048 pixels, in
    [0, 2048 * (size - 1)]; of each ``i = position >> 11, f = position & 2047, j = min(i + 1,
    size - 1)``.

    ``c[r, v] = x[r, i] * (2048 - f) + x[r, j] * f`` along columns, ``s = c[i, v] * (2048 - f)
    + c[j, v] * f`` along rows; ``y = clamp((((s - input_zero * 2**22) * multiplier + half) >>
    shift) + output_zero)``. multiplier in [0, 2**17), shift in [1, 47]; by default the input's
    scale and zero point, whatever they are.
    """

    int8 = on_ps = True

    rows: tuple[int, ...]
    columns: tuple[int, ...]
    input_zero: int = 0
    multiplier: int = 1
    shift: int = 22
    output_zero: int = 0

    @property
    def rescaled(self) -> bool:
        """Whether the output has another scale or zero point than the input."""
        return (self.multiplier, self.shift) != (1, 22) or self.input_zero != self.output_zero


@dataclass(frozen=True, kw_only=True)
class QMul(Elementwise):
    """inputs (a, b): two maps. ``y = clamp((((a - a_zero) * (b - b_zero) * multiplier + half)
    >> shift) + output_zero)``. multiplier in [0, 2**17), shift in [1, 47]."""

    int8 = on_ps = True

    a_zero: int
    b_zero: int
    multiplier: int
    shift: int
    output_zero: int


@dataclass(frozen=True, kw_only=True)
class InnerAvgPool(Pooling):
    """inputs (x,). The mean of the map's pixels under the kernel, and of as many zeros around them
    as ``counted`` says; padding beyond is not counted. Every window has one at least. ceil_mode is
    already resolved into ``pads``."""

    on_ps = True

    kernel: Pair
    stride: Pair = (1, 1)
    pads: Pads = (0, 0, 0, 0)
    counted: Pads = (0, 0, 0, 0)


@dataclass(frozen=True, kw_only=True)
class QInnerAvgPool(Pooling):
    """inputs (x,). Of the n pixels that count under the kernel, ``y = clamp(((sum(x - input_zero)
    * multipliers[n - 1] + half) >> shifts[n - 1]) + output_zero)``, the sum over those on the map.
    Multipliers in [0, 2**17), shifts in [1, 47]."""

    int8 = on_ps = True

    kernel: Pair
    stride: Pair = (1, 1)
    pads: Pads = (0, 0, 0, 0)
    counted: Pads = (0, 0, 0, 0)
    input_zero: int
    output_zero: int
    multipliers: tuple[int, ...]
    shifts: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Normalize(SameShape):
    """inputs (x,). ``y = (x - mean) / sqrt(variance + epsilon)``, both ``along`` (:data:`ALONG`)
    the channels of each pixel, the pixels of each ``share`` neighbouring channels, or the map. Not
    ``centred``: 0 stands for the mean; ``unit``: divided by sqrt(n) more, n the numbers of a mean,
    so their length is 1 (0 where all of them are 0)."""

    on_ps = True

    along: str
    epsilon: float
    share: int = 1
    centred: bool = True
    unit: bool = False


@dataclass(frozen=True, kw_only=True)
class QNormalize(SameShape):
    """inputs (x,). Of n numbers ``along`` (:func:`split_along`), n up to 65,536: ``d = n * x -
    sum(x)``, ``v = (n * sum(x * x) - sum(x)**2 << 8) + epsilon``; of the largest e with ``v << 2e``
    below 2**60, ``r = (multiplier << 43) // isqrt(v << 2e)``; ``y = clamp(((d * r + half) >> s)
    + output_zero)`` with ``s = min(shift + 39 - e, 62)``. With an ``input_zero``, not None, that
    stands for the mean: ``d = n * (x - input_zero)``, ``v = (n * sum((x - input_zero)**2) << 8) +
    epsilon``.

    epsilon in [1, 2**58]: the float one times ``(16 * n)**2`` over the input's scale squared (where
    a map is flat, a whole step of v would be too coarse for it); multiplier in
    [0, 2**17), shift in [1, 47]: 1 over the output's scale, and over sqrt(n) of what is ``unit``.
    """

    int8 = on_ps = True

    along: str
    epsilon: int
    multiplier: int
    shift: int
    output_zero: int
    share: int = 1
    input_zero: int | None = None


@dataclass(frozen=True, kw_only=True)
class Response(OnePixel):
    """inputs (x,). ``g = sqrt(sum(x * x))`` over each channel's pixels, ``y = g / (mean(g)
    + epsilon)`` (ConvNeXt V2's global response normalization)."""

    on_ps = True

    epsilon: float


@dataclass(frozen=True, kw_only=True)
class QResponse(OnePixel):
    """inputs (x,). Of c channels of up to 65,536 pixels: ``g = isqrt(sum((x - input_zero)**2)
    << 26)``, ``r = (multiplier * c << 28) // (sum(g) + epsilon)``, ``y = clamp(((g * r + half)
    >> s) + output_zero)``, ``s = min(shift + 28, 62)``.

    epsilon in [1, 2**40]: the float one times ``c * 2**13`` over the input's scale; multiplier in
    [0, 2**17), shift in [1, 47]: 1 over the output's scale. Up to 32,768 channels.
    """

    int8 = on_ps = True

    input_zero: int
    epsilon: int
    multiplier: int
    shift: int
    output_zero: int


@dataclass(frozen=True, kw_only=True)
class LocalNorm(SameShape):
    """inputs (x,). ``y = x / (bias + alpha / size * s) ** beta``, s the sum of squares of ``size``
    channels: from ``(size - 1) // 2`` before each to ``size // 2`` behind it, where there are so
    many (ONNX's LRN)."""

    on_ps = True

    size: int
    alpha: float
    beta: float
    bias: float


@dataclass(frozen=True, kw_only=True)
class QLocalNorm(SameShape):
    """inputs (x,). ``s`` the sum of ``(x - input_zero)**2`` as in LocalNorm, e the least that
    brings ``s >> e`` below 128, ``i = 64 * e + (s >> e)``, ``f = s & (2**e - 1)``;
    ``m = factors[i] + (((factors[i + 1] - factors[i]) * f) >> e)``, ``y = clamp((((x - input_zero)
    * m + half) >> shift) + output_zero)``.

    Factors in [0, 2**30), as many as the largest s needs; shift in [1, 60]; size up to 1,024.
    (From a pixel alone to a full window they fall by up to 2**14: of 17 bits 3 would be left.)
    """

    int8 = on_ps = True

    size: int
    input_zero: int
    output_zero: int
    shift: int
    factors: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class QSoftmax(SameShape):
    """inputs (x,), over channels. ``p = powers[max(x) - x]``, ``r = (multiplier << 40) // sum(p)``,
    ``y = clamp(((p * r + half) >> (shift + 40)) + output_zero)``.

    ``powers``: 256 of them, ``2**20 * exp(-scale * d)``, the first 2**20. Multiplier in
    [0, 2**17), shift in [1, 22]: 1 over the output's scale. Up to 65,536 channels.
    """

    int8 = on_ps = True

    powers: tuple[int, ...]
    multiplier: int
    shift: int
    output_zero: int


@dataclass(frozen=True, kw_only=True)
class ChannelMax(OneChannel):
    """inputs (x,). The largest channel of each pixel."""

    on_ps = keeps_scale = True


@dataclass(frozen=True, kw_only=True)
class QChannelMax(OneChannel):
    """inputs (x,). As ChannelMax; same scale out."""

    int8 = on_ps = keeps_scale = True


@dataclass(frozen=True, kw_only=True)
class Unpool(Unpooling):
    """inputs (x, like). Of each kernel of ``like``, one beside the other, the first pixel that is
    the largest of its channel becomes the pixel of ``x``, the others 0; so do rows and columns
    that no whole kernel covers (MaxPool's indices, and MaxUnpool)."""

    on_ps = True

    kernel: Pair


@dataclass(frozen=True, kw_only=True)
class QUnpool(Unpooling):
    """inputs (x, like). As Unpool, with ``value`` for the others; the scale of x out. Up to 255
    pixels under the kernel."""

    int8 = on_ps = True

    kernel: Pair
    value: int


@dataclass(frozen=True, kw_only=True)
class Deform(Sampling):
    """inputs (x, offset) or (x, offset, mask): what a deformable convolution multiplies by its
    weights. Of tap (ky, kx) of the kernel, ``t = ky * kw + kx`` of ``taps = kh * kw``, of output
    pixel (i, j), and of the g-th of ``groups`` equal parts of the channels, ``n = g * taps + t``:

    ``row = i * stride_h - top + ky * dilation_h + offset[i, j, 2 * n]``, ``column = j * stride_w -
    left + kx * dilation_w + offset[i, j, 2 * n + 1]``, ``y[i, j, c * taps + t] = x[row, column, c]
    * mask[i, j, n]``, x between the four pixels around, which are 0 outside of the map.
    """

    on_ps = True

    kernel: Pair
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    pads: Pads = (0, 0, 0, 0)
    groups: int = 1


@dataclass(frozen=True, kw_only=True)
class QDeform(Sampling):
    """As Deform, in 1/2048 pixels: ``row = ((i * stride_h - top + ky * dilation_h) << 11) +
    offsets[offset[i, j, 2 * n] + 128]``, column likewise; ``r = row >> 11, d = row & 2047, v =
    column >> 11, e = column & 2047``.

    ``f = factors[mask[i, j, n] + 128]``, without a mask ``factors[0]``, is shared out: ``part(f,
    d) = (f * d + 1024) >> 11``, ``lower = part(f, d)``, ``upper = f - lower``, ``b = part(upper,
    e)``, ``a = upper - b``, ``q = part(lower, e)``, ``p = lower - q``. ``y = clamp(((x[r, v] * a
    + x[r, v + 1] * b + x[r + 1, v] * p + x[r + 1, v + 1] * q - f * input_zero + half) >> shift)
    + output_zero)``, x being ``input_zero`` outside of the map.

    256 offsets in [-2**29, 2**29]; 256 factors, or one, in [-2**14, 2**14]; shift in [1, 30]. All
    of it stays within 32 bits.
    """

    int8 = on_ps = True

    kernel: Pair
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    pads: Pads = (0, 0, 0, 0)
    groups: int = 1
    input_zero: int
    output_zero: int
    shift: int
    offsets: tuple[int, ...]
    factors: tuple[int, ...]


def split_along(op: Normalize | QNormalize, shape: tuple[int, ...]) -> tuple[int, int, int]:
    """How many means a map (1, h, w, c) has, of how many numbers, and how those lie: 1, each mean's
    together; else in rows of so many, the same part of each row to each mean."""
    pixels, channels = shape[1] * shape[2], shape[3]
    return {
        "channels": (pixels, channels, 1),
        "pixels": (channels // op.share, pixels * op.share, channels),
        "map": (1, pixels * channels, 1),
    }[op.along]


@dataclass(frozen=True, kw_only=True)
class QJoinBytes(ByteJoining):
    """inputs (x,), of 4 c elements in memory order. ``y[i] = offset + sum(256**k * (x[k * c + i] &
    255))`` modulo 2**32, int32: the sums whose bytes the PL left one plane after the other (the
    compiler's, lowering/leave_sums.py)."""

    int8 = on_ps = True

    offset: int = 0


#: What reports call them.
PS_NAMES: dict[type, str] = {
    Bilinear: "bilinear resize",
    QBilinear: "bilinear resize",
    InnerAvgPool: "average pool without its padding",
    QInnerAvgPool: "average pool without its padding",
    QMul: "product of two maps",
    Normalize: "normalization",
    QNormalize: "normalization",
    Response: "global response normalization",
    QResponse: "global response normalization",
    LocalNorm: "local response normalization",
    QLocalNorm: "local response normalization",
    QSoftmax: "softmax",
    ChannelMax: "largest channel",
    QChannelMax: "largest channel",
    Unpool: "unpooling",
    QUnpool: "unpooling",
    Deform: "gather of a deformable convolution",
    QDeform: "gather of a deformable convolution",
    QJoinBytes: "bytes of sums put together",
}

PsOp = (
    Bilinear | ChannelMax | Deform | InnerAvgPool | LocalNorm | Normalize | Response | Unpool
    | QBilinear | QChannelMax | QDeform | QInnerAvgPool | QJoinBytes | QLocalNorm | QMul
    | QNormalize | QResponse | QSoftmax | QUnpool
)  # fmt: skip
