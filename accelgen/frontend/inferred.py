"""Shapes that onnx infers, for what the importers cannot read: in a process of their own."""

from __future__ import annotations

import subprocess
import sys

import onnx
import onnx.onnx_cpp2py_export

__all__ = ["inferred_shapes"]

#: Initializers of more bytes are weights: only their type and sizes are told.
_LARGEST_TOLD = 1 << 14
#: Seconds that onnx may take, and bytes of its answer.
_SECONDS, _LARGEST_ANSWER = 20, 1 << 26
_MEMORY = 4 << 30
#: onnx's extension alone, without the package around it and without numpy: some 70 ms.
_CHILD = f"""
import resource, sys
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_file_location
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_AS, ({_MEMORY}, {_MEMORY}))
name = "onnx.onnx_cpp2py_export"
loader = ExtensionFileLoader(name, sys.argv[1])
module = module_from_spec(spec_from_file_location(name, sys.argv[1], loader=loader))
loader.exec_module(module)
data = sys.stdin.buffer.read()
made = module.shape_inference.infer_shapes(data, False, False, False)
if len(made) <= {_LARGEST_ANSWER}:
    sys.stdout.buffer.write(made)
"""


def inferred_shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Shapes of tensors as onnx infers them; a symbolic batch is 1, other unknown sizes are 0.

    onnx infers in C++, with assertions: a Slice of a map whose sizes came out negative ends the
    process it runs in, and no list of such operators would ever be whole. So a child process asks,
    with a limit of time and of memory. When it dies, or takes too long, the result is empty: no
    shape is known but what the importers say. It takes a tenth of a second, so ask only when a
    node cannot be read.
    """
    extension = onnx.onnx_cpp2py_export.__file__
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _CHILD, extension],
            input=_outline(model).SerializeToString(),
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=_SECONDS, check=True,
        )  # fmt: skip
        graph = onnx.ModelProto.FromString(done.stdout).graph
    except Exception:  # whatever it stumbles on, the walk reports itself
        return {}
    shapes = {}
    for value in (*graph.value_info, *graph.output):
        sizes = [d.dim_value for d in value.type.tensor_type.shape.dim]
        if sizes:
            shapes[value.name] = (sizes[0] or 1, *sizes[1:])
    return shapes


def _outline(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without its weights: those become inputs."""
    graph = model.graph
    outline = onnx.ModelProto(
        ir_version=model.ir_version, opset_import=model.opset_import, functions=model.functions,
        graph=onnx.GraphProto(
            name=graph.name, node=graph.node, input=graph.input, output=graph.output,
            value_info=graph.value_info,
        ),
    )  # fmt: skip
    known = {value.name for value in graph.input}
    for tensor in graph.initializer:
        if tensor.ByteSize() <= _LARGEST_TOLD:
            outline.graph.initializer.append(tensor)
        elif tensor.name not in known:
            place = outline.graph.input.add(name=tensor.name).type.tensor_type
            place.elem_type = tensor.data_type
            place.shape.SetInParent()
            for size in tensor.dims:
                place.shape.dim.add(dim_value=size)
    return outline
