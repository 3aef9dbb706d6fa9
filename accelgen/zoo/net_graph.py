"""An ONNX graph that grows node by node, with seeded weights and small probe images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from accelgen.zoo.probe import Array

__all__ = ["NetGraph", "Tensor", "normal"]

_OPSET = 17
_IR_VERSION = 8
#: Side of the probe image whose activations set the statistics; five halvings leave 2 x 2 pixels.
_PROBE_SIDE = 64
_PROBE_IMAGES = 2


@dataclass(frozen=True)
class Tensor:
    """A tensor of the net: its name, its value for the probe images, float64 (n, c, h, w), and
    the height and width it has in the net, 1 without any."""

    name: str
    probe: Array
    side: int

    @property
    def channels(self) -> int:
        """Channels."""
        return int(self.probe.shape[1])


class NetGraph:
    """An ONNX graph, opset 17 unless a layer needs a later one, to which layers are appended.

    Weights are He-normal from a generator seeded by ``name``. Each layer is also run on a small
    probe image: BatchNormalization gets its running statistics, and a convolution without one is
    scaled to unit output, so that activations stay near unit scale at any depth. Statistics are
    rounded to ten bits, far above the rounding of any BLAS: the bytes are the same everywhere.

    Parameters
    ----------
    name : str
        Name of the graph, and the seed.
    resolution : int
        Height and width of the input (1, 3, resolution, resolution). Weights do not depend on it.
    centred : float
        How much of a channel's mean BatchNormalization removes. With Relu, without it, all images
        end alike. Swish and gates grow faster than their input: there, removing what a few probe
        images have in common makes others grow with every block.
    channels : int
        Of the input, where it is not an image but a map inside a network: the probe is then noise
        of just that size.
    width : float
        What :meth:`wide` makes channels wider by.
    """

    def __init__(
        self, name: str, resolution: int, *, centred: float = 0.8, channels: int | None = None,
        width: float = 1.0,
    ):  # fmt: skip
        self.name = name
        self.opset = _OPSET
        self.width = width
        self._centred = centred
        self._rng = np.random.default_rng(list(name.encode()))
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: list[onnx.TensorProto] = []
        shape = [1, channels or 3, resolution, resolution]
        self._input = helper.make_tensor_value_info("input", onnx.TensorProto.FLOAT, shape)
        #: The net's input.
        self.input = Tensor("input", self._noise(shape) if channels else self._images(), resolution)

    def _noise(self, shape: list[int]) -> Array:
        return self._rng.standard_normal((_PROBE_IMAGES, *shape[1:]))

    def _images(self) -> Array:
        """Coarse and fine structure."""
        coarse = self._rng.standard_normal((_PROBE_IMAGES, 3, 8, 8))
        coarse = coarse.repeat(_PROBE_SIDE // 8, 2).repeat(_PROBE_SIDE // 8, 3)
        fine = self._rng.standard_normal((_PROBE_IMAGES, 3, _PROBE_SIDE, _PROBE_SIDE))
        image: Array = np.sqrt(0.5) * (coarse + fine)
        return image

    def wide(self, channels: int, multiple: int = 8) -> int:
        """``channels`` as published; at another width that many times as many, a ``multiple``."""
        if self.width == 1:
            return channels
        return max(multiple, round(channels * self.width / multiple) * multiple)

    def model(self, *ys: Tensor) -> onnx.ModelProto:
        """The ONNX model with outputs ``ys``: (1, channels), or maps whose size ONNX infers."""
        kind = onnx.TensorProto.FLOAT
        outputs = [
            helper.make_tensor_value_info(
                y.name, kind, [1, y.channels, *[None] * (y.probe.ndim - 2)]
            )
            for y in ys
        ]
        graph = helper.make_graph(
            self._nodes, self.name, [self._input], outputs, self._initializers
        )
        return helper.make_model(
            graph,
            producer_name="accelgen",
            ir_version=_IR_VERSION,
            opset_imports=[helper.make_opsetid("", self.opset)],
        )

    def _normal(self, shape: tuple[int, ...], deviation: float) -> npt.NDArray[np.float32]:
        return normal(self._rng, shape, deviation)

    def _constant(self, name: str, array: npt.ArrayLike) -> str:
        self._initializers.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def _append(
        self, op_type: str, name: str, xs: Sequence[Tensor], probe: Array,
        constants: Sequence[str] = (), *, side: int | None = None, **attributes: Any,
    ) -> Tensor:  # fmt: skip
        """A node that reads ``xs`` and ``constants``; ``side`` is that of its output if not that
        of its first input."""
        output = f"{name}.out"
        inputs = [*(x.name for x in xs), *constants]
        self._nodes.append(helper.make_node(op_type, inputs, [output], name, **attributes))
        return Tensor(output, probe, xs[0].side if side is None else side)


def normal(
    rng: np.random.Generator, shape: tuple[int, ...], deviation: float
) -> npt.NDArray[np.float32]:
    """Weights of that ``deviation`` about 0."""
    return rng.standard_normal(shape, np.float32) * np.float32(deviation)
