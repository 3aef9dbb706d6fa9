"""Wide logits: exact sums, no ties, onnxruntime's numbers, and the same graph read back."""

import numpy as np
import onnx
import pytest

from accelgen.errors import MissingScaleError, ModelError
from accelgen.frontend import load_onnx
from accelgen.golden.arith import real_array
from accelgen.golden.int8_ops import accumulate
from accelgen.golden.interpret import interpret, run_node
from accelgen.golden.outputs import model_outputs
from accelgen.golden.softmax import softmax
from accelgen.ir.logits_note import NOTE
from accelgen.ir.wide import narrowed, wide_nodes
from accelgen.quant import quantize, quantize_imported
from accelgen.quant.compare_ort import compare_ort, observe, run_ort
from accelgen.quant.write_qdq import to_qdq
from tests.quant.nets import Net
from tests.quant.test_write_qdq import assert_same


def classifier(*, softmax=False, classes=12):
    """A convolution, an average, a fully connected layer."""
    net = Net(6, 5, 3)
    y = net.conv(net.gap(net.act(net.conv("x", 16), "clip")), classes)
    y = net.softmax(y) if softmax else y
    return net.graph(y), net.samples(8)


def quantized(**options):
    graph, samples = classifier(**options)
    return quantize(graph, samples, wide=True), quantize(graph, samples), samples


def test_what_leaves_is_the_sum_and_its_step():
    wide, narrow, samples = quantized()
    (node,) = wide_nodes(wide.graph)
    values = interpret(wide.graph, samples)
    x, weight, bias = (values[node.inputs[0]], *(wide.graph.constants[i] for i in node.inputs[1:3]))
    integers = wide.integers[node.name]

    sums = values[node.output]

    assert sums.dtype == np.int32
    np.testing.assert_array_equal(sums, accumulate(node.op, x, weight) + bias)
    real = integers.bias_scale * (
        (x.astype(np.int64) - node.op.input_zero).reshape(len(x), -1)
        @ integers.weight.reshape(len(bias), -1).T.astype(np.int64)
        + integers.bias
    )
    got = real_array(sums, wide.graph.tensors[node.output]).reshape(len(x), -1)
    np.testing.assert_allclose(got, real, rtol=3e-7)
    assert_same(narrowed(wide.graph), narrow.graph)


def test_sums_of_one_step_differ_where_int8_ties():
    """All outputs nearly alike, and one far away that makes the scale coarse."""
    net = Net(1, 1, 3)
    weight = np.full((5, 1, 1, 3), 0.5) + np.arange(5)[:, None, None, None] * 1e-2
    net.conv("x", 5, weight=weight, bias=[0, 0, 0, 0, -500.0])
    samples = np.abs(net.samples(20)) + 0.5
    wide, narrow = (quantize(net.graph(), samples, wide=w) for w in (True, False))

    def ties(model):
        made = interpret(model.graph, samples)[model.graph.outputs[0]]
        rows = real_array(made, model.graph.tensors[model.graph.outputs[0]]).reshape(20, -1)
        return ((rows == rows.max(1, keepdims=True)).sum(1) > 1).mean()

    assert ties(narrow) > 0.9
    assert ties(wide) == 0


@pytest.mark.parametrize("softmax", [False, True])
def test_onnxruntime_gives_the_same_numbers(softmax):
    wide, _, samples = quantized(softmax=softmax)
    proto = to_qdq(wide)
    (node,) = wide_nodes(wide.graph)

    # Of onnxruntime's own integers before the layer; the file does not round after it.
    for sample, theirs in zip(samples, run_ort(proto, samples)[0], strict=True):
        (values,) = observe(wide.graph, proto, sample[None])
        assert node.output not in values
        for last in wide.graph.nodes[wide.graph.nodes.index(node) :]:
            values[last.output] = run_node(wide.graph, last, values)
        (ours,) = model_outputs(wide.graph, values).values()
        np.testing.assert_allclose(ours[0], theirs, rtol=2e-6, atol=2e-6)
    assert max(m.max_difference for m in compare_ort(wide.graph, proto, samples)) <= 1


@pytest.mark.parametrize("softmax", [False, True])
def test_reading_back_gives_the_same_graph_and_no_samples_are_needed(softmax):
    wide, narrow, _ = quantized(softmax=softmax)

    imported = load_onnx(to_qdq(wide))

    assert_same(quantize_imported(imported, wide=True).graph, wide.graph)
    # Where it has to be int8 its scale is the one that calibration found.
    assert_same(quantize_imported(imported).graph, narrow.graph)


def test_a_file_that_rounds_its_output_is_believed():
    _, narrow, _ = quantized()

    back = quantize_imported(load_onnx(to_qdq(narrow)), wide=True).graph

    assert_same(back, narrow.graph)


def test_another_tools_file_without_a_last_scale_leaves_its_sums():
    wide, _, samples = quantized()
    proto = to_qdq(wide)
    del proto.metadata_props[:]
    imported = load_onnx(proto)

    made = quantize_imported(imported, samples, wide=True)

    with pytest.raises(MissingScaleError, match=f"tensor '{wide.graph.outputs[0]}'"):
        quantize_imported(imported, wide=True)
    values = interpret(made.graph, samples)
    np.testing.assert_equal(values, interpret(wide.graph, samples))
    assert values[made.graph.outputs[0]].dtype == np.int32


def test_the_report_and_the_verdict_see_real_numbers():
    wide, narrow, _ = quantized()
    (node,) = wide_nodes(wide.graph)

    (last,) = [row for row in wide.report if row.node == node.name]
    (rounded,) = [row for row in narrow.report if row.node == node.name]

    assert last.quantization is None
    assert last.sqnr_db > rounded.sqnr_db > 20
    assert wide.verdict.sqnr_db == pytest.approx(last.sqnr_db, abs=0.1)


def test_softmax_reads_the_real_numbers():
    wide, _, samples = quantized(softmax=True)
    (node,) = wide_nodes(wide.graph)
    values = interpret(wide.graph, samples)

    want = softmax(real_array(values[node.output], wide.graph.tensors[node.output]))

    assert values[wide.graph.outputs[0]].tobytes() == want.tobytes()


@pytest.mark.parametrize(
    "text", ["", "[]", '{"y": 3}', '{"y": [1.0]}', '{"y": [NaN, 0]}', '{"y": [0.0, 0]}',
             '{"y": [0.1, 200]}', '{"y": ["a", 0]}', "[" * 100_000],
)  # fmt: skip
def test_a_note_that_accelgen_did_not_write_is_refused(text):
    proto = to_qdq(quantized()[0])
    assert [p.key for p in proto.metadata_props] == [NOTE]
    onnx.helper.set_model_props(proto, {NOTE: text})

    with pytest.raises(ModelError, match=f"the file's metadata '{NOTE}'"):
        load_onnx(proto)


def test_a_note_on_what_is_not_there_says_nothing():
    proto = to_qdq(quantized()[1])
    onnx.helper.set_model_props(proto, {NOTE: '{"nobody": [0.5, 3]}'})

    assert load_onnx(proto).logits == {}
