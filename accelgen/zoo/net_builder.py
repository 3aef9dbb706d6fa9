"""Layers to ONNX, with seeded weights and statistics that keep activations near unit scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from accelgen.zoo.probe import Array, convolve, out_side, pool, rounded, shuffled, spread

__all__ = ["NetBuilder", "Tensor"]

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


class NetBuilder:
    """Appends layers to an ONNX graph, opset 17.

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

    # Layers with weights.

    def conv(
        self,
        name: str,
        x: Tensor,
        channels: int,
        kernel: int = 1,
        *,
        stride: int = 1,
        pad: int | None = None,
        depthwise: bool = False,
        groups: int = 1,
        dilation: int = 1,
        bias: bool = False,
    ) -> Tensor:
        """Conv, square kernel, padded by ``(kernel - 1) // 2 * dilation`` unless ``pad`` says
        otherwise; ``depthwise`` is as many groups as channels.

        With ``bias`` the weights are scaled to unit output; without, BatchNormalization follows.
        """
        pad = (kernel - 1) // 2 * dilation if pad is None else pad
        groups = x.channels if depthwise else groups
        inputs = x.channels // groups
        weight = self._normal((channels, inputs, kernel, kernel), np.sqrt(2 / (inputs * kernel**2)))
        probe = convolve(
            x.probe, weight, stride=stride, pad=pad, groups=groups, dilation=dilation
        )  # fmt: skip
        names = [f"{name}.weight"]
        if bias:
            factor = rounded(1 / np.sqrt(np.mean(probe**2)))
            weight = (weight * factor).astype(np.float32)
            shift = self._normal((channels,), 0.1)
            probe = probe * factor + shift.reshape(1, -1, 1, 1)
            names.append(self._constant(f"{name}.bias", shift))
        self._constant(names[0], weight)
        return self._append(
            "Conv", name, [x], probe, names, kernel_shape=[kernel] * 2,
            side=out_side(x.side, (kernel - 1) * dilation + 1, stride, 2 * pad),
            strides=[stride] * 2, pads=[pad] * 4, dilations=[dilation] * 2, group=groups,
        )  # fmt: skip

    def batch_norm(
        self, name: str, x: Tensor, *, epsilon: float = 1e-5, gain: float = 1.0
    ) -> Tensor:
        """BatchNormalization whose statistics bring the probe to unit scale."""
        channels = x.channels
        mean = rounded(self._centred * x.probe.mean((0, 2, 3))).astype(np.float32)
        # One spread per layer, not per channel: so few pixels say little about a channel, and
        # dividing by what they say would amplify other images more with every layer.
        power = rounded(np.mean((x.probe - mean.reshape(1, -1, 1, 1)) ** 2))
        var = (power * self._rng.uniform(0.8, 1.25, channels)).astype(np.float32)
        gamma = (gain * self._rng.uniform(0.8, 1.2, channels)).astype(np.float32)
        beta = self._normal((channels,), 0.2)
        scale = gamma / np.sqrt(var.astype(np.float64) + epsilon)
        shift = beta - mean * scale
        probe = x.probe * scale.reshape(1, -1, 1, 1) + shift.reshape(1, -1, 1, 1)
        parameters = {"weight": gamma, "bias": beta, "running_mean": mean, "running_var": var}
        names = [self._constant(f"{name}.{key}", array) for key, array in parameters.items()]
        return self._append("BatchNormalization", name, [x], probe, names, epsilon=epsilon)

    def linear(self, name: str, x: Tensor, channels: int, *, over_map: bool = False) -> Tensor:
        """Flatten and Gemm. ``x`` has one pixel; with ``over_map`` as many as it may: then the
        weights are this layer's own draw, and no others depend on how many there are."""
        rng = np.random.default_rng(list(f"{self.name}.{name}".encode())) if over_map else self._rng
        if x.probe.ndim > 2:
            x = self._append(
                "Flatten", f"{name}.flatten", [x], spread(x.probe, x.side), side=1, axis=1
            )
        values = x.probe.reshape(len(x.probe), -1)
        inputs = values.shape[1]
        weight = _normal(rng, (channels, inputs), np.sqrt(1 / inputs))
        bias = self._normal((channels,), 0.1)
        probe = values @ weight.T.astype(np.float64) + bias
        names = [
            self._constant(f"{name}.weight", weight),
            self._constant(f"{name}.bias", bias),
        ]
        return self._append("Gemm", name, [x], probe, names, transB=1)

    # Layers without weights.

    def relu(self, name: str, x: Tensor) -> Tensor:
        """Relu."""
        return self._append("Relu", name, [x], np.maximum(x.probe, 0))

    def relu6(self, name: str, x: Tensor) -> Tensor:
        """Clip to [0, 6]."""
        limits = [
            self._constant(f"{name}.min", np.float32(0)),
            self._constant(f"{name}.max", np.float32(6)),
        ]
        return self._append("Clip", name, [x], np.clip(x.probe, 0, 6), limits)

    def leaky_relu(self, name: str, x: Tensor, alpha: float = 0.1) -> Tensor:
        """LeakyRelu."""
        probe = np.where(x.probe < 0, alpha * x.probe, x.probe)
        return self._append("LeakyRelu", name, [x], probe, alpha=alpha)

    def sigmoid(self, name: str, x: Tensor) -> Tensor:
        """Sigmoid."""
        return self._append("Sigmoid", name, [x], 1 / (1 + np.exp(-x.probe)))

    def hard_sigmoid(self, name: str, x: Tensor) -> Tensor:
        """HardSigmoid as mobile networks have it: max(0, min(1, x / 6 + 1 / 2))."""
        return self._append(
            "HardSigmoid", name, [x], np.clip(x.probe / 6 + 0.5, 0, 1), alpha=1 / 6, beta=0.5
        )

    def hard_swish(self, name: str, x: Tensor) -> Tensor:
        """HardSwish: x * max(0, min(1, x / 6 + 1 / 2))."""
        return self._append("HardSwish", name, [x], x.probe * np.clip(x.probe / 6 + 0.5, 0, 1))

    def swish(self, name: str, x: Tensor) -> Tensor:
        """x * sigmoid(x), as two nodes."""
        return self.mul(f"{name}.mul", x, self.sigmoid(f"{name}.sigmoid", x))

    def mul(self, name: str, x: Tensor, y: Tensor) -> Tensor:
        """Mul."""
        return self._append("Mul", name, [x, y], x.probe * y.probe)

    def add(self, name: str, x: Tensor, y: Tensor) -> Tensor:
        """Add."""
        return self._append("Add", name, [x, y], x.probe + y.probe)

    def concat(self, name: str, *parts: Tensor) -> Tensor:
        """Concat along channels."""
        return self._append(
            "Concat", name, parts, np.concatenate([p.probe for p in parts], 1), axis=1
        )

    def split(self, name: str, x: Tensor, *sizes: int) -> list[Tensor]:
        """Split along channels in parts of ``sizes``; one number: in that many equal parts."""
        if len(sizes) == 1:
            sizes = (x.channels // sizes[0],) * sizes[0]
        outputs = [f"{name}.out{i}" for i in range(len(sizes))]
        names = self._constant(f"{name}.sizes", np.array(sizes, np.int64))
        self._nodes.append(helper.make_node("Split", [x.name, names], outputs, name, axis=1))
        probes = np.split(x.probe, np.cumsum(sizes)[:-1], 1)
        return [
            Tensor(output, probe, x.side) for output, probe in zip(outputs, probes, strict=True)
        ]

    def shuffle(self, name: str, x: Tensor, groups: int) -> Tensor:
        """Channel shuffle: Reshape to groups, Transpose, Reshape."""
        probe = shuffled(x.probe, groups)
        shapes = [
            self._constant(f"{name}.{key}", np.array(shape, np.int64))
            for key, shape in (
                ("split", (1, groups, x.channels // groups, x.side, x.side)),
                ("joined", (1, x.channels, x.side, x.side)),
            )
        ]
        y = self._append("Reshape", f"{name}.split", [x], probe, shapes[:1])
        y = self._append("Transpose", f"{name}.transpose", [y], probe, perm=[0, 2, 1, 3, 4])
        return self._append("Reshape", f"{name}.join", [y], probe, shapes[1:])

    def global_average_pool(self, name: str, x: Tensor) -> Tensor:
        """GlobalAveragePool."""
        return self._append(
            "GlobalAveragePool", name, [x], x.probe.mean((2, 3), keepdims=True), side=1
        )

    def flatten(self, name: str, x: Tensor) -> Tensor:
        """Flatten."""
        return self._append("Flatten", name, [x], x.probe, axis=1)

    def upsample(self, name: str, x: Tensor) -> Tensor:
        """Resize to twice the size, nearest neighbour."""
        scales = self._constant(f"{name}.scales", np.array([1, 1, 2, 2], np.float32))
        return self._append(
            "Resize", name, [x], x.probe.repeat(2, 2).repeat(2, 3), ["", scales],
            side=2 * x.side,
            mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor",
        )  # fmt: skip

    def max_pool(
        self, name: str, x: Tensor, kernel: int, stride: int, *, pad: int = 0,
        end: int | None = None, ceil: bool = False,
    ) -> Tensor:  # fmt: skip
        """MaxPool, padded by ``pad``; by ``end`` at the bottom and right if that is given."""
        after = pad if end is None else end
        probe = pool(x.probe, kernel, stride, (pad, after), -np.inf, np.max, ceil=ceil)
        return self._append(
            "MaxPool", name, [x], probe, kernel_shape=[kernel] * 2, strides=[stride] * 2,
            side=out_side(x.side, kernel, stride, pad + after, ceil),
            pads=[pad, pad, after, after], ceil_mode=int(ceil),
        )  # fmt: skip

    def average_pool(
        self, name: str, x: Tensor, kernel: int, stride: int, *, pad: int = 0
    ) -> Tensor:
        """AveragePool; zeros of the border count."""
        return self._append(
            "AveragePool", name, [x], pool(x.probe, kernel, stride, (pad, pad), 0, np.mean),
            side=out_side(x.side, kernel, stride, 2 * pad),
            kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4, count_include_pad=1,
        )  # fmt: skip

    # The model.

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
            opset_imports=[helper.make_opsetid("", _OPSET)],
        )

    def _normal(self, shape: tuple[int, ...], deviation: float) -> npt.NDArray[np.float32]:
        return _normal(self._rng, shape, deviation)

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


def _normal(
    rng: np.random.Generator, shape: tuple[int, ...], deviation: float
) -> npt.NDArray[np.float32]:
    return rng.standard_normal(shape, np.float32) * np.float32(deviation)
