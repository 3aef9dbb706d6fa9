"""Networks by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import onnx

from accelgen.errors import ModelError
from accelgen.zoo.efficientnet import efficientnet_b0, efficientnet_b4
from accelgen.zoo.mobilenet import mobilenet_v1, mobilenet_v2
from accelgen.zoo.resnet import resnet18, resnet50
from accelgen.zoo.shufflenet import shufflenet_v2
from accelgen.zoo.squeezenet import squeezenet1_1
from accelgen.zoo.yolo import tiny_yolov3

__all__ = ["build", "default_resolution", "names"]

#: Below this the last maps of these networks vanish or hold nothing but padding.
_SMALLEST = 32
#: The hardware counts pixels of a row in twelve bits.
_LARGEST = 4095


@dataclass(frozen=True)
class _Entry:
    make: Callable[[int], onnx.ModelProto]
    resolution: int = 224
    multiple: int = 1  # of which the resolution must be one


_NETWORKS = {
    "efficientnet_b0": _Entry(efficientnet_b0),
    "efficientnet_b4": _Entry(efficientnet_b4, 256),
    "mobilenet_v1": _Entry(mobilenet_v1),
    "mobilenet_v2": _Entry(mobilenet_v2),
    "resnet18": _Entry(resnet18),
    "resnet50": _Entry(resnet50),
    "shufflenet_v2": _Entry(shufflenet_v2),
    "squeezenet1_1": _Entry(squeezenet1_1),
    "tiny_yolov3": _Entry(tiny_yolov3, 416, 32),
}


def names() -> tuple[str, ...]:
    """The networks :func:`build` knows."""
    return tuple(_NETWORKS)


def default_resolution(name: str) -> int:
    """Height and width of the network's input, unless told otherwise."""
    return _find(name).resolution


def build(name: str, resolution: int | None = None) -> onnx.ModelProto:
    """The network as ONNX (opset 17), input (1, 3, resolution, resolution), 1,000 logits out (of
    Tiny-YOLOv3, two maps of boxes).

    Structure as in the reference implementations; weights seeded, the same at any resolution;
    same bytes every time.

    Raises
    ------
    ModelError
        Unknown name, or a resolution the network has no pixels for.
    """
    entry = _find(name)
    size = entry.resolution if resolution is None else resolution
    if not _SMALLEST <= size <= _LARGEST:
        raise ModelError(f"zoo:{name} needs a resolution of {_SMALLEST} to {_LARGEST}, not {size}")
    if size % entry.multiple:
        raise ModelError(
            f"zoo:{name} needs a multiple of {entry.multiple}, not {size}: its maps "
            "are halved and joined"
        )
    return entry.make(size)


def _find(name: str) -> _Entry:
    if name not in _NETWORKS:
        raise ModelError(f"the zoo has no network '{name}'; it has {', '.join(_NETWORKS)}")
    return _NETWORKS[name]
