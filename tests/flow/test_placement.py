"""Where the last fully connected layers run is the faster place, by the estimate."""

import pytest

import accelgen
from accelgen.flow.compiled import estimated, fastest
from tests.helpers.nets import make_net, node, weights


def two_layers(path, hidden):
    """A convolution, an average, and two layers of 512 -> ``hidden`` -> 512."""
    constants = {
        "w": weights(512, 64, 3, 3), "a": weights(hidden, 512), "b": weights(512, hidden),
    }  # fmt: skip
    nodes = [
        node("Conv", "x w", "c", "conv", pads=[1] * 4),
        node("GlobalAveragePool", "c", "p", "pool"),
        node("Flatten", "p", "f", "flat"),
        node("Gemm", "f a", "h", "first", transB=1),
        node("Relu", "h", "r", "relu"),
        node("Gemm", "r b", "y", "second", transB=1),
    ]
    path.write_bytes(make_net(nodes, constants, shape=(1, 64, 16, 16)).SerializeToString())
    return path


@pytest.mark.parametrize(("hidden", "taken"), [(64, True), (1024, 1)])
def test_as_many_layers_as_the_processor_is_quick_enough_for(tmp_path, hidden, taken):
    model = two_layers(tmp_path / "net.onnx", hidden)

    chosen = accelgen.compile(model, fc_on="auto")

    assert chosen.offload.fc == taken
    fps = {count: accelgen.estimate(model, fc_on=count).fps for count in ("pl", "ps")}
    best = accelgen.estimate(model).fps
    assert best >= max(fps.values())


def test_no_frame_is_faster_than_undisturbed(tmp_path):
    """What placement goes by first: a bound of the estimate, equal where the PS moves nothing."""
    model = two_layers(tmp_path / "net.onnx", 512)

    for fc_on in ("pl", "ps"):
        made = accelgen.compile(model, fc_on=fc_on)
        assert fastest(made) >= estimated(made).fps > 0.5 * fastest(made)
