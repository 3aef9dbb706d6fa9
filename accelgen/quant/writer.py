"""What ``write_qdq`` gives to those who write one operation."""

from __future__ import annotations

from typing import Any, Protocol

import numpy.typing as npt

from accelgen.ir import Graph, Names

__all__ = ["Writer"]


class Writer(Protocol):
    """What ``write_qdq`` appends nodes and constants with."""

    graph: Graph
    opset: int
    names: Names
    nodes: list[Any]

    def node(self, kind: str, name: str, inputs: list[str], output: str, **fields: Any) -> None:
        """Append one ONNX node."""

    def real(self, tensor: str) -> str:
        """The name under which operators read ``tensor``."""

    def constant(self, base: str, suffix: str, array: npt.NDArray[Any]) -> str:
        """Add an initializer; returns its name."""
