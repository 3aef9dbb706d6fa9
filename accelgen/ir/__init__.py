"""The graph: data and questions, no algorithms."""

from accelgen.ir.graph import Graph, Node
from accelgen.ir.types import Quantization, TensorType

__all__ = ["Graph", "Node", "Quantization", "TensorType"]
