"""Where the largest of a window tie, either place is right; anything else is still ours alone."""

import numpy as np
import pytest

from accelgen.flow.network import read_network
from accelgen.golden.interpret import interpret
from tests.fuzz.cases import Case
from tests.fuzz.judge import judge
from tests.fuzz.ties import their_places, with_their_ties
from tests.helpers.nets import make_net, node, weights


@pytest.fixture(scope="module")
def unpooling():
    """The model, its graph and its tensors: two windows, whose largest are pixels 4 and 6."""
    nodes = [
        node("MaxPool", "x", "p i", "pool", kernel_shape=[2, 2], strides=[2, 2]),
        node("MaxUnpool", "p i", "y", "unpool", kernel_shape=[2, 2], strides=[2, 2]),
    ]
    model = make_net([node("Relu", "x0", "x"), *nodes], shape=(1, 1, 2, 4))
    model.graph.input[0].name = "x0"
    x = np.float32([1, 1, 0.5, 0.25, 5, 4, 3, 2]).reshape(1, 2, 4, 1)
    graph = read_network(model).graph
    return model, graph, interpret(graph, x)


def placed(made):
    return np.flatnonzero(made["y"]).tolist()


def test_onnxruntimes_places_are_found(unpooling):
    model, _, values = unpooling

    places = their_places(model.SerializeToString(), values["x"].transpose(0, 3, 1, 2))

    assert {name: a.ravel().tolist() for name, a in places.items()} == {"unpool": [4, 6]}


@pytest.mark.parametrize(
    ("theirs", "atol", "expected"),
    [
        ([4, 6], 1e-6, [4, 6]),
        ([5, 6], 1e-6, [4, 6]),  # 4 beside 5: no tie, ours stays
        ([5, 6], 0.6, [5, 6]),
        ([4, 7], 0.4, [4, 6]),  # 2 beside 3: more than twice 0.4
        ([4, 7], 0.5, [4, 7]),
    ],
)
def test_their_place_only_where_it_ties(unpooling, theirs, atol, expected):
    _, graph, values = unpooling
    places = {"unpool": np.array(theirs).reshape(1, 1, 1, 2)}

    assert placed(with_their_ties(graph, values, places, atol)) == expected


def test_without_unpooling_nothing_is_made_again():
    graph = read_network(make_net(node("Relu", "x"))).graph
    values = {"x": np.ones(1)}

    assert with_their_ties(graph, values, {}, 1.0) is values


@pytest.mark.parametrize("seed", [2, 3, 6, 9])
def test_a_drawn_tie_is_no_fault(seed):
    """A Max of a map and a vector makes ties: an index among the zeros of a MaxUnpool differs, too,
    and so does the value."""
    nodes = [
        node("Conv", "x w", "a"), node("GlobalAveragePool", "a", "g"), node("Conv", "g v", "h"),
        node("Max", "a h", "m"), node("MaxPool", "m", "p i", kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", "p v", "q"),
        node("MaxUnpool", "q i", "u", kernel_shape=[2, 2], strides=[2, 2]),
        node("ArgMin" if seed % 2 == 0 else "ArgMax", "u", "y", axis=1 + seed % 3,
             select_last_index=seed // 2 % 2),
    ]  # fmt: skip
    constants = {
        "w": weights(4, 3, 1, 1, seed=seed, scale=1.0),
        "v": weights(4, 4, 1, 1, seed=seed + 1, scale=1.0),
    }
    data = make_net(nodes, constants).SerializeToString()

    verdict = judge(Case(kind="drawn", data=data, arch="ultra96"))

    assert verdict.kind == "equal", verdict
