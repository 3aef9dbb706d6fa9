"""A model by onnxruntime beside the golden model: float, int8, and the QDQ file we write."""

import numpy as np
import onnx
import onnxruntime

from accelgen.flow.network import read_network
from accelgen.golden.arith import dequantize_array
from accelgen.golden.interpret import interpret
from accelgen.golden.outputs import model_outputs
from accelgen.quant import quantize, quantize_imported
from accelgen.quant.write_qdq import to_qdq

__all__ = ["assert_int8_agrees", "assert_outputs_agree", "load_optimized", "ort_outputs"]


def ort_outputs(model, x):
    """All outputs by name, by onnxruntime without its optimisations."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {session.get_inputs()[0].name: x}), strict=True))


def load_optimized(model):
    """Have onnxruntime load ``model`` as it loads any file: with its optimizations."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def _as_ours(imported, x):
    """The model's own input as the graph takes it."""
    shape = imported.graph.tensors[imported.graph.input].shape
    if x.ndim == 4 and imported.input_layout == "nhwc":
        return x
    _, h, w, c = shape
    return np.ascontiguousarray(x.reshape(1, c, h, w).transpose(0, 2, 3, 1))


def assert_outputs_agree(model, *, path=None, seed=0):
    """Names, order, shapes and values of the outputs, float and int8, and of the file we write.

    ``path``: of the model, when it has external data.
    """
    imported = read_network(path or model)
    value = model.graph.input[0].type.tensor_type
    dims = [d.dim_value or 1 for d in value.shape.dim]
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(dims).astype(np.float32)
    if value.elem_type == onnx.TensorProto.UINT8:
        given = rng.integers(0, 256, dims).astype(np.uint8)
        x = dequantize_array(
            (given.astype(np.int16) - 128).astype(np.int8),
            imported.quantization[imported.graph.input],
        )
        wanted = ort_outputs(model, given)
    else:
        wanted = ort_outputs(model, x)
    ours = _as_ours(imported, x)
    if imported.quantization:
        made = quantize_imported(imported, ours)
        got, atol = model_outputs(made.graph, interpret(made.graph, ours)), None
    else:
        got, atol = model_outputs(imported.graph, interpret(imported.graph, ours)), 1e-4
    assert list(got) == list(wanted)
    for name, array in wanted.items():
        assert got[name].shape == array.shape, name
        # Of a quantized model: a step or two of its output, which it may not round itself.
        step = atol or 0.03 * max(float(np.abs(array).max()), 1e-3)
        np.testing.assert_allclose(got[name], array, rtol=1e-4, atol=step, err_msg=name)
    assert_int8_agrees(imported, x)


def assert_int8_agrees(imported, x):
    """The int8 golden model gives what onnxruntime gives of the QDQ file we write, to a step."""
    ours = _as_ours(imported, x)
    model = (
        quantize_imported(imported, ours)
        if imported.quantization
        else quantize(imported.graph, ours)
    )
    file = to_qdq(model)
    made = ort_outputs(file, ours.transpose(0, 3, 1, 2))
    golden = model_outputs(model.graph, interpret(model.graph, ours))
    assert list(made) == list(golden)
    for view in model.graph.model_outputs():
        one, two = (values[view.name].astype(np.float64) for values in (made, golden))
        assert one.shape == two.shape, view.name
        assert made[view.name].dtype == golden[view.name].dtype, view.name
        steps = [model.graph.tensors[p.tensor].quantization for p in view.pieces]
        step = max((q.scale for q in steps if q and view.dtype == "float32"), default=1.0)
        # Each layer may round a tie the other way: a step, seldom; then a few behind others.
        error = np.abs(one - two) / step
        assert error.max() <= (0 if view.choice else 4), view.name
        assert (error > 1.01).mean() < 0.01, view.name
    # What is read back is the same network.
    again = quantize_imported(read_network(file))
    assert [_shape_of(v) for v in again.graph.views] == [
        _shape_of(v) for v in model.graph.model_outputs()
    ]
    assert [n.op for n in again.graph.nodes] == [n.op for n in model.graph.nodes]


def _shape_of(view):
    how = view.name, view.axis, view.dtype, view.choice
    return how, [(p.split, p.order, p.shape) for p in view.pieces]
