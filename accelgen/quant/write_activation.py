"""An elementwise function as ONNX nodes."""

from __future__ import annotations

import numpy as np
import onnx

from accelgen.ir import ops
from accelgen.ir.activations import COMPARISONS, KINDS
from accelgen.quant.writer import Writer

__all__ = ["write_activation"]


def write_activation(writer: Writer, name: str, op: ops.Activation, x: str, out: str) -> None:
    """Append what makes ``out`` of ``x``."""
    if op.kind == "clip":
        low, high = op.params
        if (low, high) == (0, np.inf):
            writer.node("Relu", name, [x], out)
            return
        limits = [
            writer.constant(name, f"/{end}", np.array(limit, np.float32))
            if np.isfinite(limit)
            else ""
            for end, limit in (("min", low), ("max", high))
        ]
        writer.node("Clip", name, [x, *limits], out)
    elif op.kind == "swish":
        gate = writer.names.of_part(out, "/sigmoid")
        writer.node("Sigmoid", writer.names.of_part(name, "/sigmoid"), [x], gate)
        writer.node("Mul", name, [x, gate], out)
    elif op.kind == "pow":
        exponent = writer.constant(
            name, "/exponent", np.array((op.params or KINDS["pow"].params)[0], np.float32)
        )
        writer.node("Pow", name, [x, exponent], out)
    elif op.kind in ("gelu", "gelu_tanh"):
        writer.node("Gelu", name, [x], out, approximate={"gelu": "none"}.get(op.kind, "tanh"))
    elif op.kind == "sqrt":
        writer.node("Sqrt", name, [x], out)
    elif op.kind in COMPARISONS.values():
        met = writer.names.of_part(out, "/met")
        limit = (op.params or KINDS[op.kind].params)[0]
        constant = writer.constant(name, "/limit", np.array(limit, np.float32))
        compare = next(op_type for op_type, kind in COMPARISONS.items() if kind == op.kind)
        writer.node(compare, writer.names.of_part(name, "/met"), [x, constant], met)
        writer.node("Cast", name, [met], out, to=onnx.TensorProto.FLOAT)
    elif op.kind == "identity":
        writer.node("Identity", name, [x], out)
    else:
        kind = KINDS[op.kind]
        names = (attribute for attribute, _ in kind.attributes)
        values = dict(zip(names, op.params or kind.params, strict=True))
        writer.node(kind.onnx, name, [x], out, **values)
