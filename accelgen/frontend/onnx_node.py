"""One ONNX node, with its attributes as plain Python values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import onnx
from google.protobuf.message import Message  # type: ignore[import-untyped]

from accelgen.errors import ModelError, UnsupportedOpError

__all__ = ["LARGEST", "OnnxNode", "shown"]

#: No kernel, stride, dilation or pad of a real network is larger: a damaged file is.
LARGEST = 65535

#: Longest value that a sentence can hold.
_LONGEST = 120


def shown(value: Any) -> str:
    """An attribute's value in a sentence: on one line, and not too long."""
    if isinstance(value, Message):
        return f"a {type(value).__name__}"
    text = " ".join(repr(value).split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


@dataclass(frozen=True)
class OnnxNode:
    """An ONNX node under a name that is unique in its model."""

    name: str
    op_type: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]
    proto: onnx.NodeProto

    @classmethod
    def read(cls, proto: onnx.NodeProto, name: str) -> OnnxNode:
        """Wrap ``proto``. Raises ModelError on an attribute that cannot be read."""
        attributes = {}
        for attribute in proto.attribute:
            if attribute.name in attributes:
                raise ModelError(
                    f"node '{name}' ({proto.op_type}) has attribute '{attribute.name}' twice",
                    node=name,
                )
            if attribute.type == onnx.AttributeProto.UNDEFINED:
                raise ModelError(
                    f"node '{name}' ({proto.op_type}): attribute '{attribute.name}' has no type;"
                    " export the model again",
                    node=name, attribute=attribute.name,
                )  # fmt: skip
            try:
                value = onnx.helper.get_attribute_value(attribute)
            except ValueError as error:
                raise ModelError(
                    f"node '{name}' ({proto.op_type}): attribute '{attribute.name}' is unreadable",
                    node=name,
                ) from error
            attributes[attribute.name] = (
                value.decode("utf-8", "replace") if isinstance(value, bytes) else value
            )
        inputs, outputs = tuple(proto.input), tuple(proto.output)
        return cls(name, proto.op_type, proto.domain, inputs, outputs, attributes, proto)

    @property
    def label(self) -> str:
        """How messages call it."""
        return f"node '{self.name}' ({self.op_type})"

    def get(self, attribute: str, default: Any) -> Any:
        """Value of an attribute, or ``default`` when it is not given."""
        return self.attributes.get(attribute, default)

    def has_input(self, index: int) -> bool:
        """Whether optional input ``index`` is connected."""
        return len(self.inputs) > index and bool(self.inputs[index])

    def pair(self, attribute: str, default: tuple[int, int]) -> tuple[int, int]:
        """A list of two positive integers. Raises UnsupportedOpError on another length."""
        value = tuple(self.get(attribute, default))
        if len(value) != 2:
            raise self.unsupported(attribute, value, "only 2-D kernels over NCHW maps are built")
        if min(value) < 1:
            raise ModelError(f"{self.label}: {attribute}={value} must be positive", node=self.name)
        if max(value) > LARGEST:
            raise self.unsupported(attribute, value, f"no more than {LARGEST} is read")
        return value

    def check_kernel_shape(
        self, kernel: tuple[int, ...], weight: str, shape: tuple[int, ...]
    ) -> None:
        """Raise ModelError unless kernel_shape, where given, is that of the weight."""
        given = self.attributes.get("kernel_shape", kernel)
        if tuple(given) != tuple(kernel):
            raise ModelError(
                f"{self.label}: kernel_shape={given}, but weight '{weight}' has shape {shape}",
                node=self.name,
            )

    def require(
        self, attribute: str, accepted: tuple[Any, ...], default: Any, way_out: str
    ) -> None:
        """Raise UnsupportedOpError unless the attribute has an accepted value."""
        value = self.get(attribute, default)
        if value not in accepted:
            raise self.unsupported(attribute, value, way_out)

    def unsupported(self, attribute: str, value: Any, way_out: str) -> UnsupportedOpError:
        """The error for one attribute's value."""
        if isinstance(value, list):
            value = tuple(value)
        found = f"has {attribute}={shown(value)}, which is not built"
        return self._unsupported(found, way_out, attribute)

    def rejected(self, found: str, way_out: str) -> UnsupportedOpError:
        """The error for anything else: what was found, and the way out."""
        return self._unsupported(found, way_out)

    def _unsupported(self, found: str, way_out: str, attribute: str = "") -> UnsupportedOpError:
        return UnsupportedOpError(
            f"{self.label} {found}; {way_out}",
            node=self.name, attribute=attribute, reason=found, way_out=way_out,
        )  # fmt: skip
