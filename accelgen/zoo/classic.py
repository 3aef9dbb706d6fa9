"""AlexNet, VGG-16 and GoogLeNet (torchvision's)."""

from __future__ import annotations

import onnx

from accelgen.zoo.blocks import classify, conv_norm
from accelgen.zoo.net_builder import NetBuilder, Tensor

__all__ = ["alexnet", "googlenet", "vgg16"]

#: VGG-16: output channels of each convolution; a pool where there is None.
_VGG16 = (
    64, 64, None, 128, 128, None, 256, 256, 256, None, 512, 512, 512, None, 512, 512, 512, None,
)  # fmt: skip
#: GoogLeNet: channels of 1x1; of 1x1 and 3x3; of 1x1 and 3x3 (torchvision's, 5x5 in the paper); of
#: 1x1 behind a pool. A number alone is a pool with that kernel.
_INCEPTIONS: tuple[tuple[int, int, int, int, int, int] | int, ...] = (
    (64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64), 3,
    (192, 96, 208, 16, 48, 64), (160, 112, 224, 24, 64, 64), (128, 128, 256, 24, 64, 64),
    (112, 144, 288, 32, 64, 64), (256, 160, 320, 32, 128, 128), 2,
    (256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128),
)  # fmt: skip


def alexnet(resolution: int, width: float, classes: int) -> onnx.ModelProto:
    """AlexNet without groups; its first fully connected layer takes the map it gets, 6x6 at 224."""
    net = NetBuilder("alexnet", resolution, width=width)
    x = _conv_relu(net, "features.0", net.input, 64, 11, stride=4, pad=2)
    x = _conv_relu(net, "features.3", net.max_pool("features.2", x, 3, 2), 192, 5)
    x = _conv_relu(net, "features.6", net.max_pool("features.5", x, 3, 2), 384, 3)
    x = _conv_relu(net, "features.8", x, 256, 3)
    x = net.max_pool("features.12", _conv_relu(net, "features.10", x, 256, 3), 3, 2)
    return net.model(_three_linear(net, x, classes, ("classifier.1", "classifier.4")))


def vgg16(resolution: int, width: float, classes: int) -> onnx.ModelProto:
    """VGG-16; its first fully connected layer takes the map it gets, 7x7 at 224."""
    net = NetBuilder("vgg16", resolution, width=width)
    x = net.input
    index = 0
    for channels in _VGG16:
        name = f"features.{index}"
        x = _conv_relu(net, name, x, channels, 3) if channels else net.max_pool(name, x, 2, 2)
        index += 2 if channels else 1
    return net.model(_three_linear(net, x, classes, ("classifier.0", "classifier.3")))


def _conv_relu(
    net: NetBuilder, name: str, x: Tensor, channels: int, kernel: int, *, stride: int = 1,
    pad: int | None = None,
) -> Tensor:  # fmt: skip
    x = net.conv(name, x, net.wide(channels), kernel, stride=stride, pad=pad, bias=True)
    return net.relu(f"{name}.relu", x)


def _three_linear(net: NetBuilder, x: Tensor, classes: int, names: tuple[str, str]) -> Tensor:
    for name in names:
        x = net.linear(name, x, net.wide(4096), over_map=name == names[0])
        x = net.relu(f"{name}.relu", x)
    return net.linear("classifier.6", x, classes)


def googlenet(resolution: int, width: float, classes: int) -> onnx.ModelProto:
    """GoogLeNet with BatchNormalization: nine inception blocks."""
    net = NetBuilder("googlenet", resolution, width=width)
    x = _unit(net, "conv1", net.input, 64, 7, stride=2)
    x = net.max_pool("maxpool1", x, 3, 2, ceil=True)
    x = _unit(net, "conv3", _unit(net, "conv2", x, 64, 1), 192, 3)
    x = net.max_pool("maxpool2", x, 3, 2, ceil=True)
    for index, block in enumerate(_INCEPTIONS):
        name = f"inception.{index}"
        x = (
            net.max_pool(name, x, block, 2, ceil=True)
            if isinstance(block, int)
            else _inception(net, name, x, *block)
        )
    return net.model(classify(net, "fc", x, classes))


def _inception(
    net: NetBuilder, name: str, x: Tensor, one: int, reduce2: int, three2: int, reduce3: int,
    three3: int, pooled: int,
) -> Tensor:  # fmt: skip
    """Four branches, joined."""
    branch1 = _unit(net, f"{name}.branch1", x, one, 1)
    branch2 = _unit(
        net, f"{name}.branch2.1", _unit(net, f"{name}.branch2.0", x, reduce2, 1), three2, 3
    )
    branch3 = _unit(
        net, f"{name}.branch3.1", _unit(net, f"{name}.branch3.0", x, reduce3, 1), three3, 3
    )
    branch4 = net.max_pool(f"{name}.branch4.0", x, 3, 1, pad=1)
    branch4 = _unit(net, f"{name}.branch4.1", branch4, pooled, 1)
    return net.concat(f"{name}.concat", branch1, branch2, branch3, branch4)


def _unit(
    net: NetBuilder, name: str, x: Tensor, channels: int, kernel: int, *, stride: int = 1
) -> Tensor:
    return conv_norm(
        net, name, x, net.wide(channels), kernel, stride=stride, epsilon=1e-3, act=NetBuilder.relu
    )
