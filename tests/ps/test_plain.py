"""Kernels that are described once, for frames and for calls."""

from dataclasses import replace

import numpy as np
import pytest

from accelgen.golden.int8_ops import INT8_OPS
from accelgen.ir import Graph, Node, TensorType
from accelgen.ir.ps_ops import (
    ALONG,
    QChannelMax,
    QDeform,
    QLocalNorm,
    QNormalize,
    QResponse,
    QSoftmax,
    QUnpool,
)
from accelgen.ir.shapes import window_sizes
from accelgen.ps.operators import OPERATORS
from tests.ps.judge import CHANNELS, assert_golden, int8s

MODES = pytest.mark.parametrize("hostile", [False, True], ids=["random", "hostile"])


def plain_call(op, inputs, shape):
    """The call of ``op`` on maps; its output has ``shape``."""
    names = [f"x{i}" for i, _ in enumerate(inputs)]
    node = Node(name="n", op=op, inputs=tuple(names), output="y")
    shapes = {**dict(zip(names, (x.shape for x in inputs), strict=True)), "y": shape}
    tensors = {name: TensorType(size, "int8") for name, size in shapes.items()}
    graph = Graph(nodes=(node,), tensors=tensors, input="x0", outputs=("y",))
    (call,) = OPERATORS[type(op)].calls(node, graph, inputs)
    return call


def assert_all_golden(runner, rng, cases):
    """Cases (op, inputs, output shape): every bit as the golden model's."""
    calls = [
        replace(plain_call(op, inputs, shape), threads=i % 5)
        for i, (op, inputs, shape) in enumerate(cases)
    ]
    expected = [INT8_OPS[type(op)](op, *inputs) for op, inputs, _ in cases]
    assert_golden(runner, calls, expected, rng=rng)


def assert_refused(runner, calls):
    answers = runner.run(calls)

    assert [a.status for a in answers] == [-1] * len(calls)
    assert all(set(a.outputs[0].view(np.uint8).ravel()) == {0xA5} for a in answers)


def normalization(rng, along, hostile, share=1):
    epsilons, shifts = ([1, 2, 1 << 57, 1 << 58], [1, 2, 47]) if hostile else ([900], [7, 9, 11])
    return QNormalize(
        along=along, epsilon=int(rng.choice(epsilons)), multiplier=int(rng.integers(1 << 17)),
        shift=int(rng.choice(shifts)), output_zero=int(rng.integers(-128, 128)), share=share,
        input_zero=rng.choice([None, -128, 127, int(rng.integers(-128, 128))]),
    )  # fmt: skip


@MODES
def test_normalization_is_golden(runner, hostile):
    rng = np.random.default_rng(50 + hostile)
    cases = []
    for along in ALONG:
        for shape in [*((1, 2, 3, c) for c in CHANNELS[::3]), (1, 1, 1, 9), (1, 9, 7, 1)]:
            x = int8s(rng, shape, hostile=hostile)
            cases.append((normalization(rng, along, hostile), [x], shape))
    for along, shape in (("channels", (1, 1, 1, 1 << 16)), ("pixels", (1, 256, 256, 2))):
        x = int8s(rng, shape, hostile=hostile)
        cases.append((normalization(rng, along, hostile), [x], shape))
    for share, shape in ((2, (1, 3, 4, 6)), (9, (1, 2, 5, 9)), (32, (1, 7, 9, 64)),
                         (3, (1, 1, 1, 12)), (256, (1, 16, 16, 512))):  # fmt: skip
        x = int8s(rng, shape, hostile=hostile)
        cases.append((normalization(rng, "pixels", hostile, share), [x], shape))

    assert_all_golden(runner, rng, cases)


def test_normalization_beyond_its_limits_is_refused(runner):
    rng = np.random.default_rng(52)
    x, good = int8s(rng, (1, 2, 2, 8)), normalization(rng, "channels", False)
    large = int8s(rng, (1, 1, 1, (1 << 16) + 1))
    bad = ({"epsilon": 0}, {"epsilon": (1 << 58) + 1}, {"shift": 0}, {"shift": 48},
           {"multiplier": 1 << 17}, {"output_zero": 128})  # fmt: skip

    assert_refused(runner, [
        *(plain_call(replace(good, **change), [x], x.shape) for change in bad),
        plain_call(good, [large], large.shape),
    ])  # fmt: skip


def response(rng, hostile):
    return QResponse(
        input_zero=int(rng.choice([-128, 127]) if hostile else rng.integers(-128, 128)),
        epsilon=int(rng.choice([1, 1 << 40]) if hostile else 1000), shift=int(rng.choice([1, 9])),
        multiplier=int(rng.integers(1 << 17)), output_zero=int(rng.integers(-128, 128)),
    )  # fmt: skip


def local_norm(rng, size, hostile):
    ends = [0, (1 << 30) - 1]
    factors = rng.choice(ends, 64 * 22) if hostile else rng.integers(0, 1 << 30, 64 * 22)
    return QLocalNorm(
        size=size, input_zero=int(rng.integers(-128, 128)), shift=int(rng.choice([1, 30, 60])),
        output_zero=int(rng.integers(-128, 128)), factors=tuple(factors.tolist()),
    )  # fmt: skip


def soften(rng, hostile):
    powers = np.rint(2.0**20 * np.exp(-rng.random() * 0.2 * np.arange(256)))
    if hostile:
        powers[1:] = rng.choice([0, 1, 1 << 20], 255)
    return QSoftmax(
        powers=tuple(powers.astype(int).tolist()), multiplier=int(rng.integers(1 << 17)),
        shift=int(rng.choice([1, 9, 22])), output_zero=int(rng.integers(-128, 128)),
    )  # fmt: skip


@MODES
def test_what_goes_along_channels_is_golden(runner, hostile):
    rng = np.random.default_rng(60 + hostile)
    cases = []
    for channels in CHANNELS[::3]:
        shape = (1, 2, 3, channels)
        x = int8s(rng, shape, hostile=hostile)
        cases += [
            (response(rng, hostile), [x], (1, 1, 1, channels)),
            (local_norm(rng, int(rng.choice([1, 2, 5, 40, 1024])), hostile), [x], shape),
            (soften(rng, hostile), [x], shape),
            (QChannelMax(), [x], (1, 2, 3, 1)),
        ]
    large = int8s(rng, (1, 256, 256, 3), hostile=hostile)
    cases.append((response(rng, hostile), [large], (1, 1, 1, 3)))

    assert_all_golden(runner, rng, cases)


def test_what_goes_along_channels_beyond_its_limits_is_refused(runner):
    rng = np.random.default_rng(62)
    x = int8s(rng, (1, 2, 2, 8))
    shape, one = x.shape, (1, 1, 1, 8)
    r, n, s = response(rng, False), local_norm(rng, 5, False), soften(rng, False)
    large = (1 << 30, *n.factors[1:])

    assert_refused(runner, [
        *(plain_call(replace(r, **change), [x], one) for change in (
            {"epsilon": 0}, {"input_zero": 128}, {"shift": 0}, {"multiplier": 1 << 17},
            {"output_zero": 128}, {"epsilon": (1 << 40) + 1})),
        *(plain_call(replace(n, **change), [x], shape) for change in (
            {"size": 0}, {"size": 1025}, {"factors": n.factors[:700]}, {"factors": large},
            {"shift": 61}, {"input_zero": -129}, {"output_zero": 128})),
        *(plain_call(replace(s, **change), [x], shape) for change in (
            {"powers": (1, *s.powers[1:])}, {"powers": (1 << 20, 1 << 21, *s.powers[2:])},
            {"shift": 23}, {"shift": 0}, {"multiplier": 1 << 17}, {"output_zero": 128})),
    ])  # fmt: skip


UNPOOLS = [
    ((4, 6), (2, 2)),
    ((5, 7), (2, 3)),
    ((9, 3), (3, 1)),
    ((2, 2), (1, 1)),
    ((17, 15), (17, 15)),
]


@MODES
def test_unpooling_is_golden(runner, hostile):
    rng = np.random.default_rng(70 + hostile)
    cases = []
    for (height, width), kernel in UNPOOLS:
        for channels in (1, 3, 15, 16, 33, 100):
            shape = (1, height, width, channels)
            x = int8s(rng, (1, height // kernel[0], width // kernel[1], channels))
            op = QUnpool(kernel=kernel, value=int(rng.integers(-128, 128)))
            cases.append((op, [x, int8s(rng, shape, hostile=hostile)], shape))

    assert_all_golden(runner, rng, cases)


def test_unpooling_beyond_its_limits_is_refused(runner):
    rng = np.random.default_rng(72)
    like, x = int8s(rng, (1, 32, 8, 2)), int8s(rng, (1, 32, 8, 2))
    good = QUnpool(kernel=(2, 2), value=0)
    bad = ({"kernel": (33, 1)}, {"kernel": (1, 9)}, {"kernel": (32, 8)}, {"value": 128})

    assert_refused(
        runner, [plain_call(replace(good, **change), [x, like], like.shape) for change in bad]
    )


#: Map, kernel, stride, dilation, pads, offset groups.
DEFORMS = [
    ((5, 6), (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), 1),
    ((7, 9), (3, 2), (2, 3), (2, 1), (2, 0, 1, 3), 2),
    ((1, 1), (1, 1), (1, 1), (1, 1), (0, 0, 0, 0), 1),
    ((4, 8), (2, 5), (1, 2), (3, 1), (0, 2, 0, 1), 3),
]


def deformation(rng, case, masked, hostile):
    _, kernel, stride, dilation, pads, groups = case
    reach = 1 << (29 if hostile else 13)
    return QDeform(
        kernel=kernel, stride=stride, dilation=dilation, pads=pads, groups=groups,
        input_zero=int(rng.choice([-128, 0, 127, 5])), output_zero=int(rng.integers(-128, 128)),
        shift=int(rng.choice([1, 12, 30] if hostile else [13, 14])),
        offsets=tuple(rng.integers(-reach, reach + 1, 256).tolist()),
        factors=tuple(rng.integers(-(1 << 14), (1 << 14) + 1, 256 if masked else 1).tolist()),
    )  # fmt: skip


@MODES
def test_what_a_deformable_convolution_gathers_is_golden(runner, hostile):
    rng = np.random.default_rng(80 + hostile)
    cases = []
    for case in DEFORMS:
        size, kernel, stride, dilation, pads, groups = case
        out = window_sizes(kernel, stride, dilation, pads, size)
        taps = kernel[0] * kernel[1]
        for i, channels in enumerate(groups * n for n in (1, 3, 8, 16, 35)):
            op = deformation(rng, case, i % 2, hostile)
            inputs = [int8s(rng, (1, *size, channels), hostile=hostile)]
            inputs += [
                int8s(rng, (1, *out, each * groups * taps), hostile=hostile)
                for each in ((2, 1) if i % 2 else (2,))
            ]
            cases.append((op, inputs, (1, *out, taps * channels)))

    assert_all_golden(runner, rng, cases)


def test_gathering_beyond_its_limits_is_refused(runner):
    rng = np.random.default_rng(82)
    good = replace(deformation(rng, DEFORMS[0], True, False), groups=2)
    inputs = [int8s(rng, (1, 5, 6, n)) for n in (4, 36, 18)]
    far = (*good.offsets[1:], (1 << 29) + 1)
    bad = (
        {"groups": 3}, {"groups": 0}, {"shift": 0}, {"shift": 31}, {"input_zero": 128},
        {"output_zero": -129}, {"offsets": far}, {"factors": (*good.factors[1:], -(1 << 14) - 1)},
        {"stride": (0, 1)}, {"dilation": (1, 65536)}, {"pads": (-1, 0, 0, 0)},
        {"stride": (65535, 1), "dilation": (65535, 1)}, {"kernel": (1, 0)},
    )  # fmt: skip

    assert_refused(
        runner, [plain_call(replace(good, **change), inputs, (1, 5, 6, 36)) for change in bad]
    )
