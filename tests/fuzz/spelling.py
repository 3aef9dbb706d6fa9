"""A model under construction, in the words of one opset: constants, views, attributes or inputs."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.fuzz.choices import Choices

__all__ = ["Model"]

#: Names that have been taken for the compiler's own, or broke files and terminals.
ODD_NAMES = (
    "{}",
    "{}/weight",
    "t/for/{}",
    "{}/int8",
    "{}.out",
    "модель{}",
    "{} x",
    "{}:0",
    "/{}/Conv",
)


class Model:
    """Nodes, constants and shapes (as ONNX sees them) of a model of ``opset``.

    Every method that adds a node returns the name of the tensor it makes.
    """

    def __init__(self, choices: Choices, opset: int, shape: tuple[int, ...]) -> None:
        self.choices, self.opset = choices, opset
        self.rng = np.random.default_rng(choices.below(1 << 16))
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}
        self.input, self.input_shape = "x", shape
        self.shapes: dict[str, tuple[int, ...]] = {"x": shape}
        self.odd = choices.one_of(ODD_NAMES) if choices.chance(15) else "{}"
        self.by_node = choices.chance(20)  # constants as Constant nodes
        self.named = not choices.chance(20)

    def constant(self, array, how: str = "") -> str:
        """A constant, as initializer, Constant node, or behind Identity or Cast."""
        array = np.asarray(array)
        name = self.odd.format(f"c{len(self.constants) + len(self.nodes)}{how}")
        if self.by_node:
            tensor = numpy_helper.from_array(array, name)
            self.nodes.append(helper.make_node("Constant", [], [name], value=tensor))
            return name
        self.constants[name] = array
        if array.dtype == np.float32 and self.choices.chance(3):
            if array.size and self.choices.chance(50):
                self.constants[name] = array.astype(np.float16)
                self.nodes.append(helper.make_node("Cast", [name], [name + "f"], to=1))
                return name + "f"
            self.nodes.append(helper.make_node("Identity", [name], [name + "i"]))
            return name + "i"
        return name

    def floats(self, *shape: int, scale: float | None = None) -> str:
        """A constant of normal numbers, He-scaled by default."""
        scale = float(np.sqrt(2 / max(np.prod(shape[1:]), 1))) if scale is None else scale
        return self.constant((self.rng.standard_normal(shape) * scale).astype(np.float32))

    def ints(self, *values: int) -> str:
        """A constant of int64 in one dimension."""
        return self.constant(np.array(values, np.int64))

    def add(self, op: str, inputs: list[str], shape, outputs: int = 1, **attributes) -> str:
        """A node; with several ``outputs``, ``shape`` is a list; the first's name returns."""
        at = len(self.nodes)
        names = [self.odd.format(f"t{at}" + "abcdefgh"[i] * (i > 0)) for i in range(outputs)]
        node = helper.make_node(op, inputs, names, f"{op.lower()}_{at}" if self.named else "")
        for key, value in attributes.items():
            if value is not None:
                node.attribute.append(helper.make_attribute(key, value))
        self.nodes.append(node)
        for name, size in zip(names, [shape] if outputs == 1 else shape, strict=True):
            self.shapes[name] = tuple(size)
        return names[0]

    # Operators whose spelling depends on the opset.

    def clip(self, x: str, low: float | None, high: float | None) -> str:
        """Clip, its limits as attributes or inputs."""
        if self.opset < 11:
            least, most = (None if v is None else float(v) for v in (low, high))
            return self.add("Clip", [x], self.shapes[x], min=least, max=most)
        limits = ["" if v is None else self.constant(np.float32(v)) for v in (low, high)]
        while limits and not limits[-1]:
            limits.pop()
        return self.add("Clip", [x, *limits], self.shapes[x])

    def squeeze(self, x: str, axes: list[int], op: str = "Squeeze") -> str:
        """Squeeze or Unsqueeze."""
        old = list(self.shapes[x])
        if op == "Squeeze":
            shape = [n for i, n in enumerate(old) if i not in axes]
        else:
            shape = old
            for axis in sorted(axes):
                shape.insert(axis, 1)
        if self.opset < 13:
            return self.add(op, [x], shape, axes=axes)
        return self.add(op, [x, self.ints(*axes)], shape)

    def reduce(self, x: str, keep: bool, op: str = "ReduceMean") -> str:
        """Mean over the map, or another reduction."""
        n, c, _, _ = self.shapes[x]
        shape = (n, c, 1, 1) if keep else (n, c)
        axes = [2, 3] if self.choices.below(2) == 0 or self.opset < 11 else [-1, -2]
        how = {} if keep and self.choices.chance(50) else {"keepdims": int(keep)}
        if self.opset < (13 if op == "ReduceSum" else 18):
            return self.add(op, [x], shape, axes=axes, **how)
        return self.add(op, [x, self.ints(*axes)], shape, **how)

    def pad(self, x: str, pads: tuple[int, int, int, int], **how) -> str:
        """Pad of height and width (top, left, bottom, right)."""
        n, c, h, w = self.shapes[x]
        top, left, bottom, right = pads
        every = [0, 0, top, left, 0, 0, bottom, right]
        shape = (n, c, h + top + bottom, w + left + right)
        if self.opset < 11:
            return self.add("Pad", [x], shape, pads=every, **how)
        if self.opset >= 18 and self.choices.chance(30):
            return self.add("Pad", [x, self.ints(*pads), "", self.ints(2, 3)], shape, **how)
        value = [self.constant(np.float32(0))] if self.choices.chance(50) else []
        return self.add("Pad", [x, self.ints(*every), *value], shape, **how)

    def split(self, x: str, sizes: list[int]) -> list[str]:
        """Split of the channels."""
        n, _, h, w = self.shapes[x]
        shapes = [(n, size, h, w) for size in sizes]
        equal = len(set(sizes)) == 1 and self.choices.chance(50)
        if equal:
            how = {"num_outputs": len(sizes)} if self.opset >= 18 else {}
            first = self.add("Split", [x], shapes, len(sizes), axis=1, **how)
        elif self.opset < 13:
            first = self.add("Split", [x], shapes, len(sizes), axis=1, split=sizes)
        else:
            first = self.add("Split", [x, self.ints(*sizes)], shapes, len(sizes), axis=1)
        return list(self.nodes[-1].output) if first else []

    def cut(self, x: str, start: int, end: int) -> str:
        """Slice of the channels."""
        n, c, h, w = self.shapes[x]
        shape = (n, min(end, c) - start, h, w)
        if end == c and self.choices.chance(50):
            end = (1 << 63) - 1
        if self.opset < 10:
            return self.add("Slice", [x], shape, axes=[1], starts=[start], ends=[end])
        step = [self.ints(1)] if self.choices.chance(30) else []
        given = [self.ints(start), self.ints(end), self.ints(1), *step]
        return self.add("Slice", [x, *given], shape)

    def upsample(self, x: str, by: tuple[int, int] = (2, 2)) -> str:
        """Nearest, by two numbers."""
        n, c, h, w = self.shapes[x]
        shape = (n, c, by[0] * h, by[1] * w)
        if self.opset < 9:
            return self.add(
                "Upsample", [x], shape, mode="nearest", scales=[1.0, 1.0, *map(float, by)]
            )
        scales = [self.constant(np.array([1, 1, *by], np.float32))]
        if self.opset < 10:
            return self.add("Upsample", [x, *scales], shape, mode="nearest")
        if self.opset < 11:
            return self.add("Resize", [x, *scales], shape, mode="nearest")
        how = {"mode": "nearest", "nearest_mode": "floor"}
        how["coordinate_transformation_mode"] = "asymmetric"
        if self.choices.chance(30):
            how["coordinate_transformation_mode"] = "half_pixel"
            how["nearest_mode"] = self.choices.one_of(["round_prefer_floor", "round_prefer_ceil"])
        if self.choices.chance(30):
            return self.add("Resize", [x, "", "", self.ints(*shape)], shape, **how)
        roi = (
            ""
            if self.opset > 12 or self.choices.below(2)
            else self.constant(np.zeros(0, np.float32))
        )
        if not roi and self.opset < 13:
            roi = self.constant(np.zeros(0, np.float32))
        return self.add("Resize", [x, roi, *scales], shape, **how)

    def reshape(self, x: str, shape: list[int]) -> str:
        """Reshape to a constant shape, one of the exporters' ways of saying it."""
        said = list(shape)
        way = self.choices.below(5)
        if way == 1:
            said[self.choices.below(len(said))] = -1
        elif way == 2:
            same = [i for i, n in enumerate(shape) if self.shapes[x][i : i + 1] == (n,)]
            for i in same[:2]:
                said[i] = 0
        elif way == 3:
            return self.add("Reshape", [x, self._computed(x, said)], shape)
        return self.add("Reshape", [x, self.ints(*said)], shape)

    def _computed(self, x: str, shape: list[int]) -> str:
        """torch's way: Shape, Gather, Unsqueeze, Concat."""
        dims = self.add("Shape", [x], (len(self.shapes[x]),))
        batch = self.add("Gather", [dims, self.constant(np.array(0, np.int64))], (), axis=0)
        self.shapes[batch] = ()
        first = self.squeeze(batch, [0], "Unsqueeze")
        return self.add("Concat", [first, self.ints(*shape[1:])], (len(shape),), axis=0)

    # The end.

    def proto(self, outputs: list[str], kind: int = TensorProto.FLOAT) -> onnx.ModelProto:
        """The model from its input to ``outputs``."""
        tensors = [numpy_helper.from_array(a, n) for n, a in self.constants.items()]
        listed = [helper.make_tensor_value_info(self.input, kind, self.input_shape)]
        if self.choices.chance(10):  # as old exporters do
            listed += [helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in tensors]
        indices = {n.output[0] for n in self.nodes if n.op_type in ("ArgMax", "ArgMin")}
        ends = [
            helper.make_tensor_value_info(
                y,
                TensorProto.INT64 if y in indices else TensorProto.FLOAT,
                self.shapes[y] if self.choices.below(2) else None,
            )
            for y in outputs
        ]
        graph = helper.make_graph(self.nodes, "drawn", listed, ends, tensors)
        imports = [helper.make_opsetid("", self.opset)]
        version = 8 if self.opset < 20 else 10
        return helper.make_model(graph, opset_imports=imports, ir_version=version)
