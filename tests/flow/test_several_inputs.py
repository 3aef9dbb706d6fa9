"""Networks with several inputs, from a file to figures: import, quantize, estimate, evaluate."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

import accelgen
from accelgen.errors import AccelgenError, ModelError, QuantizationError
from accelgen.flow.network import read_network
from accelgen.golden.interpret import interpret
from accelgen.golden.outputs import model_outputs
from accelgen.quant import quantize, quantize_imported
from accelgen.quant.calibrate import calibrate
from accelgen.quant.compare_ort import compare_ort
from accelgen.quant.write_qdq import to_qdq
from tests.helpers.nets import node
from tests.helpers.several_inputs import MODELS, added, gated, given, save_given


def run_onnx(model, feed):
    data = model.SerializeToString()
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    return session.run(None, feed)


def nhwc(arrays):
    return {name: x.transpose(0, 2, 3, 1) for name, x in arrays.items()}


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_float_golden_model_is_onnxruntime(make):
    model = make()
    graph, x = read_network(model).graph, given(model, 1)

    found = model_outputs(graph, interpret(graph, nhwc(x)))

    assert graph.inputs == tuple(x)
    for got, want in zip(found.values(), run_onnx(model, x), strict=True):
        np.testing.assert_allclose(got, want, atol=1e-4)


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_quantized_file_has_a_scale_of_each_input_and_is_read_back(make):
    model = make()
    imported, x = read_network(model), nhwc(given(model))
    made = quantize(imported.graph, x, wide=True)

    file = to_qdq(made)
    again = quantize_imported(read_network(file), wide=True).graph

    scales = [made.graph.tensors[name].quantization for name in made.graph.inputs]
    assert len(set(scales)) == len(scales)
    assert [value.name for value in file.graph.input] == list(made.graph.inputs)
    assert again.inputs == made.graph.inputs
    assert again.tensors == made.graph.tensors
    matches = compare_ort(made.graph, file, x)
    assert {m.max_difference for m in matches} <= {0, 1}
    assert sum(m.differing for m in matches) < 0.02 * sum(m.elements for m in matches)


def test_one_comes_as_planes_and_one_as_pixels():
    """Only the second is turned, which is found by trying: each input has an order of its own."""
    model = added()
    model.graph.node.insert(0, node("Transpose", "positive", "depth", perm=[0, 3, 1, 2]))
    model.graph.node.insert(0, node("Relu", "pixels", "positive"))
    model.graph.input[1].CopyFrom(
        helper.make_tensor_value_info("pixels", TensorProto.FLOAT, (1, 12, 12, 1))
    )

    imported = read_network(model)

    assert imported.layouts == {"rgb": "nchw", "pixels": "nhwc"}
    assert imported.graph.tensors["pixels"].shape == (1, 12, 12, 1)
    x = given(added(), 1)
    feed = {"rgb": x["rgb"], "pixels": x["depth"].transpose(0, 2, 3, 1)}
    graph = imported.graph
    values = interpret(graph, {"rgb": nhwc(x)["rgb"], "pixels": feed["pixels"]})
    (got,) = model_outputs(graph, values).values()
    np.testing.assert_allclose(got, run_onnx(model, feed)[0], atol=1e-4)


def test_inputs_of_integers_each_with_its_scale():
    """uint8 pixels and an int8 map, as files have them that were quantized elsewhere."""
    model = added()
    for name, kind, scale, zero in (
        ("rgb", np.uint8, 0.04, 120), ("depth", np.int8, 0.2, -3),
    ):  # fmt: skip
        constants = {f"{name}_s": np.float32(scale), f"{name}_z": kind(zero)}
        model.graph.initializer.extend(
            onnx.numpy_helper.from_array(np.asarray(a), n) for n, a in constants.items()
        )
        conv = next(n for n in model.graph.node if n.input[0] == name)
        conv.input[0] = f"{name}_real"
        entry = node("DequantizeLinear", f"{name} {name}_s {name}_z", f"{name}_real")
        model.graph.node.insert(0, entry)
        value = next(v for v in model.graph.input if v.name == name)
        value.type.tensor_type.elem_type = helper.np_dtype_to_tensor_dtype(np.dtype(kind))

    imported = read_network(model)

    scales = {name: (q.scale, q.zero_point) for name, q in imported.quantization.items()}
    assert scales["rgb"] == (pytest.approx(0.04), 120 - 128)
    assert scales["depth"] == (pytest.approx(0.2), -3)
    graph = quantize_imported(imported, nhwc(given(added()))).graph
    assert {m.max_difference for m in compare_ort(graph, model, nhwc(given(added())))} <= {0, 1}


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_check_estimate_and_evaluate(tmp_path, make):
    net, data = save_given(make(), tmp_path)
    hardware = accelgen.target(preset="small")

    checked = accelgen.check(net, hardware)
    estimated = accelgen.estimate(net, hardware)
    judged = accelgen.evaluate(net, data, calib=data)

    assert checked.builds, checked.refusal
    handed = [k.node for k in estimated.ps.input_kernels if k.op == "quantize"]
    assert handed == list(given(make(), 1))
    assert judged.pictures == 9
    assert judged.int8.sqnr_db > 20
    assert judged.onnxruntime.sqnr_db == pytest.approx(judged.int8.sqnr_db, abs=3)


def test_labels_beside_the_inputs(tmp_path):
    model = added()
    net, _ = save_given(model, tmp_path)
    x = given(model)
    (logits,) = zip(*(run_onnx(model, {k: v[i : i + 1] for k, v in x.items()}) for i in range(9)),
                    strict=True)  # fmt: skip
    np.savez(tmp_path / "data.npz", y=np.concatenate(logits).argmax(axis=1), **x)

    judged = accelgen.evaluate(net, tmp_path / "data.npz", calib=tmp_path / "data.npz")

    assert judged.labelled == 9
    assert judged.float.top1 == 1


def without(name):
    return lambda x: {n: v for n, v in x.items() if n != name}


BAD = {
    "no array of an input": (without("depth"), "given is no 'depth'"),
    "none of either": (lambda x: {"x": x["rgb"]}, "no array 'rgb' or 'depth'"),
    "an array too many": (lambda x: x | {"z": x["rgb"]}, "given is 'z', which is none of them"),
    "a shape": (lambda x: x | {"depth": x["rgb"]}, r"given.npz: depth have shape \(9, 3, 12, 12\)"),
    "fewer of one": (lambda x: x | {"rgb": x["rgb"][:4]}, "holds 4 of 'rgb', 9 of 'depth'"),
    "pixels": (lambda x: x | {"rgb": x["rgb"].astype(np.uint8)}, "given.npz: rgb are uint8"),
    "one colour": (lambda x: x | {"depth": 0 * x["depth"]}, "is of one colour"),
    "infinity": (lambda x: x | {"depth": x["depth"] / np.float32(0)}, "depth holds NaN or inf"),
}


@pytest.mark.filterwarnings("ignore:divide by zero")
@pytest.mark.parametrize(("change", "sentence"), BAD.values(), ids=BAD)
def test_samples_that_do_not_fit(tmp_path, change, sentence):
    net, data = save_given(added(), tmp_path)
    np.savez(data, **change(given(added())))

    with pytest.raises(QuantizationError, match=sentence):
        accelgen.compile(net, accelgen.target(preset="small"), calib=data)


def test_pictures_and_single_arrays_are_refused(tmp_path):
    net, _ = save_given(added(), tmp_path)
    np.save(tmp_path / "x.npy", given(added())["rgb"])
    (tmp_path / "folder").mkdir()

    for data in (tmp_path / "x.npy", tmp_path / "folder"):
        with pytest.raises(
            QuantizationError, match=r"has 2 inputs: give an \.npz .*'rgb', 'depth'"
        ):
            accelgen.quantize(net, tmp_path / "q.onnx", calib=data)
    with pytest.raises(QuantizationError, match=r"there is no .*none\.npz; give an \.npz"):
        accelgen.evaluate(net, tmp_path / "none.npz")
    for where in (tmp_path / "given.npz", None):
        scaled = accelgen.Calibration(where=where, pictures=accelgen.Pictures(preset="imagenet"))
        with pytest.raises(QuantizationError, match="has 2 inputs, and pictures become one"):
            accelgen.quantize(net, tmp_path / "q.onnx", calib=scaled)


def test_arrays_that_do_not_fit_in_python():
    graph, x = read_network(gated()).graph, nhwc(given(gated(), 2))
    for wrong, sentence in (
        (x["search"], "inputs 'template', 'search': give an array of each"),
        (without("search")(x), "given is no 'search'"),
        (x | {"other": x["search"]}, "given is 'other', which is none of them"),
        (x | {"search": x["search"][:1]}, "'template' there are 2 samples, of 'search' 1"),
        (x | {"search": x["template"]}, r"'search'.*\(n, 12, 12, 3\)"),
    ):
        with pytest.raises(ModelError, match=sentence):
            interpret(graph, wrong)
        with pytest.raises(QuantizationError, match=sentence):
            calibrate(graph, wrong)


def test_one_input_may_be_given_by_name():
    model = MODELS["late"]()
    del model.graph.input[1], model.graph.node[-1]
    model.graph.output[0].name = "d"
    graph, x = read_network(model).graph, nhwc(given(model, 1))["x"]

    assert np.array_equal(interpret(graph, {"x": x})["d"], interpret(graph, x)["d"])
    with pytest.raises(ModelError, match="has input 'x'; given is no 'x'"):
        interpret(graph, {"z": x})


def test_names_that_are_twice():
    model = added()
    model.graph.input[1].name = "rgb"

    with pytest.raises(AccelgenError, match="input 'rgb' is listed twice"):
        read_network(model)
