"""Who shares a scale with whom."""

from accelgen.quant.assign_scales import assign_scales
from accelgen.quant.scales import Range, add_factors, quantization_of
from tests.quant.nets import Net


def test_max_pool_keeps_its_input_s_scale():
    net = Net(4, 4, 2)
    pool = net.max_pool("x")

    scales = assign_scales(net.graph(), {"x": Range(-1, 1), pool: Range(-0.5, 1)})

    assert scales[pool] == scales["x"] == quantization_of(Range(-1, 1))


def test_concat_gives_its_scale_to_inputs_only_it_reads():
    net = Net(4, 4, 2)
    a, b = net.conv("x", 2), net.conv("x", 2)
    joined = net.concat(a, b)

    ranges = {"x": Range(-1, 1), a: Range(0, 10), b: Range(-0.01, 0.01), joined: Range(-0.01, 10)}
    scales = assign_scales(net.graph(), ranges)

    assert scales[a] == scales[b] == scales[joined]


def test_input_others_read_keeps_its_scale_when_it_would_lose_much():
    net = Net(4, 4, 2)
    a, b = net.conv("x", 2), net.conv("x", 2)
    joined, other = net.concat(a, b), net.conv(b, 2)
    graph = net.graph(joined, other)
    ranges = {"x": Range(-1, 1), a: Range(0, 10), joined: Range(-3, 10), other: Range(0, 1)}

    far = assign_scales(graph, ranges | {b: Range(-3, 1)})
    near = assign_scales(graph, ranges | {b: Range(-3, 6)})

    assert far[b] == quantization_of(Range(-3, 1))
    assert far[a] == far[joined]
    assert near[b] == near[joined]


def test_dense_blocks_share_one_scale():
    net = Net(4, 4, 2)
    a = net.conv("x", 2)
    b = net.conv("x", 2)
    first = net.concat(a, b)
    c = net.conv(first, 2)
    second = net.concat(a, b, c)

    ranges = {"x": Range(0, 1), a: Range(0, 1), b: Range(0, 8), first: Range(0, 8),
              c: Range(0, 9), second: Range(0, 9)}  # fmt: skip
    scales = assign_scales(net.graph(second), ranges)

    assert len({scales[name] for name in (a, b, first, c, second)}) == 1


def test_a_sum_that_cancels_is_not_too_fine_for_its_inputs():
    net = Net(4, 4, 2)
    a, b = net.conv("x", 2), net.conv("x", 2)
    total = net.add(a, b)
    clipped = net.act(net.add(a, total))
    ranges = {name: Range(-1e9, 1e9) for name in ("x", a, b)}

    for least in (0, 1e-9):
        scales = assign_scales(
            net.graph(), {**ranges, total: Range(0, least), clipped: Range(0, 0)}
        )

        for name in (total, clipped):
            factors = add_factors(scales[a], scales[b], scales[name], "node 'sum'")
            assert 2**16 <= factors.multiplier_a < 2**17
            assert factors.shift == 1
