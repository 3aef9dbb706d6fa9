"""Networks by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import onnx

from accelgen.errors import ModelError
from accelgen.zoo.classic import alexnet, googlenet, vgg16
from accelgen.zoo.deformable import deformable
from accelgen.zoo.densenet import densenet121
from accelgen.zoo.efficientnet import (
    efficientnet_b0,
    efficientnet_b4,
    efficientnet_lite0,
    efficientnet_v2_s,
)
from accelgen.zoo.ghostnet import ghostnet
from accelgen.zoo.mixnet import mixnet_s
from accelgen.zoo.mobilenet import mobilenet_v1, mobilenet_v2
from accelgen.zoo.mobilenet_v3 import lraspp, mobilenet_v3_large, mobilenet_v3_small
from accelgen.zoo.mobilenet_v4 import mobilenet_v4_conv_small
from accelgen.zoo.movenet import movenet
from accelgen.zoo.nanodet import nanodet
from accelgen.zoo.pyramid import fpn_mobilenet_v2
from accelgen.zoo.reparameterized import mobileone_s0, repvgg_a0
from accelgen.zoo.resnet import resnet18, resnet50, se_resnet50
from accelgen.zoo.searched import mcunet, ofa
from accelgen.zoo.segnet import segnet
from accelgen.zoo.shiftnet import shiftnet
from accelgen.zoo.shufflenet import shufflenet_v1, shufflenet_v2
from accelgen.zoo.squeezenet import squeezenet1_1
from accelgen.zoo.unet import unet
from accelgen.zoo.yolo import tiny_yolov3
from accelgen.zoo.yolo_csp import yolov5n, yolov8n, yolox_nano

__all__ = ["build", "default_resolution", "names"]

#: Below this the last maps of these networks vanish or hold nothing but padding.
_SMALLEST = 32
#: The hardware counts pixels of a row in twelve bits.
_LARGEST = 4095


@dataclass(frozen=True)
class _Entry:
    make: Callable[[int, float, int], onnx.ModelProto]
    resolution: int = 224
    multiple: int = 1  # of which the resolution must be one
    classes: int = 1000
    smallest: int = _SMALLEST


_NETWORKS = {
    "alexnet": _Entry(alexnet, smallest=63),
    "deformable": _Entry(deformable),
    "densenet121": _Entry(densenet121),
    "efficientnet_b0": _Entry(efficientnet_b0),
    "efficientnet_b4": _Entry(efficientnet_b4, 256),
    "efficientnet_lite0": _Entry(efficientnet_lite0),
    "efficientnet_v2_s": _Entry(efficientnet_v2_s, 384),
    "fpn_mobilenet_v2": _Entry(fpn_mobilenet_v2, 224, 32),
    "ghostnet": _Entry(ghostnet),
    "googlenet": _Entry(googlenet),
    "lraspp": _Entry(lraspp, 512, 16, 21),
    "mcunet": _Entry(mcunet, 176),
    "mixnet_s": _Entry(mixnet_s),
    "mobilenet_v1": _Entry(mobilenet_v1),
    "mobilenet_v2": _Entry(mobilenet_v2),
    "mobilenet_v3_large": _Entry(mobilenet_v3_large),
    "mobilenet_v3_small": _Entry(mobilenet_v3_small),
    "mobilenet_v4_conv_small": _Entry(mobilenet_v4_conv_small),
    "mobileone_s0": _Entry(mobileone_s0),
    "movenet": _Entry(movenet, 192, 32, 17),
    "nanodet": _Entry(nanodet, 320, 32, 80),
    "ofa": _Entry(ofa, 152),
    "repvgg_a0": _Entry(repvgg_a0),
    "resnet18": _Entry(resnet18),
    "resnet50": _Entry(resnet50),
    "se_resnet50": _Entry(se_resnet50),
    "segnet": _Entry(segnet, 224, 32, 20),
    "shiftnet": _Entry(shiftnet),
    "shufflenet_v1": _Entry(shufflenet_v1),
    "shufflenet_v2": _Entry(shufflenet_v2),
    "squeezenet1_1": _Entry(squeezenet1_1),
    "tiny_yolov3": _Entry(tiny_yolov3, 416, 32, 80),
    "unet": _Entry(unet, 224, 16, 2),
    "vgg16": _Entry(vgg16),
    "yolov5n": _Entry(yolov5n, 640, 32, 80),
    "yolov8n": _Entry(yolov8n, 640, 32, 80),
    "yolox_nano": _Entry(yolox_nano, 416, 32, 80),
}


def names() -> tuple[str, ...]:
    """The networks :func:`build` knows."""
    return tuple(_NETWORKS)


def default_resolution(name: str) -> int:
    """Height and width of the network's input, unless told otherwise."""
    return _find(name).resolution


def build(
    name: str, resolution: int | None = None, *, width: float = 1.0, classes: int | None = None
) -> onnx.ModelProto:
    """The network as ONNX (opset 17, or 19 with DeformConv), input (1, 3, resolution, resolution);
    out come logits, of a detector its maps before decoding.

    Structure as in the reference implementations; weights seeded, the same at any resolution
    (where a fully connected layer reads a map, as AlexNet's and VGG's, but for that layer's);
    same bytes every time.

    Parameters
    ----------
    width : float
        Channels are so many times the published ones, rounded to what the blocks can share out.
    classes : int
        1,000 unless told otherwise; 80 of a detector, 21 of LR-ASPP.

    Raises
    ------
    ModelError
        Unknown name, or a resolution the network has no pixels for.
    """
    entry = _find(name)
    size = entry.resolution if resolution is None else resolution
    if not entry.smallest <= size <= _LARGEST:
        raise ModelError(
            f"zoo:{name} needs a resolution of {entry.smallest} to {_LARGEST}, not {size}"
        )
    if size % entry.multiple:
        raise ModelError(
            f"zoo:{name} needs a multiple of {entry.multiple}, not {size}: its maps "
            "are halved and joined"
        )
    return entry.make(size, width, entry.classes if classes is None else classes)


def _find(name: str) -> _Entry:
    if name not in _NETWORKS:
        raise ModelError(f"the zoo has no network '{name}'; it has {', '.join(_NETWORKS)}")
    return _NETWORKS[name]
