"""What other packages must know of an operation to treat it right."""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "Bordering",
    "ByteJoining",
    "ByteSums",
    "Convolution",
    "Elementwise",
    "Enlarging",
    "Joining",
    "OneChannel",
    "OnePixel",
    "Operation",
    "Pads",
    "Pair",
    "Pooling",
    "Resampling",
    "SameShape",
    "Sampling",
    "Scaling",
    "Selection",
    "Unpooling",
]

Pair = tuple[int, int]
Pads = tuple[int, int, int, int]  # top, left, bottom, right


class Operation:
    """Traits of every operation.

    ``arity``: inputs, constants among them; 0: any number. ``int8``: one of the int8 graph.
    ``lane_wise``: output channel c is made of the input channels c alone. ``keeps_scale``: the
    numbers stay, only their places change. ``in_window``: a stage of the window engine.
    ``in_adder``: of two maps, by the adder on the way out. ``in_squeeze``: of a map's sums, which
    are taken on the way out. ``on_ps``: no engine of the PL has a form for it, so the PS computes
    it.
    """

    arity: ClassVar[int] = 1
    int8: ClassVar[bool] = False
    lane_wise: ClassVar[bool] = False
    keeps_scale: ClassVar[bool] = False
    in_window: ClassVar[bool] = False
    in_adder: ClassVar[bool] = False
    in_squeeze: ClassVar[bool] = False
    on_ps: ClassVar[bool] = False


class SameShape(Operation):
    """The output has the shape of input 0."""


class OnePixel(Operation):
    """A map becomes a vector: (1, 1, 1, c)."""


class ByteSums(Operation):
    """A map becomes the four bytes of each channel's sum: (1, 1, 4, c)."""


class ByteJoining(Operation):
    """Four planes of bytes, in memory order, become a vector of int32."""


class OneChannel(Operation):
    """All channels of a pixel become one: (1, h, w, 1)."""


class Convolution(Operation):
    """A window over the map, and weights (input 1): their outputs are its channels."""


class Pooling(Operation):
    """A window over the map, channel by channel."""


class Selection(Operation):
    """Some channels, in some order."""


class Enlarging(Operation):
    """As many times as high and as wide as its ``factor`` (rows, columns) says."""


class Bordering(Operation):
    """A map with rows and columns around it."""


class Joining(Operation):
    """Channels of all inputs, one after the other."""

    arity = 0


class Elementwise(Operation):
    """Two maps of one shape, pixel by pixel."""

    arity = 2


class Scaling(Operation):
    """A map by a vector, or by another map."""

    arity = 2


class Unpooling(Operation):
    """A map's pixels to where another, of the output's shape, has its largest."""

    arity = 2


class Sampling(Operation):
    """A window over the map whose taps lie where another map says: inputs (x, offset) or (x,
    offset, mask). Each tap makes a channel of each."""

    arity = 0


class Resampling(Operation):
    """As many rows and columns as the operation says, channel by channel."""
