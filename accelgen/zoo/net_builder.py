"""Layers to ONNX, with seeded weights and statistics that keep activations near unit scale."""

from __future__ import annotations

import numpy as np

from accelgen.zoo.net_graph import Tensor, normal
from accelgen.zoo.net_moves import NetMoves
from accelgen.zoo.probe import convolve, deformed, enlarged, out_side, pool, rounded, spread

__all__ = ["NetBuilder", "Tensor"]


class NetBuilder(NetMoves):
    """A graph (:class:`~accelgen.zoo.net_graph.NetGraph`) with all layers of the zoo's networks."""

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

    def deform_conv(
        self, name: str, x: Tensor, channels: int, offset: Tensor, mask: Tensor, *, stride: int = 1
    ) -> Tensor:  # fmt: skip
        """DeformConv, 3x3, padded by 1: taps lie where ``offset`` says (18 channels, rows before
        columns), each times its channel of ``mask`` (9)."""
        self.opset = max(self.opset, 19)
        weight = self._normal((channels, x.channels, 3, 3), np.sqrt(2 / (x.channels * 9)))
        names = [self._constant(f"{name}.weight", weight), offset.name, "", mask.name]
        return self._append(
            "DeformConv", name, [x], deformed(x.probe, weight, offset.probe, mask.probe, stride),
            names, kernel_shape=[3, 3], side=out_side(x.side, 3, stride, 2),
            strides=[stride] * 2, pads=[1] * 4,
        )  # fmt: skip

    def conv_transpose(self, name: str, x: Tensor, channels: int, stride: int = 2) -> Tensor:
        """ConvTranspose whose kernel is its ``stride``, with bias, scaled to unit output: each
        pixel becomes ``stride`` x ``stride``."""
        weight = self._normal((x.channels, channels, stride, stride), np.sqrt(1 / x.channels))
        probe = enlarged(x.probe, weight)
        factor = rounded(1 / np.sqrt(np.mean(probe**2)))
        shift = self._normal((channels,), 0.1)
        names = [
            self._constant(f"{name}.weight", (weight * factor).astype(np.float32)),
            self._constant(f"{name}.bias", shift),
        ]
        return self._append(
            "ConvTranspose", name, [x], probe * factor + shift.reshape(1, -1, 1, 1), names,
            side=stride * x.side, kernel_shape=[stride] * 2, strides=[stride] * 2,
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
        weight = normal(rng, (channels, inputs), np.sqrt(1 / inputs))
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

    def global_average_pool(self, name: str, x: Tensor) -> Tensor:
        """GlobalAveragePool."""
        return self._append(
            "GlobalAveragePool", name, [x], x.probe.mean((2, 3), keepdims=True), side=1
        )

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

    def max_pool_indices(self, name: str, x: Tensor) -> tuple[Tensor, Tensor]:
        """MaxPool by 2, and its second output: where in the map each value was."""
        y = self.max_pool(name, x, 2, 2)
        indices = f"{name}.indices"
        self._nodes[-1].output.append(indices)
        return y, Tensor(indices, y.probe, y.side)

    def average_pool(
        self, name: str, x: Tensor, kernel: int, stride: int, *, pad: int = 0
    ) -> Tensor:
        """AveragePool; zeros of the border count."""
        return self._append(
            "AveragePool", name, [x], pool(x.probe, kernel, stride, (pad, pad), 0, np.mean),
            side=out_side(x.side, kernel, stride, 2 * pad),
            kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4, count_include_pad=1,
        )  # fmt: skip
