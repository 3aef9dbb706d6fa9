"""The int8 graph as it grows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.errors import MissingScaleError
from accelgen.ir import (
    LARGEST_SCALE,
    SMALLEST_SCALE,
    Graph,
    Names,
    Node,
    Quantization,
    TensorType,
    ops,
)
from accelgen.ir.imported import Imported
from accelgen.quant.elementwise import Curve
from accelgen.quant.tables import ALL_INT8
from accelgen.quant.weights import Integers

__all__ = ["Draft", "Given", "sources_of"]


@dataclass(frozen=True, kw_only=True)
class Given:
    """Integers that a QDQ file prescribes, by the names of the float graph's constants."""

    weight_scales: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict)
    weights: Mapping[str, npt.NDArray[np.int8]] = field(default_factory=dict)
    biases: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    bias_scales: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)

    @classmethod
    def of(cls, imported: Imported) -> Given:
        """All that the file says."""
        return cls(
            weight_scales=imported.weight_scales,
            weights=imported.integer_weights,
            biases=imported.integer_biases,
            bias_scales=imported.bias_scales,
        )


class Draft:
    """Nodes, types and constants of the int8 graph, and what is known of the float graph."""

    def __init__(
        self,
        graph: Graph,
        scales: Mapping[str, Quantization],
        given: Given | None,
        acc_bits: int,
        missing: Mapping[str, Quantization] | None = None,
    ) -> None:
        self.graph = graph
        self.scales = dict(scales)
        self.missing = missing or {}
        self.filled: dict[str, Quantization] = {}
        self.given = given or Given()
        self._is_file = given is not None
        self.acc_bits = acc_bits
        self.nodes: list[Node] = []
        self.tensors: dict[str, TensorType] = {}
        self.constants: dict[str, npt.NDArray[Any]] = {}
        self.integers: dict[str, Integers] = {}
        self.names = Names.of(graph, constants=False)
        # What each tensor is an elementwise function of, by the name of the tensor it starts from.
        self.roots: dict[str, dict[str, Curve]] = {}

    def scale(self, tensor: str) -> Quantization:
        """Scale of a tensor of the float graph; where it has none that which its only reader's
        output leaves it (a mean of which a sum is made), or of ``missing``."""
        if tensor not in self.scales and (derived := self._derived(tensor)) is not None:
            self.scales[tensor] = self.filled[tensor] = derived
        if tensor not in self.scales and tensor in self.missing:
            self.scales[tensor] = self.filled[tensor] = self.missing[tensor]
        if tensor not in self.scales:
            maker = self.graph.producer(tensor)
            place = f"the output of node {maker.name!r}" if maker else "the model's input"
            raise MissingScaleError(
                f"tensor {tensor!r}, {place}, has no scale; quantize every tensor, or give "
                "calibration data",
                node=maker.name if maker else "",
            )
        return self.scales[tensor]

    def from_file(self, tensor: str) -> bool:
        """Whether a file has the scale of ``tensor``: it was not chosen for it."""
        return self._is_file and tensor in self.scales and tensor not in self.filled

    def _derived(self, tensor: str) -> Quantization | None:
        """The scale with which a multiple of ``tensor`` has the numbers of ``tensor`` itself."""
        readers = self.graph.readers(tensor)
        if (
            len(readers) != 1
            or tensor in self.graph.outputs
            or readers[0].output not in self.scales
        ):
            return None
        reader = readers[0]
        channels = self.graph.tensors[tensor].shape[3]
        plain = ops.Conv2d(kernel=(1, 1), groups=channels)
        if reader.op != plain or len(reader.inputs) != 3:
            return None
        factors, shifts = (np.ravel(self.graph.constants[name]) for name in reader.inputs[1:])
        if shifts.any() or np.ptp(factors) or factors[0] <= 0:
            return None
        whole = self.scales[reader.output]
        scale = whole.scale / float(factors[0])
        if not SMALLEST_SCALE <= scale <= LARGEST_SCALE:
            return None
        return Quantization(float(np.float32(scale)), whole.zero_point)

    def type_of(self, tensor: str, like: str, quantization: Quantization | None = None) -> None:
        """Declare int8 ``tensor`` with the shape of the float graph's ``like``."""
        quantization = quantization or self.scale(like)
        self.tensors[tensor] = TensorType(self.graph.tensors[like].shape, "int8", quantization)
        self.roots[tensor] = {tensor: Curve(ALL_INT8, quantization, ())}

    def constant(self, name: str, array: npt.NDArray[Any]) -> str:
        """Add a constant, called ``name`` where that is free."""
        name = self.names.fresh(name)
        self.constants[name] = array
        self.tensors[name] = TensorType(array.shape, str(array.dtype))
        return name

    def add(
        self, node: Node, op: ops.Op, inputs: tuple[str, ...], clip: Node | None = None
    ) -> None:
        """Add the int8 operation that stands for ``node`` (and the clip fused with it)."""
        parts = (node,) if clip is None else (node, clip)
        output = parts[-1].output
        self.type_of(output, output)
        sources = tuple(name for part in parts for name in sources_of(part))
        self.nodes.append(replace(node, op=op, inputs=inputs, output=output, sources=sources))

    def add_table(self, node: Node, source: str, table: npt.NDArray[np.int8], name: str) -> None:
        """Add the table that makes ``node``'s output from ``source``."""
        inputs = (source, self.constant(f"{name}/table", table))
        self.add(replace(node, name=name), ops.QTable(), inputs)


def sources_of(node: Node) -> tuple[str, ...]:
    """Names of the ONNX nodes ``node`` stands for; its own when it does not say."""
    return node.sources or (node.name,)
