"""The graph: data and questions, no algorithms."""

from accelgen.ir.graph import Graph, Node
from accelgen.ir.names import Names
from accelgen.ir.types import (
    LARGEST_SCALE,
    SMALLEST_SCALE,
    SMALLEST_STEP,
    Quantization,
    TensorType,
)

__all__ = [
    "LARGEST_SCALE", "SMALLEST_SCALE", "SMALLEST_STEP", "Graph", "Names", "Node", "Quantization",
    "TensorType",
]  # fmt: skip
