"""The graph: data and questions, no algorithms."""

from accelgen.ir.graph import Graph, Node
from accelgen.ir.names import Names
from accelgen.ir.types import Quantization, TensorType

__all__ = ["Graph", "Names", "Node", "Quantization", "TensorType"]
