"""Tiny-YOLOv3 (Darknet's yolov3-tiny: 80 classes, three anchors per head)."""

from __future__ import annotations

import onnx

from accelgen.zoo.blocks import conv_norm
from accelgen.zoo.net_builder import NetBuilder, Tensor

__all__ = ["tiny_yolov3"]


def tiny_yolov3(resolution: int, width: float, classes: int) -> onnx.ModelProto:
    """Tiny-YOLOv3: two heads of raw boxes, at a 32nd and a 16th of the resolution."""
    net = NetBuilder("tiny_yolov3", resolution, width=width)
    # Anchors times (box, objectness, classes).
    head = 3 * (4 + 1 + classes)
    x = net.input
    for index, channels in enumerate((16, 32, 64, 128)):
        x = _conv_leaky(net, f"conv{index}", x, channels, 3)
        x = net.max_pool(f"pool{index}", x, 2, 2)
    route = x = _conv_leaky(net, "conv4", x, 256, 3)
    x = _conv_leaky(net, "conv5", net.max_pool("pool4", x, 2, 2), 512, 3)
    x = _conv_leaky(net, "conv6", net.max_pool("pool5", x, 2, 1, end=1), 1024, 3)
    neck = _conv_leaky(net, "conv7", x, 256, 1)
    coarse = net.conv("head0", _conv_leaky(net, "conv8", neck, 512, 3), head, bias=True)
    x = net.upsample("upsample", _conv_leaky(net, "conv9", neck, 128, 1))
    x = _conv_leaky(net, "conv10", net.concat("concat", x, route), 256, 3)
    return net.model(coarse, net.conv("head1", x, head, bias=True))


def _conv_leaky(net: NetBuilder, name: str, x: Tensor, channels: int, kernel: int) -> Tensor:
    return conv_norm(net, name, x, net.wide(channels), kernel, act=NetBuilder.leaky_relu)
