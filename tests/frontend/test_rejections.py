"""Bad input is one sentence that names the place, what was found, and the way out."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from accelgen.errors import AccelgenError, ModelError, UnsupportedOpError
from accelgen.frontend import load_onnx
from accelgen.passes import run_passes
from tests.helpers.nets import conv_relu, make_net, node, weights

W = {"w": weights(4, 3, 3, 3)}
VAR = {"v": -np.ones(3, np.float32)}
TWICE = np.array([1, 1, 2, 2], np.float32)
POOL = {"kernel_shape": [3, 3], "strides": [2, 2]}


# The file.


def test_missing_file(tmp_path):
    with pytest.raises(ModelError, match=r"none\.onnx' does not exist"):
        load_onnx(tmp_path / "none.onnx")


def test_directory(tmp_path):
    with pytest.raises(ModelError, match="cannot be read: Is a directory"):
        load_onnx(tmp_path)


@pytest.mark.parametrize("keep", [0, 1, 10, 200, 700, -40, -1])
def test_truncated_file(tmp_path, keep):
    path = tmp_path / "net.onnx"
    path.write_bytes(conv_relu().SerializeToString()[:keep])

    with pytest.raises(ModelError, match=r"cut off|does not fit|opset_import is missing"):
        load_onnx(path)


@pytest.mark.parametrize("seed", range(30))
def test_damaged_files_never_raise_anything_else(seed):
    rng = np.random.default_rng(seed)
    data = np.frombuffer(conv_relu(channels=2).SerializeToString(), np.uint8).copy()
    where = rng.integers(0, len(data), 3)
    data[where] = rng.integers(0, 256, 3)

    outcome = "imported"
    try:
        run_passes(load_onnx(data.tobytes()).graph)
    except AccelgenError as error:
        outcome = str(error)

    assert outcome


def test_not_a_model():
    with pytest.raises(ModelError, match="the model is no ONNX model, or was cut off"):
        load_onnx(b"\x89PNG\r\n\x1a\n not a model")


def test_external_data_missing(tmp_path):
    model, path = conv_relu(channels=64, kernel=5), tmp_path / "net.onnx"
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert len(load_onnx(path).graph.nodes) == 2
    (tmp_path / "weights.bin").unlink()

    with pytest.raises(ModelError, match=r"'w' is in the external file 'weights\.bin', which is"):
        load_onnx(path)


def test_external_data_without_a_path():
    model = conv_relu()
    model.graph.initializer[0].data_location = TensorProto.EXTERNAL

    with pytest.raises(ModelError, match="give the model as a path"):
        load_onnx(model)


@pytest.mark.parametrize("opset", [6, 29])
def test_opset(opset):
    with pytest.raises(ModelError, match=f"has ai.onnx opset {opset}; 7 to 28 are read"):
        load_onnx(conv_relu(opset=opset))


def test_more_than_one_opset():
    """onnxruntime takes the last one, others the first."""
    model = conv_relu()
    model.opset_import.append(onnx.helper.make_opsetid("ai.onnx", 7))

    with pytest.raises(ModelError, match=r"operators of more than one opset \(7, \d+\): export"):
        load_onnx(model)


@pytest.mark.parametrize("op", ["Conv", "DeformConv"])
def test_outputs_that_groups_do_not_divide(op):
    offsets = [] if op == "Conv" else [node("Conv", "x o", "moved")]
    nodes = [*offsets, node(op, "x w moved" if offsets else "x w", "y", group=3)]
    model = make_net(nodes, {"w": weights(4, 1, 1, 1), "o": weights(2, 3, 1, 1)}, opset=19)

    with pytest.raises(ModelError, match="group=3, so it needs 3 input channels, and output"):
        load_onnx(model)


def test_a_scalar_times_a_matrix():
    """No model of onnx's, but a file may hold it: `accelgen check` had a traceback."""
    model = make_net(
        [node("ReduceMean", "x", "m", keepdims=0), node("MatMul", "m w", "y")],
        {"w": weights(3, 5)},
    )  # fmt: skip

    with pytest.raises(AccelgenError, match="multiplies a scalar"):
        load_onnx(model)


def test_no_opset():
    model = conv_relu()
    model.opset_import[0].domain = "com.example"

    with pytest.raises(ModelError, match=r"imports no ai\.onnx operators"):
        load_onnx(model)


# The graph.


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [
        ((1, 3, "height", 8), r"dimension 2 of input 'x' is dynamic \('height'\); .* fixed input"),
        ((1, 3, 8, None), "dimension 3 of input 'x' is dynamic"),
        ((2, 3, 8, 8), "input 'x' has batch 2; export the model with batch 1"),
        ((3, 8, 8), "input 'x' has batch 3; export the model with batch 1"),
        ((1, 1, 3, 8, 8), "input 'x' has 5 dimensions"),
        (None, "input 'x' has no shape"),
    ],
)
def test_input_shape(shape, sentence):
    with pytest.raises(ModelError, match=sentence):
        load_onnx(make_net(node("Relu", "x"), shape=shape))


def test_input_type():
    with pytest.raises(ModelError, match="input 'x' has element type INT64"):
        load_onnx(make_net(node("Relu", "x"), kind=TensorProto.INT64))


def test_input_that_no_output_needs():
    model = make_net([node("Relu", "x", "y"), node("Relu", "z", "u")])
    model.graph.input.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, (1, 3, 8, 8)))

    with pytest.raises(ModelError, match="no output depends on input 'z'; remove it"):
        load_onnx(model)


def test_too_many_inputs():
    names = [f"x{i}" for i in range(17)]
    model = make_net(node("Sum", " ".join(names)))
    del model.graph.input[:]
    model.graph.input.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 3, 8, 8)) for name in names
    )

    with pytest.raises(ModelError, match=r"at most 16; it has 17: 'x0', .*'x3', \.\.\."):
        load_onnx(model)


def test_undefined_input():
    with pytest.raises(
        ModelError, match=r"'a' \(Add\) reads 'z', which nothing in the model makes"
    ):
        load_onnx(make_net(node("Add", "x z", name="a")))


def test_cycle():
    nodes = [node("Add", "x b", "a", "first"), node("Relu", "a", "b", "second")]

    with pytest.raises(ModelError, match=r"reads 'a', which only node 'first' .* cycle"):
        load_onnx(make_net(nodes, outputs="b"))


def test_missing_output():
    with pytest.raises(ModelError, match="nothing in the model makes its output 'z'"):
        load_onnx(make_net(node("Relu", "x"), outputs="z"))


def test_output_is_the_input():
    with pytest.raises(ModelError, match="output 'y' does not depend on a computed activation"):
        load_onnx(make_net(node("Identity", "x")))


def test_two_nodes_make_one_tensor():
    with pytest.raises(ModelError, match="makes 'y', which exists already"):
        load_onnx(make_net([node("Relu", "x"), node("Tanh", "x")]))


def test_training_output_is_read():
    nodes = [node("Dropout", "x", "d mask"), node("Cast", "mask", "y", to=1)]

    with pytest.raises(ModelError, match=r"a second output of .*export the model in inference"):
        load_onnx(make_net(nodes))


def test_nan_weights():
    with pytest.raises(ModelError, match=r"'c' \(Conv\): initializer 'w' holds NaN or infinity"):
        load_onnx(make_net(node("Conv", "x w", name="c"), {"w": W["w"] * np.float32("nan")}))


def test_weights_beyond_float32():
    big = {"w": np.full((4, 3, 1, 1), 1e300)}

    with pytest.raises(ModelError, match="initializer 'w' holds NaN or infinity"):
        load_onnx(make_net(node("Conv", "x w"), big))


def test_integer_weights_without_scale():
    with pytest.raises(ModelError, match="initializer 'w' is int32; it must be float16"):
        load_onnx(make_net(node("Conv", "x w"), {"w": np.ones((4, 3, 1, 1), np.int32)}))


def test_bad_initializer():
    model = make_net(node("Conv", "x w"), W)
    model.graph.initializer[0].dims[0] = 5

    with pytest.raises(ModelError, match=r"initializer 'w' of shape \(5, 3, 3, 3\) cannot be read"):
        load_onnx(model)


def test_channel_mismatch():
    with pytest.raises(
        ModelError, match=r"'c' \(Conv\): weight 'w' .* needs 5 input channels.* 'x' has 3"
    ):
        load_onnx(make_net(node("Conv", "x w", name="c"), {"w": weights(4, 5, 3, 3)}))


def test_names_of_unnamed_and_equal_nodes():
    nodes = [node("Relu", "x", "a", "n"), node("Relu", "a", "b", "n"), node("Foo", "b")]

    with pytest.raises(UnsupportedOpError, match="node 'Foo_2' is Foo"):
        load_onnx(make_net(nodes))


# Operators and attributes.

REJECTED = {
    "domain": (node("Relu", "x", domain="com.example"), {}, "is of domain 'com.example'"),
    "operator": (node("Hardmax", "x"), {}, "is Hardmax, which accelgen does not build; end"),
    "resize by two and a half": (
        node("Resize", "x _ s", mode="nearest"), {"s": np.array([1, 1, 2.5, 3], np.float32)},
        r"has scales=\(1.0, 1.0, 2.5, 3.0\), .*; height and width are upsampled by whole",
    ),
    "resize cubic": (
        node("Resize", "x _ s", mode="cubic"), {"s": TWICE}, 'has mode=.cubic., .*; use mode='
    ),
    "resize linear, cropped": (
        node("Resize", "x _ s", mode="linear", coordinate_transformation_mode="tf_crop_and_resize"),
        {"s": TWICE}, "has coordinate_transformation_mode='tf_crop_and_resize', .*; half_pixel, ",
    ),
    "resize linear of channels": (
        node("Resize", "x _ s", mode="linear"), {"s": np.array([1, 2, 1, 1], np.float32)},
        "has scales=.*; height and width of a map",
    ),
    "resize linear to nothing": (
        node("Resize", "x _ s", mode="linear"), {"s": np.array([1, 1, 0.1, 1], np.float32)},
        "makes a map of 0 x 8; 1 to",
    ),
    "resize corners": (
        node("Resize", "x _ s", mode="nearest", coordinate_transformation_mode="align_corners"),
        {"s": TWICE}, "has coordinate_transformation_mode='align_corners', .*; use asymmetric",
    ),
    "resize to another pixel": (
        node("Resize", "x _ s", mode="nearest", nearest_mode="floor"), {"s": TWICE},
        "has nearest_mode='floor', .*; with half_pixel use round_prefer_floor",
    ),
    "resize nearest_mode": (
        node("Resize", "x _ s", mode="nearest", nearest_mode="best"), {"s": TWICE},
        "nearest_mode='best' is none of",
    ),
    "resize antialias": (
        node("Resize", "x _ s", mode="nearest", antialias=1), {"s": TWICE}, "antialias=1, which"
    ),
    "resize axes": (
        node("Resize", "x _ s", mode="nearest", axes=[2, 3]), {"s": TWICE[2:]},
        "axes=.*, which this operator has not at opset 17",
    ),
    "resize without scales": (node("Resize", "x", mode="nearest"), {}, "neither scales nor sizes"),
    "resize to too few sizes": (
        node("Resize", "x _ _ n", mode="nearest"), {"n": np.array([16, 16])}, "sizes=.16, 16. of"
    ),
    "split of rows": (
        node("Split", "x", "y z", axis=2), {}, "has axis=2, .*; only channels are taken apart"
    ),
    "split axis": (node("Split", "x", "y z", axis=4), {}, "axis=4 is not within rank 4"),
    "split sizes": (
        node("Split", "x s", "y z", axis=1), {"s": np.array([1, 1])},
        r"split=\(1, 1\) does not cut 3 in 2 parts",
    ),
    "split evenly": (node("Split", "x", "y z", axis=1), {}, "3 do not divide into 2 equal parts"),
    "split num_outputs": (
        node("Split", "x", "y z", axis=1, num_outputs=3), {}, "num_outputs|do not divide"
    ),
    "slice of columns, backwards": (
        node("Slice", "x b e a s"),
        {"b": np.array([3]), "e": np.array([1]), "a": np.array([3]), "s": np.array([-1])},
        "has axis=3, .*; only chan",
    ),
    "slice of nothing": (
        node("Slice", "x b e a"),
        {"b": np.array([2]), "e": np.array([2]), "a": np.array([1])}, "leaves nothing of dimension",
    ),
    "slice without step": (
        node("Slice", "x b e a s"),
        {"b": np.array([0]), "e": np.array([2]), "a": np.array([1]), "s": np.array([0])},
        r"steps=\(0,\) do not fit",
    ),
    "gather too far": (node("Gather", "x i", axis=1), {"i": np.array([3])}, "not all within 3"),
    "gather a table": (
        node("Gather", "x i", axis=1), {"i": np.array([[0, 1], [1, 2]])},
        r"indices of shape \(2, 2\); they must be",
    ),
    "gather pixels": (node("Gather", "x i", axis=2), {"i": np.array([1])}, "has axis=2"),
    "attribute": (node("Relu", "x", slope=1), {}, "has slope=1, which this operator has not"),
    "type of attribute": (node("Conv", "x w", group=2.0), W, "group=2.0 must be an integer"),
    "type of list": (node("Conv", "x w", pads=[1.5]), W, r"pads=\[1.5\] must be a list of int"),
    "huge kernel": (node("MaxPool", "x", kernel_shape=[1 << 40, 1]), {}, "no more than 65535"),
    "huge pads": (node("Conv", "x w", pads=[0, 0, 0, 1 << 40]), W, "no more than 65535"),
    "1-D kernel": (node("Conv", "x w"), {"w": weights(4, 3, 3)}, "only 2-D kernels"),
    "kernel_shape": (node("Conv", "x w", kernel_shape=[2, 2]), W, r"kernel_shape=\[2, 2\], but"),
    "strides": (node("Conv", "x w", strides=[1]), W, r"strides=\(1,\)"),
    "stride 0": (node("Conv", "x w", strides=[0, 1]), W, r"strides=\(0, 1\) must be positive"),
    "pads": (node("Conv", "x w", pads=[-1, 0, 0, 0]), W, r"pads=\(-1, 0, 0, 0\).*crop"),
    "auto_pad": (node("Conv", "x w", auto_pad="SAME"), W, "auto_pad='SAME'"),
    "auto_pad and pads": (
        node("Conv", "x w", auto_pad="VALID", pads=[1, 1, 1, 1]), W, "keep one of them"
    ),
    "group": (node("Conv", "x w", group=2), W, "group=2, so it needs 6 input channels"),
    "bias": (node("Conv", "x w b"), {**W, "b": weights(5)}, r"bias 'b' has shape \(5,\)"),
    "kernel over map": (node("Conv", "x w"), {"w": weights(4, 3, 9, 9)}, "larger than its 8 x 8"),
    "computed weight": (node("Conv", "x x"), {}, "computes its input 1, 'x', at run time"),
    "transA": (node("Gemm", "x w", transA=1), {"w": weights(4, 4)}, "transA=1"),
    "gemm on a map": (node("Gemm", "x w"), {"w": weights(8, 4)}, r"not \(1, k\)"),
    "matmul along width": (node("MatMul", "x w"), {"w": weights(8, 4)}, "only products over"),
    "matmul size": (node("MatMul", "x w"), {"w": weights(7, 4)}, "needs 7 inputs"),
    "training norm": (
        node("BatchNormalization", "x v v v v", training_mode=1), VAR, "training_mode"
    ),
    "norm size": (
        node("BatchNormalization", "x v v v v"), {"v": np.ones(4, np.float32)}, "has 3 channels"
    ),
    "variance": (node("BatchNormalization", "x v v v v"), VAR, "not positive"),
    "pads not counted": (
        node("AveragePool", "x", pads=[1, 1, 3, 1], **POOL), {}, "pads=.*smaller than the kernel"
    ),
    "no kernel": (node("MaxPool", "x"), {}, "lacks its attribute kernel_shape"),
    "pool over map": (node("MaxPool", "x", kernel_shape=[9, 9]), {}, "larger than its 8 x 8 map"),
    "pool in padding": (
        node("MaxPool", "x", kernel_shape=[2, 2], pads=[2, 2, 0, 0]), {}, "wholly in the padding"
    ),
    "sizes of LRN": (node("LRN", "x", size=2), {}, "has size=2, .*; odd numbers up to"),
    "powers of LRN": (
        node("LRN", "x", size=3, bias=1e-5, beta=1000.0), {}, "has beta=1000.0, .*; bias [*]{2}",
    ),
    "pad mode": (node("Pad", "x p", mode="mirror"), {"p": np.zeros(8, int)}, "mode='mirror'"),
    "pad of batches": (
        node("Pad", "x p", mode="reflect"), {"p": np.ones(8, int)}, "are padded, not the batch"
    ),
    "pad value": (
        node("Pad", "x p v"), {"p": np.array([0, 0, 1, 1] * 2), "v": np.float32(1e9)},
        "value=1000000000.0",
    ),
    "negative pad": (
        node("Pad", "x p"), {"p": np.array([0, 0, -9, 0, 0, 0, 9, 0])}, "leave nothing of"
    ),
    "batch pad": (node("Pad", "x p"), {"p": np.ones(8, int)}, "padded, not the batch"),
    "prelu": (
        node("PRelu", "x s"), {"s": weights(4, 4)}, "only a single number or one per channel is"
    ),
    # Equal numbers, but more of them than the map has: three batches, or a fifth axis.
    "prelu of batches": (
        node("PRelu", "x s"), {"s": np.full((3, 1, 1, 1), 0.2, np.float32)}, "or one per channel is"
    ),
    "max of five axes": (
        node("Max", "x s"), {"s": np.zeros((1,) * 5, np.float32)}, "or one per channel is"
    ),
    "clip order": (
        node("Clip", "x a b"), {"a": np.float32(1), "b": np.float32(0)}, "not in order"
    ),
    "clip limit": (node("Clip", "x a"), {"a": weights(3)}, "must be a single number"),
    "div by zero": (node("Div", "x a"), {"a": np.float32(0)}, "zeros to divide by"),
    "div from": (node("Div", "x x"), {}, "divides by an activation"),
    "per pixel": (node("Add", "x a"), {"a": weights(8, 8)}, "or one per channel"),
    "broadcast up": (node("Add", "x a"), {"a": weights(1, 1, 3, 8, 8)}, "one per channel"),
    "integers": (node("Add", "x a"), {"a": np.int64(3)}, "initializer 'a' is int64"),
    "cast": (node("Cast", "x", to=TensorProto.INT32), {}, "to='INT32'"),
    "shuffle": (
        node("Reshape", "x s"), {"s": np.array([1, 3, 2, 4, 8])}, "splits an axis; only Reshapes"
    ),
    "reshape size": (node("Reshape", "x s"), {"s": np.array([1, 5])}, "another size"),
    "softmax": (node("Softmax", "x", axis=2), {}, "axis=2.*only Softmax over channels"),
    "concat ranks": (node("Concat", "x w", axis=2), W, "from a constant"),
    "transpose": (node("Transpose", "x", perm=[0, 1, 1, 2]), {}, "does not permute"),
}  # fmt: skip


@pytest.mark.parametrize("name", REJECTED)
def test_operator(name):
    one, constants, sentence = REJECTED[name]
    one.name = "bad"

    with pytest.raises((UnsupportedOpError, ModelError), match=sentence) as caught:
        load_onnx(make_net(one, constants))

    assert "'bad'" in str(caught.value)


def test_add_of_a_transposed_map():
    nodes = [node("Transpose", "x", "t", perm=[0, 1, 3, 2]), node("Add", "x t")]

    with pytest.raises(
        UnsupportedOpError, match="axes are in different order; remove the Transpose"
    ):
        load_onnx(make_net(nodes))


def test_conv_of_a_transposed_map():
    nodes = [node("Transpose", "x", "t", perm=[0, 1, 3, 2]), node("Conv", "t w")]

    with pytest.raises(UnsupportedOpError, match="no map in NCHW order; export it with 4-D NCHW"):
        load_onnx(make_net(nodes, W))


def test_sparse_initializer():
    model = make_net(node("Conv", "x w"), W)
    values = numpy_helper.from_array(np.ones(1, np.float32), "sparse")
    indices = numpy_helper.from_array(np.zeros(1, np.int64), "at")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [4]))

    with pytest.raises(ModelError, match="initializer 'sparse' is sparse; export it dense"):
        load_onnx(model)


SPLIT = {"s": np.array([1, 2, 2, 8, 8])}
HALF_A_SHUFFLE = {
    "read": (node("Identity", "a"), "whose channels a Reshape has split; only a Transpose"),
    "joined": (node("Concat", "a a", axis=4), "joined from maps that lie apart"),
}


@pytest.mark.parametrize("name", HALF_A_SHUFFLE)
def test_half_a_shuffle(name):
    second, sentence = HALF_A_SHUFFLE[name]
    nodes = [node("Reshape", "x s", "a"), second, node("Relu", "y", "z", name="bad")]

    with pytest.raises(UnsupportedOpError, match=f"node 'bad' .*{sentence}"):
        load_onnx(make_net(nodes, SPLIT, shape=(1, 4, 8, 8), outputs="z"))
