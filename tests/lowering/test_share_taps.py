"""Depthwise kernels of zeros but for some taps: no larger than those, channels in parts."""

from dataclasses import replace

import numpy as np
import pytest

from accelgen.cost import Memory
from accelgen.frontend import load_onnx
from accelgen.golden import interpret
from accelgen.ir.ops import QConv2d, QSelect
from accelgen.ir.spec import check_quantized
from accelgen.lowering.run import Given, lower
from accelgen.lowering.share_taps import _cut_order, _least, _orders, share_taps
from accelgen.lowering.storage import is_depthwise
from accelgen.passes import run_passes
from accelgen.quant import quantize
from accelgen.schedule import schedule
from accelgen.simulation.functional import run_functional
from tests.helpers.arches import DOUBLE, LARGE, SMALL
from tests.helpers.int8_nets import Int8Net
from tests.helpers.nets import assert_computes_the_same, make_net, node, weights
from tests.helpers.programs import assert_matches_golden


def keep_taps(net, moved, used):
    """Weights of depthwise ``moved`` are 0 but where ``used``; zero points still cancel."""
    made = next(n for n in net.nodes if n.output == moved)
    weight = net.constants[made.inputs[1]]
    gone = np.where(used[..., None], 0, weight).astype(np.int64).sum((1, 2, 3))
    net.constants[made.inputs[1]] = np.where(used[..., None], weight, np.int8(0))
    bias = net.constants[made.inputs[2]] + made.op.input_zero * gone
    net.constants[made.inputs[2]] = bias.astype(np.int32)


def one_tap_each(channels, kernel):
    """As exporters make shifts: neighbouring channels have the same tap."""
    used = np.zeros((channels, *kernel), bool)
    for channel in range(channels):
        used[channel].flat[channel * used[0].size // channels] = True
    return used


def shift_net(channels=80, kernel=(5, 5), size=(9, 11), table=False, above=0, **window):
    """``above`` rows of the kernel are unused by all."""
    net = Int8Net((*size, 20))
    window.setdefault("pads", (2, 2, 2, 2))
    x = net.conv(net.x, channels)
    moved = net.depthwise(x, kernel, **window)
    used = one_tap_each(channels, (kernel[0] - above, kernel[1]))
    keep_taps(net, moved, np.pad(used, ((0, 0), (above, 0), (0, 0))))
    y = net.table(moved) if table else moved
    return net, x, y, net.conv(y, 7)


def kernels(graph):
    return [n.op.kernel for n in graph.nodes if is_depthwise(n, graph)]


def assert_same(net, graph, changed):
    check_quantized(changed)
    x = net.input()[None]
    want, got = interpret(graph, x), interpret(changed, x)
    for name in graph.outputs:
        np.testing.assert_array_equal(got[name], want[name])


@pytest.mark.parametrize("arch", [SMALL, LARGE, DOUBLE, replace(LARGE, window_taps=2)])
@pytest.mark.parametrize(
    "how", [{}, {"table": True}, {"stride": (2, 1)}, {"stride": (2, 2)}, {"dilation": (1, 2)},
            {"pads": (0, 3, 4, 1)}],
    ids=str,
)  # fmt: skip
def test_parts_compute_the_same_and_have_small_kernels(arch, how):
    net, _, _, out = shift_net(**how)
    graph = net.graph(out)

    changed = share_taps(graph, arch, Memory())

    assert len(kernels(changed)) > 1
    assert all(h * w <= 12 for h, w in kernels(changed))
    assert_same(net, graph, changed)
    assert_matches_golden(schedule(graph, arch, keep_all=True), net.input(), shuffles=(None, 1))


def test_nothing_is_copied():
    """What makes the map is made in parts, and weights follow their order."""
    net, _, _, out = shift_net()

    lowered = lower(net.graph(out), Given(arch=LARGE))

    assert not any(isinstance(n.op, QSelect) for n in lowered.nodes)
    convolutions = [n for n in lowered.nodes if isinstance(n.op, QConv2d)]
    parts = len(kernels(lowered))
    assert len(convolutions) == 2 * parts + 1


@pytest.mark.parametrize("seed", range(25))
def test_any_taps_compute_the_same(seed):
    rng = np.random.default_rng(seed)
    channels, size = int(rng.integers(1, 60)), tuple(int(n) for n in rng.integers(5, 12, 2))
    kernel = tuple(int(k) for k in rng.integers(1, 6, 2))
    pads = tuple(int(p) for p in rng.integers(0, 5, 4))
    stride = tuple(int(s) for s in rng.integers(1, 3, 2))
    net = Int8Net((*size, 9), seed)
    x = net.conv(net.x, channels)
    moved = net.depthwise(x, kernel, stride, pads)
    used = one_tap_each(channels, kernel)[rng.permutation(channels)]
    keep_taps(net, moved, used & (rng.random(channels) < 0.9)[:, None, None])
    outputs = [net.conv(moved, 5), *([moved] if seed % 3 == 1 else [])]
    if seed % 3 == 2:
        outputs += [net.conv(moved, 6), net.conv(net.add(moved, moved), 4)]
    graph = net.graph(*outputs)

    changed = share_taps(graph, LARGE, Memory())

    assert share_taps(changed, LARGE, Memory()).nodes == changed.nodes
    assert all(h <= kernel[0] and w <= kernel[1] for h, w in kernels(changed))
    assert_same(net, graph, changed)
    assert_matches_golden(schedule(graph, LARGE), net.input())


def test_full_kernels_stay():
    net = Int8Net((9, 11, 20))
    out = net.conv(net.depthwise(net.conv(net.x, 40), (5, 5), pads=(2, 2, 2, 2)), 7)
    graph = net.graph(out)

    assert share_taps(graph, LARGE, Memory()) is graph


@pytest.mark.parametrize("other", ["map", "moved", "add"])
def test_where_others_care_for_the_order_the_kernel_alone_is_cut(other):
    net, x, moved, out = shift_net(above=2)
    others = {"map": lambda: x, "moved": lambda: moved, "add": lambda: net.add(moved, moved)}
    graph = net.graph(out, others[other]())

    changed = share_taps(graph, LARGE, Memory())

    assert kernels(changed) == [(3, 5)]
    assert_same(net, graph, changed)


def test_parts_that_would_pass_through_memory_are_weighed():
    """Where the map does not stay in the memory, parts write it, and are read, through DDR."""
    net, _, _, out = shift_net(kernel=(3, 3), pads=(1, 1, 1, 1))
    graph = net.graph(out)

    assert len(kernels(share_taps(graph, LARGE, Memory()))) > 1
    slow = Memory(bytes_per_cycle=0.01)
    scant = replace(LARGE, feature_rows=32)
    assert len(kernels(share_taps(graph, scant, slow))) == 1


def test_a_shift_as_exported_equals_onnxruntime():
    """Split, padded, cut, joined, then a pointwise convolution."""
    size, offsets = 9, [(1, 0), (-1, 0), (0, 2), (0, -2), (2, 2)]
    parts = [f"p{i}" for i in range(len(offsets))]
    nodes = [node("Conv", "x v", "a"), node("Split", "a n", " ".join(parts), axis=1)]
    constants = {
        "v": weights(40, 3, 1, 1), "w": weights(4, 40, 1, 1), "n": np.full(5, 8),
        "axes": np.array([2, 3]),
    }  # fmt: skip
    for part, offset in zip(parts, offsets, strict=True):
        before, after = [max(0, -o) for o in offset], [max(0, o) for o in offset]
        constants[f"{part}p"] = np.array([0, 0, *before, 0, 0, *after])
        constants[f"{part}f"] = np.array(after)
        constants[f"{part}l"] = np.array([size + a for a in after])
        nodes.append(node("Pad", f"{part} {part}p", f"{part}_"))
        nodes.append(node("Slice", f"{part}_ {part}f {part}l axes", f"{part}__"))
    nodes += [node("Concat", " ".join(f"{p}__" for p in parts), "s", axis=1), node("Conv", "s w")]
    model = make_net(nodes, constants, shape=(1, 3, size, size))
    assert_computes_the_same(model)
    graph = run_passes(load_onnx(model).graph)
    samples = np.random.default_rng(0).normal(size=(4, size, size, 3)).astype(np.float32)
    int8 = quantize(graph, samples).graph

    changed = share_taps(int8, LARGE, Memory())

    assert len(kernels(changed)) > 1
    x = np.random.default_rng(1).integers(-128, 128, (size, size, 3), np.int8)
    program = schedule(int8, LARGE)
    want = interpret(int8, x[None])[int8.outputs[0]][0]
    np.testing.assert_array_equal(
        run_functional(program, {program.input.tensor: x}).tensors[int8.outputs[0]], want
    )


@pytest.mark.parametrize("seed", range(8))
def test_the_bound_is_no_more_than_the_best_order(seed):
    """What is not tried would not have gained."""
    rng = np.random.default_rng(seed)
    used = rng.random((rng.integers(1, 40), 3, 5)) < rng.choice([0.05, 0.3, 0.9])
    lanes, price = int(rng.choice([4, 8])), rng.integers(1, 90, (6, 6)).cumsum(0).cumsum(1)

    def cycles(kernel):
        return int(price[kernel])

    best = min(_cut_order(order, used, cycles, lanes)[0] for order in _orders(used))

    assert _least(used, cycles, lanes) <= best
