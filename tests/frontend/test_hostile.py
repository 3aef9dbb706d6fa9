"""Files that are damaged, or meant to hurt: one sentence, soon, and little memory."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from accelgen.arch import PRESETS
from accelgen.errors import AccelgenError, ModelError
from accelgen.flow.network import read_network
from accelgen.flow.verdicts import check_model
from accelgen.frontend import load_onnx
from tests.helpers.nets import make_net, node, weights

ARCH = PRESETS["small"]


def refusal(model):
    """What check says."""
    try:
        return check_model(model, arch=ARCH).refusal
    except AccelgenError as error:
        return str(error)


def sentence(model):
    """What check and the reader say; they must say the same."""
    with pytest.raises(AccelgenError) as caught:
        read_network(model)
    assert refusal(model) == str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


#: Nodes that make ``k`` of constants, and what is said.
FOLDED = {
    "a loop": ([node("Loop", "a", "k", body=helper.make_graph([], "g", [], []))], "Loop"),
    "a regular expression": ([node("RegexFullMatch", "a", "k", pattern="(a+)+$")], "Regex"),
    "2^60 numbers": ([node("ConstantOfShape", "big", "k")], "a model may make 134,217,728 in all"),
    "an expansion": ([node("Expand", "a big", "k")], "a model may make 134,217,728 in all"),
    "tiles": ([node("Tile", "m t", "k")], "a model may make 134,217,728 in all"),
    "a range": ([node("Range", "zero end one", "k")], "a model may make 134,217,728 in all"),
    "a range of no steps": ([node("Range", "zero end zero", "k")], "cannot be computed"),
    "pads": ([node("Pad", "m p", "k")], "a model may make 134,217,728 in all"),
    "an outer product": ([node("MatMul", "col row", "k")], "a model may make 134,217,728 in all"),
    "a size below zero": ([node("ConstantOfShape", "minus", "k")], "cannot be computed"),
    "no input": ([node("ConstantOfShape", "", "k")], "0 inputs; the operator has 1"),
    "doubling": (
        [node("Concat", "m m", "k0", axis=0)]
        + [node("Concat", f"k{i} k{i}", f"k{i + 1}", axis=0) for i in range(24)]
        + [node("Concat", "k24 k24", "k", axis=0)],
        "a model may make 65,536 in all",
    ),
}  # fmt: skip
CONSTANTS = {
    "a": np.ones(1, np.float32), "big": np.array([1 << 30, 1 << 30]), "m": np.ones((8, 8), "f4"),
    "t": np.array([1 << 20, 1 << 20]), "p": np.array([1 << 15] * 4), "zero": np.int64(0),
    "end": np.int64(1 << 60), "one": np.int64(1), "minus": np.array([-4]),
    "col": np.ones((1 << 15, 1), "f4"), "row": np.ones((1, 1 << 15), "f4"),
}  # fmt: skip


@pytest.mark.parametrize("name", FOLDED)
def test_constants_are_folded_within_limits(name, monkeypatch):
    nodes, said = FOLDED[name]
    if name == "doubling":  # up to the limit it would take its time
        monkeypatch.setattr("accelgen.frontend.constants.MOST_FOLDED", 1 << 16)
    if name == "no input":
        nodes = [helper.make_node("ConstantOfShape", [], ["k"])]

    assert said in sentence(make_net([*nodes, node("Add", "x k")], CONSTANTS))


#: One node over an input of a shape, and what is said.
SIZES = {
    "input": (node("Relu", "x"), (1, 3, 1 << 31, 8), "is 2,147,483,648; up to 65,535 are read"),
    "input 4k": (node("Relu", "x"), (1, 3, 4096, 4096), "a map of 4096 x 4096, over 4095"),
    "pads": (
        node("MaxPool", "x", kernel_shape=[60001, 60001], pads=[60000] * 4), (1, 3, 8, 8), "over"
    ),
    "channels": (node("Relu", "x"), (1, 65530, 1, 1), "more than 65520 channels"),
    "numbers": (node("Relu", "x"), (1, 64, 4095, 4095), "more than 268,435,456 numbers"),
}  # fmt: skip


@pytest.mark.parametrize("name", SIZES)
def test_maps_are_measured_before_anything_is_computed(name):
    one, shape, said = SIZES[name]

    assert said in sentence(make_net(one, shape=shape))


def test_upsampled_beyond_all_sizes():
    scales = {"s": np.array([1, 1, 2, 2], np.float32)}
    nodes = [
        node("Resize", f"t{i} _ s", f"t{i + 1}", mode="nearest",
             coordinate_transformation_mode="asymmetric", nearest_mode="floor")
        for i in range(40)
    ]  # fmt: skip
    nodes[0].input[0] = "x"

    assert "no more than 65,535 of each is read" in sentence(make_net(nodes, scales, outputs="t40"))


def test_too_many_nodes_and_outputs():
    chain = [node("Relu", f"t{i}", f"t{i + 1}") for i in range(20_001)]
    chain[0].input[0] = "x"
    assert "20,001 nodes; up to 20,000 are read" in sentence(make_net(chain, outputs="t9"))

    twigs = [node("Tanh", "x", f"y{i}") for i in range(300)]
    names = " ".join(f"y{i}" for i in range(300))
    assert "300 outputs; up to 256 are built" in sentence(make_net(twigs, outputs=names))


def test_a_chain_of_2001_is_refused_at_once():
    chain = [node("Tanh", f"t{i}", f"t{i + 1}") for i in range(2001)]
    chain[0].input[0] = "x"

    assert "2,001 operations; up to 2,000" in sentence(make_net(chain, outputs="t2001"))


@pytest.mark.parametrize("name", ["t\x1b[31m", "t\nt", "t\u202et"])
def test_control_characters_in_names_are_escaped(name):
    model = make_net([node("Relu", "x", "mid"), node("Tanh", "mid", "y")], outputs="y")
    for one in model.graph.node:
        one.name = f"{name}{one.op_type}"
        for names in (one.input, one.output):
            for i, old in enumerate(names):
                names[i] = name if old == "mid" else old

    graph = read_network(model).graph

    assert all(n.name.isprintable() and n.output.isprintable() for n in graph.nodes)
    assert model.graph.node[0].output[0] == name  # the caller's model is as it was


def test_escaped_names_stay_apart():
    model = make_net([node("Relu", "x", "a"), node("Tanh", "a", "b")], outputs="a b")
    for place in (model.graph.node[0].output, model.graph.node[1].input):
        place[0] = "t\n"
    model.graph.node[1].output[0] = "t\\x0a"
    model.graph.output[0].name, model.graph.output[1].name = "t\n", "t\\x0a"

    assert [v.name for v in load_onnx(model).graph.views] == ["t\\x0a_2", "t\\x0a"]


SCHEMA = {
    "attribute twice": "has attribute 'axis' twice",
    "attribute without a type": "attribute 'axis' has no type; export the model again",
    "of another opset": "is no operator of opset 11",
    "gone": "is no operator of opset 11 any more",
    "too many inputs": "has 2 inputs; the operator has 1",
    "too many outputs": "has 2 outputs; the operator has 1",
    "pads of no numbers": "has pads=(), which is not built",
    "required": "lacks its attribute to",
    "string": "attribute epsilon='1' must be a floating point number",
}


@pytest.mark.parametrize("name", SCHEMA)
def test_nodes_are_what_onnx_says(name):
    one = {
        "attribute twice": node("Flatten", "x", axis=1),
        "attribute without a type": node("Flatten", "x", axis=1),
        "of another opset": node("HardSwish", "x"),
        "gone": node("Upsample", "x s"),
        "too many inputs": node("Relu", "x x"),
        "too many outputs": node("Relu", "x", "y z"),
        "pads of no numbers": node("MaxPool", "x", kernel_shape=[1, 1]),
        "required": node("Cast", "x"),
        "string": node("BatchNormalization", "x c c c c", epsilon="1"),
    }[name]
    if name == "attribute twice":
        one.attribute.append(helper.make_attribute("axis", 2))
    if name == "attribute without a type":
        one.attribute[0].ClearField("type")
    if name == "pads of no numbers":
        one.attribute.append(helper.make_attribute("pads", [], attr_type=onnx.AttributeProto.INTS))
    constants = {"s": np.array([1, 1, 2, 2], "f4"), "c": np.ones(3, "f4")}

    assert SCHEMA[name] in sentence(make_net(one, constants, opset=11))


def external(tmp_path, location, **fields):
    """A model beside ``w.bin``, whose weight is said to be at ``location``."""
    array = weights(4, 3, 3, 3)
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "w.bin").write_bytes(array.tobytes())
    (tmp_path / "w.bin").write_bytes(array.tobytes())
    model = make_net(node("Conv", "x w"), {"w": array})
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **fields}.items():
        tensor.external_data.add(key=key, value=str(value))
    path = tmp_path / "m" / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def test_external_data_beside_the_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    graph = read_network(external(tmp_path, "w.bin", offset=0, length=432)).graph

    assert len(graph.nodes) == 1


@pytest.mark.parametrize(
    "location",
    [
        "../w.bin",
        "/etc/passwd",
        "w.bin\x00x",
        "no.bin",
        "..\\w.bin",
        "",
        ".",
        "link.bin",
        "w" * 5000,
    ],
    ids=lambda location: location[:20],
)
def test_external_data_elsewhere(tmp_path, location):
    path = external(tmp_path, location)
    (path.parent / "link.bin").symlink_to(tmp_path / "w.bin")

    with pytest.raises(ModelError, match="initializer 'w' is in the external file") as caught:
        load_onnx(path)

    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "fields", [{"offset": -4}, {"offset": 4}, {"length": 431}, {"length": "many"}, {"offset": 1e30}]
)
def test_external_data_that_is_not_whole(tmp_path, fields):
    with pytest.raises(ModelError, match="initializer 'w' is in the external file"):
        load_onnx(external(tmp_path, "w.bin", **fields))


def test_a_constant_node_reads_beside_the_model_too(tmp_path, monkeypatch):
    path = external(tmp_path, "w.bin")
    model = onnx.ModelProto()
    model.ParseFromString(path.read_bytes())
    tensor = model.graph.initializer.pop()
    model.graph.node.insert(0, node("Constant", "", "w", value=tensor))
    del model.graph.node[0].input[:]
    path.write_bytes(model.SerializeToString())
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.bin").unlink()

    (weight,) = (c for c in load_onnx(path).graph.constants.values() if c.ndim == 4)

    assert np.array_equal(weight, weights(4, 3, 3, 3).transpose(0, 2, 3, 1))


def test_negative_sizes_of_an_initializer():
    model = make_net(node("Conv", "x w"), {"w": weights(4, 3, 3, 3)})
    model.graph.initializer[0].dims[0] = -4

    with pytest.raises(ModelError, match="initializer 'w' of shape"):
        load_onnx(model)


def test_an_input_of_strings():
    model = make_net(node("Clip", "x s"), {})
    model.graph.initializer.append(numpy_helper.from_array(np.array([b"1"], object), "s"))

    assert "it must be a single number" in sentence(model)


def test_a_tensor_where_none_belongs_is_not_printed():
    one = node("Relu", "x", "y", "relu")
    one.attribute.append(helper.make_attribute("value", numpy_helper.from_array(np.ones(9, "f4"))))

    assert sentence(make_net(one)) == (
        "node 'relu' (Relu) has value=a TensorProto, which this operator has not at opset 17;"
        " remove this attribute"
    )


@pytest.mark.parametrize("values", [{}, {"value_float": 1.0, "value_int": 1}])
def test_a_constant_of_no_value_or_two(values):
    one = node("Constant", "", "k", "k", **values)
    del one.input[:]

    assert f"'k' (Constant) has {len(values)} values; it must have one" in sentence(
        make_net([one, node("Add", "x k", "y")])
    )


def test_what_onnx_says_of_a_constant_is_cut_to_one_line():
    """Its own words went over a page."""
    nodes = [node("Reshape", "a b", "k", "r"), node("Add", "x k", "y")]
    constants = {"a": np.ones(6, np.float32), "b": np.full(40, 7)}

    said = sentence(make_net(nodes, constants))

    assert "node 'r' (Reshape) cannot be computed from its constants: " in said
    assert len(said) < 300


def test_an_attribute_with_values_of_two_types():
    """onnxruntime refuses it, and which one counts nobody knows."""
    one = node("Concat", "x x", "y", "cat", axis=1)
    one.attribute[0].ints.append(2)

    assert "node 'cat' (Concat): attribute axis is an integer and holds 'ints', too" in sentence(
        make_net(one)
    )


def test_an_input_that_nothing_makes_where_it_would_not_matter():
    """The region of interest of a Resize, for which there is no use."""
    constants = {"two": np.array([1, 1, 2, 2], np.float32)}
    modes = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    one = node("Resize", "x ghost two", "y", "up", mode="nearest", **modes)

    assert sentence(make_net(one, constants)) == (
        "node 'up' (Resize) reads 'ghost', which nothing in the model makes"
    )
