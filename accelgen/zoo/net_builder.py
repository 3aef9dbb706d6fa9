"""Layers to ONNX, with seeded weights and statistics that keep activations near unit scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

__all__ = ["NetBuilder", "Tensor"]

Array = npt.NDArray[Any]

_OPSET = 17
_IR_VERSION = 8
#: Side of the probe image whose activations set the statistics; five halvings leave 2 x 2 pixels.
_PROBE_SIDE = 64
_PROBE_IMAGES = 2


@dataclass(frozen=True)
class Tensor:
    """A tensor of the net: its name, and its value for the probe images, float64 (n, c, h, w)."""

    name: str
    probe: Array

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
    """

    def __init__(
        self, name: str, resolution: int, *, centred: float = 0.8, channels: int | None = None
    ):
        self.name = name
        self._centred = centred
        self._resolution = resolution
        self._rng = np.random.default_rng(list(name.encode()))
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: list[onnx.TensorProto] = []
        shape = [1, channels or 3, resolution, resolution]
        self._input = helper.make_tensor_value_info("input", onnx.TensorProto.FLOAT, shape)
        #: The net's input.
        self.input = Tensor("input", self._noise(shape) if channels else self._images())

    def _noise(self, shape: list[int]) -> Array:
        return self._rng.standard_normal((_PROBE_IMAGES, *shape[1:]))

    def _images(self) -> Array:
        """Coarse and fine structure."""
        coarse = self._rng.standard_normal((_PROBE_IMAGES, 3, 8, 8))
        coarse = coarse.repeat(_PROBE_SIDE // 8, 2).repeat(_PROBE_SIDE // 8, 3)
        fine = self._rng.standard_normal((_PROBE_IMAGES, 3, _PROBE_SIDE, _PROBE_SIDE))
        image: Array = np.sqrt(0.5) * (coarse + fine)
        return image

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
        bias: bool = False,
    ) -> Tensor:
        """Conv, square kernel, padded by ``(kernel - 1) // 2`` unless ``pad`` says otherwise.

        With ``bias`` the weights are scaled to unit output; without, BatchNormalization follows.
        """
        pad = (kernel - 1) // 2 if pad is None else pad
        inputs = 1 if depthwise else x.channels
        groups = x.channels if depthwise else 1
        weight = self._normal((channels, inputs, kernel, kernel), np.sqrt(2 / (inputs * kernel**2)))
        probe = _convolve(x.probe, weight, stride, pad)
        names = [f"{name}.weight"]
        if bias:
            factor = _rounded(1 / np.sqrt(np.mean(probe**2)))
            weight = (weight * factor).astype(np.float32)
            shift = self._normal((channels,), 0.1)
            probe = probe * factor + shift.reshape(1, -1, 1, 1)
            names.append(self._constant(f"{name}.bias", shift))
        self._constant(names[0], weight)
        return self._append(
            "Conv", name, [x.name, *names], probe, kernel_shape=[kernel] * 2,
            strides=[stride] * 2, pads=[pad] * 4, dilations=[1, 1], group=groups,
        )  # fmt: skip

    def batch_norm(
        self, name: str, x: Tensor, *, epsilon: float = 1e-5, gain: float = 1.0
    ) -> Tensor:
        """BatchNormalization whose statistics bring the probe to unit scale."""
        channels = x.channels
        mean = _rounded(self._centred * x.probe.mean((0, 2, 3))).astype(np.float32)
        # One spread per layer, not per channel: so few pixels say little about a channel, and
        # dividing by what they say would amplify other images more with every layer.
        power = _rounded(np.mean((x.probe - mean.reshape(1, -1, 1, 1)) ** 2))
        var = (power * self._rng.uniform(0.8, 1.25, channels)).astype(np.float32)
        gamma = (gain * self._rng.uniform(0.8, 1.2, channels)).astype(np.float32)
        beta = self._normal((channels,), 0.2)
        scale = gamma / np.sqrt(var.astype(np.float64) + epsilon)
        shift = beta - mean * scale
        probe = x.probe * scale.reshape(1, -1, 1, 1) + shift.reshape(1, -1, 1, 1)
        parameters = {"weight": gamma, "bias": beta, "running_mean": mean, "running_var": var}
        names = [self._constant(f"{name}.{key}", array) for key, array in parameters.items()]
        return self._append("BatchNormalization", name, [x.name, *names], probe, epsilon=epsilon)

    def linear(self, name: str, x: Tensor, channels: int) -> Tensor:
        """Flatten and Gemm."""
        flat = self._append("Flatten", f"{name}.flatten", [x.name], x.probe, axis=1)
        weight = self._normal((channels, x.channels), np.sqrt(1 / x.channels))
        bias = self._normal((channels,), 0.1)
        probe = x.probe.reshape(len(x.probe), -1) @ weight.T.astype(np.float64) + bias
        names = [
            self._constant(f"{name}.weight", weight),
            self._constant(f"{name}.bias", bias),
        ]
        return self._append("Gemm", name, [flat.name, *names], probe, transB=1)

    # Layers without weights.

    def relu(self, name: str, x: Tensor) -> Tensor:
        """Relu."""
        return self._append("Relu", name, [x.name], np.maximum(x.probe, 0))

    def relu6(self, name: str, x: Tensor) -> Tensor:
        """Clip to [0, 6]."""
        limits = [
            self._constant(f"{name}.min", np.float32(0)),
            self._constant(f"{name}.max", np.float32(6)),
        ]
        return self._append("Clip", name, [x.name, *limits], np.clip(x.probe, 0, 6))

    def leaky_relu(self, name: str, x: Tensor, alpha: float) -> Tensor:
        """LeakyRelu."""
        probe = np.where(x.probe < 0, alpha * x.probe, x.probe)
        return self._append("LeakyRelu", name, [x.name], probe, alpha=alpha)

    def sigmoid(self, name: str, x: Tensor) -> Tensor:
        """Sigmoid."""
        return self._append("Sigmoid", name, [x.name], 1 / (1 + np.exp(-x.probe)))

    def swish(self, name: str, x: Tensor) -> Tensor:
        """x * sigmoid(x), as two nodes."""
        return self.mul(f"{name}.mul", x, self.sigmoid(f"{name}.sigmoid", x))

    def mul(self, name: str, x: Tensor, y: Tensor) -> Tensor:
        """Mul."""
        return self._append("Mul", name, [x.name, y.name], x.probe * y.probe)

    def add(self, name: str, x: Tensor, y: Tensor) -> Tensor:
        """Add."""
        return self._append("Add", name, [x.name, y.name], x.probe + y.probe)

    def concat(self, name: str, *parts: Tensor) -> Tensor:
        """Concat along channels."""
        probe = np.concatenate([p.probe for p in parts], 1)
        return self._append("Concat", name, [p.name for p in parts], probe, axis=1)

    def split(self, name: str, x: Tensor, parts: int) -> list[Tensor]:
        """Split in equal parts along channels."""
        outputs = [f"{name}.out{i}" for i in range(parts)]
        sizes = self._constant(f"{name}.sizes", np.full(parts, x.channels // parts, np.int64))
        self._nodes.append(helper.make_node("Split", [x.name, sizes], outputs, name, axis=1))
        probes = np.split(x.probe, parts, 1)
        return [Tensor(*pair) for pair in zip(outputs, probes, strict=True)]

    def shuffle(self, name: str, x: Tensor, groups: int) -> Tensor:
        """Channel shuffle: Reshape to groups, Transpose, Reshape. Maps may only be halved,
        rounded up."""
        images, channels, *_ = x.probe.shape
        split = (images, groups, channels // groups, *x.probe.shape[2:])
        probe = x.probe.reshape(split).swapaxes(1, 2).reshape(x.probe.shape)
        side = self._resolution
        for _ in range((_PROBE_SIDE // x.probe.shape[2]).bit_length() - 1):
            side = -(-side // 2)
        shapes = [
            self._constant(f"{name}.{key}", np.array(shape, np.int64))
            for key, shape in (
                ("split", (1, groups, channels // groups, side, side)),
                ("joined", (1, channels, side, side)),
            )
        ]
        y = self._append("Reshape", f"{name}.split", [x.name, shapes[0]], probe)
        y = self._append("Transpose", f"{name}.transpose", [y.name], probe, perm=[0, 2, 1, 3, 4])
        return self._append("Reshape", f"{name}.join", [y.name, shapes[1]], probe)

    def global_average_pool(self, name: str, x: Tensor) -> Tensor:
        """GlobalAveragePool."""
        return self._append(
            "GlobalAveragePool", name, [x.name], x.probe.mean((2, 3), keepdims=True)
        )

    def flatten(self, name: str, x: Tensor) -> Tensor:
        """Flatten."""
        return self._append("Flatten", name, [x.name], x.probe, axis=1)

    def upsample(self, name: str, x: Tensor) -> Tensor:
        """Resize to twice the size, nearest neighbour."""
        scales = self._constant(f"{name}.scales", np.array([1, 1, 2, 2], np.float32))
        return self._append(
            "Resize", name, [x.name, "", scales], x.probe.repeat(2, 2).repeat(2, 3),
            mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor",
        )  # fmt: skip

    def max_pool(
        self, name: str, x: Tensor, kernel: int, stride: int, *, pad: int = 0,
        end: int | None = None, ceil: bool = False,
    ) -> Tensor:  # fmt: skip
        """MaxPool, padded by ``pad``; by ``end`` at the bottom and right if that is given."""
        size = x.probe.shape[2]
        after = pad if end is None else end
        room = size + pad + after - kernel
        out = (-(-room // stride) if ceil else room // stride) + 1
        end = max((out - 1) * stride + kernel - size - pad, 0)
        padded = np.pad(x.probe, ((0, 0), (0, 0), (pad, end), (pad, end)), constant_values=-np.inf)
        probe = np.max([t for _, _, t in _taps(padded, kernel, stride, out)], axis=0)
        return self._append(
            "MaxPool", name, [x.name], probe, kernel_shape=[kernel] * 2, strides=[stride] * 2,
            pads=[pad, pad, after, after], ceil_mode=int(ceil),
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
        return self._rng.standard_normal(shape, np.float32) * np.float32(deviation)

    def _constant(self, name: str, array: npt.ArrayLike) -> str:
        self._initializers.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def _append(
        self, op_type: str, name: str, inputs: list[str], probe: Array, **attributes: Any
    ) -> Tensor:
        output = f"{name}.out"
        self._nodes.append(helper.make_node(op_type, inputs, [output], name, **attributes))
        return Tensor(output, probe)


def _rounded(values: npt.ArrayLike) -> Array:
    """``values`` to ten significant bits."""
    mantissa, exponent = np.frexp(np.asarray(values, np.float64))
    return np.ldexp(np.rint(mantissa * 1024) / 1024, exponent)


def _taps(padded: Array, kernel: int, stride: int, out: int) -> list[tuple[int, int, Array]]:
    """What each kernel tap (ky, kx) sees, (n, c, out, out)."""
    reach = (out - 1) * stride + 1
    return [
        (ky, kx, padded[:, :, ky : ky + reach : stride, kx : kx + reach : stride])
        for ky in range(kernel)
        for kx in range(kernel)
    ]


def _convolve(x: Array, weight: Array, stride: int, pad: int) -> Array:
    """Dense (o, c, k, k) or depthwise (c, 1, k, k) convolution in float64.

    Padding repeats the map: on the probe's small maps zeros would be most of what a kernel sees,
    and statistics would not fit the real resolution.
    """
    kernel = weight.shape[2]
    out = (x.shape[2] + 2 * pad - kernel) // stride + 1
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), mode="wrap")
    wide = np.ascontiguousarray(weight.transpose(2, 3, 0, 1), np.float64)
    total = np.zeros((len(weight), len(x) * out * out))
    for ky, kx, seen in _taps(padded, kernel, stride, out):
        flat = seen.transpose(1, 0, 2, 3).reshape(x.shape[1], -1)
        tap = wide[ky, kx]
        total += tap * flat if weight.shape[1] == 1 and x.shape[1] > 1 else tap @ flat
    return total.reshape(len(weight), len(x), out, out).transpose(1, 0, 2, 3)
