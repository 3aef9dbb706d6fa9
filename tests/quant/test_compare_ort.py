"""The comparison itself: it finds what is wrong, and only that."""

from dataclasses import replace

import numpy as np
import pytest

from accelgen.errors import ModelError
from accelgen.frontend import load_onnx
from accelgen.ir.ops import QAdd, QConv2d
from accelgen.quant import quantize, quantize_imported
from accelgen.quant.compare_ort import compare_ort, run_ort
from accelgen.quant.write_qdq import to_qdq
from tests.helpers.nets import make_net, node, weights
from tests.quant.nets import everything


@pytest.fixture(scope="module")
def quantized():
    graph, samples = everything()
    model = quantize(graph, samples)
    return model, to_qdq(model), samples


def test_all_int8_layers_are_compared_and_agree(quantized):
    model, proto, samples = quantized

    matches = compare_ort(model.graph, proto, samples)

    assert [m.node for m in matches] == [
        n.name for n in model.graph.nodes if model.graph.tensors[n.output].dtype == "int8"
    ]
    assert max(m.max_difference for m in matches) <= 1
    # Ties between the two ways of rounding are rare; on some thousand elements a few.
    assert sum(m.differing for m in matches) <= 0.002 * sum(m.elements for m in matches)


def broken(graph, kind, change):
    """``graph`` with the first node of ``kind`` changed; its name."""
    found = next(n for n in graph.nodes if isinstance(n.op, kind))
    wrong = replace(found, op=change(found.op))
    return graph.with_nodes(tuple(wrong if n is found else n for n in graph.nodes)), found.name


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        (QConv2d, lambda op: replace(op, pads=(1, 0, 0, 1))),
        (QConv2d, lambda op: replace(op, input_zero=op.input_zero + 20)),
        (QConv2d, lambda op: replace(op, output_zero=op.output_zero + 2)),
        (QAdd, lambda op: replace(op, shift=op.shift - 1)),
    ],
)
def test_a_broken_layer_is_found_and_named(quantized, kind, change):
    model, proto, samples = quantized
    graph, name = broken(model.graph, kind, change)

    wrong = [m.node for m in compare_ort(graph, proto, samples) if m.max_difference > 1]

    # The layers behind it are fed with onnxruntime's integers, so they are still right.
    assert wrong == [name]


def test_a_broken_constant_is_found(quantized):
    model, proto, samples = quantized
    constants = dict(model.graph.constants)
    name = next(n.inputs[1] for n in model.graph.nodes if isinstance(n.op, QConv2d))
    constants[name] = np.where(constants[name] == 127, 100, constants[name]).astype(np.int8)

    matches = compare_ort(replace(model.graph, constants=constants), proto, samples)

    assert matches[0].max_difference > 1


def test_a_file_that_is_no_model_is_a_sentence(tmp_path):
    (tmp_path / "x.onnx").write_bytes(b"no model")

    with pytest.raises(ModelError, match=r"cannot read '.*x\.onnx' as ONNX"):
        run_ort(tmp_path / "x.onnx", np.zeros((1, 2, 2, 1), np.float32))


VIEWS = {
    "a shuffle": [
        node("Reshape", "xd split", "u"), node("Transpose", "u", "t", perm=[0, 2, 1, 3, 4]),
        node("Reshape", "t joined", "y"),
    ],
    "turned before it is rounded": [
        node("Relu", "xd", "r"), node("Transpose", "r", "t", perm=[0, 2, 3, 1]),
        node("QuantizeLinear", "t s z", "q"), node("DequantizeLinear", "q s z", "y"),
    ],
    "turned within": [
        node("Transpose", "xd", "t", perm=[0, 2, 3, 1]), node("Relu", "t", "r"),
        node("QuantizeLinear", "r s z", "q"), node("DequantizeLinear", "q s z", "d"),
        node("Transpose", "d", "y", perm=[0, 3, 1, 2]),
    ],
    "a pixel, cut out in two steps of ours": [
        node("Slice", "xd from to axes steps", "t"), node("QuantizeLinear", "t s z", "q"),
        node("DequantizeLinear", "q s z", "y"),
    ],
    "nothing that is rounded": [node("GlobalMaxPool", "xd", "y")],
}  # fmt: skip


@pytest.mark.parametrize("name", VIEWS)
def test_what_the_model_sees_turned_is_not_compared_in_the_wrong_order(name):
    constants = {
        "s": np.float32(0.03), "z": np.int8(0), "split": np.array([1, 2, 3, 4, 5]),
        "joined": np.array([1, 6, 4, 5]), "from": np.array([3, 0]), "to": np.array([4, 5]),
        "axes": np.array([2, 3]), "steps": np.array([1, 5]),
    }  # fmt: skip
    enter = [node("QuantizeLinear", "x s z", "xq"), node("DequantizeLinear", "xq s z", "xd")]
    proto = make_net([*enter, *VIEWS[name]], constants, shape=(1, 6, 4, 5))
    samples = np.random.default_rng(0).standard_normal((1, 4, 5, 6)).astype(np.float32)
    graph = quantize_imported(load_onnx(proto), samples).graph

    matches = compare_ort(graph, proto, samples)

    assert all(m.max_difference <= 1 for m in matches)


def a_cube_behind(view):
    """A vector, a map again behind ``view``, then turned: all its sizes are 4, so that its shape
    does not tell its order."""
    turned = {"Unsqueeze": "u", "Reshape": "u", "none": "m"}[view]
    views = {
        "Unsqueeze": [node("Flatten", "m", "f"), node("Unsqueeze", "f axes", "u")],
        "Reshape": [node("Flatten", "m", "f"), node("Reshape", "f shape", "u")],
        "none": [],
    }[view]
    nodes = [
        node("QuantizeLinear", "x s z", "xq"), node("DequantizeLinear", "xq s z", "xd"),
        node("GlobalAveragePool", "xd", "m"), *views,
        node("Resize", f"{turned} _ sizes", "r", mode="nearest", nearest_mode="floor",
             coordinate_transformation_mode="asymmetric"),
        node("Conv", "r w", "c", pads=[1, 1, 1, 1]),
        node("Transpose", "c", "t", perm=[0, 2, 3, 1]), node("Mul", "t k", "n"),
        node("QuantizeLinear", "n s z", "q"), node("DequantizeLinear", "q s z", "d"),
        node("Transpose", "d", "e", perm=[0, 3, 1, 2]),
        node("Conv", "e w", "f0", pads=[1, 1, 1, 1]),
        node("QuantizeLinear", "f0 s z", "fq"), node("DequantizeLinear", "fq s z", "y"),
    ]  # fmt: skip
    constants = {
        "s": np.float32(0.03), "z": np.int8(0), "axes": np.array([2, 3]),
        "shape": np.array([1, 4, 1, 1]), "sizes": np.array([1, 1, 4, 4], np.float32),
        "k": np.array([1, -2, 3, 0.5], np.float32), "w": weights(4, 4, 3, 3),
    }  # fmt: skip
    return make_net(nodes, constants, shape=(1, 4, 5, 5))


@pytest.mark.parametrize("view", ["Unsqueeze", "Reshape", "none"])
def test_a_map_whose_shape_does_not_tell_its_order(view):
    """Behind what splits axes nothing is known of it, and it is not compared (seed 27, case
    21937)."""
    proto = a_cube_behind(view)
    samples = 3 * np.random.default_rng(0).standard_normal((4, 5, 5, 4)).astype(np.float32)
    graph = quantize_imported(load_onnx(proto), samples).graph

    matches = compare_ort(graph, proto, samples)

    assert all(m.max_difference <= 1 for m in matches)
    compared = {m.tensor for m in matches}
    assert ("n" in compared) == (view == "none")


def test_a_map_in_another_order_is_compared():
    """A model of NHWC: its Mul between two Transposes."""
    nodes = [
        node("QuantizeLinear", "x s z", "xq"), node("DequantizeLinear", "xq s z", "xd"),
        node("Transpose", "xd", "t", perm=[0, 2, 3, 1]), node("Mul", "t k", "n"),
        node("QuantizeLinear", "n s z", "q"), node("DequantizeLinear", "q s z", "d"),
        node("Transpose", "d", "e", perm=[0, 3, 1, 2]), node("GlobalAveragePool", "e", "y"),
    ]  # fmt: skip
    constants = {"s": np.float32(0.03), "z": np.int8(0), "k": np.float32([1, -2, 3, 0.5, 1, 1])}
    proto = make_net(nodes, constants, shape=(1, 6, 4, 5))
    samples = np.random.default_rng(0).standard_normal((1, 4, 5, 6)).astype(np.float32)
    graph = quantize_imported(load_onnx(proto), samples).graph

    (match,) = compare_ort(graph, proto, samples)

    assert (match.tensor, match.elements) == ("n", 120)
    assert match.max_difference <= 1
