"""YOLOv5n and YOLOv8n (Ultralytics') and YOLOX-Nano (Megvii's): raw outputs, 80 classes."""

from __future__ import annotations

from collections.abc import Callable

import onnx

from accelgen.zoo.blocks import conv_norm, separable
from accelgen.zoo.net_builder import NetBuilder, Tensor

__all__ = ["yolov5n", "yolov8n", "yolox_nano"]

#: What YOLOv8 says of each of a box's four sides: a distribution over so many distances.
_DISTANCES = 16
_EPSILON = 1e-3


def yolov5n(resolution: int, width: float, classes: int) -> onnx.ModelProto:
    """YOLOv5n, version 6: three heads of raw boxes, at an 8th, a 16th and a 32nd."""
    net = NetBuilder("yolov5n", resolution, centred=0.0, width=width)
    c = [net.wide(n, 16) for n in (16, 32, 64, 128, 256)]
    x = _unit(net, "model.0", net.input, c[0], 6, stride=2, pad=2)
    levels = []
    for index, (channels, repeats) in enumerate(zip(c[1:], (1, 2, 3, 1), strict=True)):
        x = _unit(net, f"model.{2 * index + 1}", x, channels, 3, stride=2)
        x = _c3(net, f"model.{2 * index + 2}", x, channels, repeats, add=True)
        levels.append(x)
    x = _unit(net, "model.10", _spp(net, "model.9", x, c[4]), c[3])
    top = x
    x = net.concat("model.12", net.upsample("model.11", x), levels[2])
    middle = _unit(net, "model.14", _c3(net, "model.13", x, c[3], 1, add=False), c[2])
    x = net.concat("model.16", net.upsample("model.15", middle), levels[1])
    outputs = [_c3(net, "model.17", x, c[2], 1, add=False)]
    for index, (channels, other) in enumerate(((c[3], middle), (c[4], top))):
        x = _unit(net, f"model.{18 + 3 * index}", outputs[-1], channels // 2, 3, stride=2)
        x = net.concat(f"model.{19 + 3 * index}", x, other)
        outputs.append(_c3(net, f"model.{20 + 3 * index}", x, channels, 1, add=False))
    # Anchors times (box, objectness, classes).
    return net.model(*(
        net.conv(f"model.24.{index}", x, 3 * (5 + classes), bias=True)
        for index, x in enumerate(outputs)
    ))  # fmt: skip


def yolov8n(resolution: int, width: float, classes: int) -> onnx.ModelProto:
    """YOLOv8n: distances and classes at an 8th, a 16th and a 32nd, before the decoding."""
    net = NetBuilder("yolov8n", resolution, centred=0.0, width=width)
    c = [net.wide(n, 16) for n in (16, 32, 64, 128, 256)]
    x = _unit(net, "model.0", net.input, c[0], 3, stride=2)
    levels = []
    for index, (channels, repeats) in enumerate(zip(c[1:], (1, 2, 2, 1), strict=True)):
        x = _unit(net, f"model.{2 * index + 1}", x, channels, 3, stride=2)
        x = _c2f(net, f"model.{2 * index + 2}", x, channels, repeats, add=True)
        levels.append(x)
    top = _spp(net, "model.9", x, c[4])
    x = net.concat("model.11", net.upsample("model.10", top), levels[2])
    middle = _c2f(net, "model.12", x, c[3], 1, add=False)
    x = net.concat("model.14", net.upsample("model.13", middle), levels[1])
    outputs = [_c2f(net, "model.15", x, c[2], 1, add=False)]
    for index, (channels, other) in enumerate(((c[3], middle), (c[4], top))):
        x = _unit(net, f"model.{16 + 3 * index}", outputs[-1], channels // 2, 3, stride=2)
        x = net.concat(f"model.{17 + 3 * index}", x, other)
        outputs.append(_c2f(net, f"model.{18 + 3 * index}", x, channels, 1, add=False))
    boxes = max(16, c[2] // 4, 4 * _DISTANCES)
    kinds = max(c[2], min(classes, 100))
    ends = []
    for index, x in enumerate(outputs):
        name = f"model.22.{index}"
        ends.append(_head(net, f"{name}.box", x, boxes, 4 * _DISTANCES, _unit))
        ends.append(_head(net, f"{name}.class", x, kinds, classes, _unit))
    return net.model(*ends)


def yolox_nano(resolution: int, width: float, classes: int) -> onnx.ModelProto:
    """YOLOX-Nano: of each of three levels box, objectness and classes. Its first layers, pixels
    of 2x2 as channels and a 3x3 convolution of them, are the one 6x6 convolution of stride 2 that
    they come to."""
    net = NetBuilder("yolox_nano", resolution, centred=0.0, width=width)
    c = [net.wide(n, 16) for n in (16, 32, 64, 128, 256)]
    x = _unit(net, "stem", net.input, c[0], 6, stride=2, pad=2)
    levels = []
    for index, (channels, repeats) in enumerate(zip(c[1:4], (1, 3, 3), strict=True), start=2):
        x = _separable(net, f"dark{index}.0", x, channels, 3, stride=2)
        x = _c3(net, f"dark{index}.1", x, channels, repeats, add=True, conv=_separable)
        levels.append(x)
    x = _spp(net, "dark5.1", _separable(net, "dark5.0", x, c[4], 3, stride=2), c[4], chained=False)
    x = _c3(net, "dark5.2", x, c[4], 1, add=False, conv=_separable)
    top = _unit(net, "lateral0", x, c[3])
    x = net.concat("concat0", net.upsample("up0", top), levels[2])
    x = _c3(net, "p4", x, c[3], 1, add=False, conv=_separable)
    middle = _unit(net, "reduce1", x, c[2])
    x = net.concat("concat1", net.upsample("up1", middle), levels[1])
    outputs = [_c3(net, "p3", x, c[2], 1, add=False, conv=_separable)]
    for index, (channels, other) in enumerate(((c[3], middle), (c[4], top)), start=4):
        x = _separable(net, f"down{index}", outputs[-1], channels // 2, 3, stride=2)
        x = net.concat(f"concat{index}", x, other)
        outputs.append(_c3(net, f"n{index}", x, channels, 1, add=False, conv=_separable))
    ends = []
    for index, x in enumerate(outputs):
        name = f"head.{index}"
        x = _unit(net, f"{name}.stem", x, c[2])
        kinds = _head(net, f"{name}.class", x, c[2], classes, _separable)
        boxes = _twice(net, f"{name}.box", x, c[2], _separable)
        ends.append(net.conv(f"{name}.box.2", boxes, 4, bias=True))
        objects = net.conv(f"{name}.object", boxes, 1, bias=True)
        ends.append(net.sigmoid(f"{name}.object.sigmoid", objects))
        ends.append(net.sigmoid(f"{name}.class.sigmoid", kinds))
    return net.model(*ends)


def _unit(
    net: NetBuilder, name: str, x: Tensor, channels: int, kernel: int = 1, *, stride: int = 1,
    pad: int | None = None,
) -> Tensor:  # fmt: skip
    return conv_norm(
        net, name, x, channels, kernel, stride=stride, pad=pad, epsilon=_EPSILON,
        act=NetBuilder.swish,
    )  # fmt: skip


def _separable(
    net: NetBuilder, name: str, x: Tensor, channels: int, kernel: int = 3, *, stride: int = 1
) -> Tensor:
    return separable(
        net, name, x, channels, kernel, stride=stride, epsilon=_EPSILON, act=NetBuilder.swish
    )


_Conv = Callable[[NetBuilder, str, Tensor, int, int], Tensor]


def _c3(
    net: NetBuilder, name: str, x: Tensor, channels: int, repeats: int, *, add: bool,
    conv: _Conv = _unit,
) -> Tensor:  # fmt: skip
    """Half of the channels through ``repeats`` bottlenecks, half past them, and a 1x1 of both."""
    half = channels // 2
    y = _unit(net, f"{name}.cv1", x, half)
    for index in range(repeats):
        z = _unit(net, f"{name}.m.{index}.cv1", y, half)
        z = conv(net, f"{name}.m.{index}.cv2", z, half, 3)
        y = net.add(f"{name}.m.{index}.add", y, z) if add else z
    past = _unit(net, f"{name}.cv2", x, half)
    return _unit(net, f"{name}.cv3", net.concat(f"{name}.concat", y, past), channels)


def _c2f(
    net: NetBuilder, name: str, x: Tensor, channels: int, repeats: int, *, add: bool
) -> Tensor:
    """As :func:`_c3`, but all bottlenecks' outputs are joined."""
    parts = net.split(f"{name}.split", _unit(net, f"{name}.cv1", x, channels), 2)
    for index in range(repeats):
        z = _twice(net, f"{name}.m.{index}", parts[-1], channels // 2, _unit)
        parts.append(net.add(f"{name}.m.{index}.add", parts[-1], z) if add else z)
    return _unit(net, f"{name}.cv2", net.concat(f"{name}.concat", *parts), channels)


def _spp(net: NetBuilder, name: str, x: Tensor, channels: int, *, chained: bool = True) -> Tensor:
    """Maximum over 5x5, 9x9 and 13x13 pixels, beside none; ``chained`` 5x5 are the same."""
    x = _unit(net, f"{name}.cv1", x, x.channels // 2)
    parts = [x]
    for index, kernel in enumerate((5, 9, 13)):
        step = f"{name}.m.{index}"
        parts.append(
            net.max_pool(step, parts[-1], 5, 1, pad=2)
            if chained
            else net.max_pool(step, x, kernel, 1, pad=kernel // 2)
        )
    return _unit(net, f"{name}.cv2", net.concat(f"{name}.concat", *parts), channels)


def _twice(net: NetBuilder, name: str, x: Tensor, channels: int, conv: _Conv) -> Tensor:
    for index in range(2):
        x = conv(net, f"{name}.{index}", x, channels, 3)
    return x


def _head(net: NetBuilder, name: str, x: Tensor, hidden: int, channels: int, conv: _Conv) -> Tensor:
    """Two 3x3 convolutions and the 1x1 that ends a branch."""
    return net.conv(f"{name}.2", _twice(net, name, x, hidden, conv), channels, bias=True)
