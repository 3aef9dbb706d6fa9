"""frame.bin in the library: the input's way in, PS steps, outputs; and files that are no frames."""

import zlib
from dataclasses import replace

import numpy as np
import pytest

from accelgen.arch import PRESETS
from accelgen.flow.network import read_network
from accelgen.golden.arith import quantize_array
from accelgen.golden.interpret import interpret
from accelgen.golden.outputs import model_outputs
from accelgen.ir import Quantization
from accelgen.ir.views import Choice, OutputView, Piece
from accelgen.ir.wide import widened
from accelgen.program import pack_tensor
from accelgen.program.places import two_places
from accelgen.ps import kernels
from accelgen.ps.frame_file import frame_file
from accelgen.ps.kernels import Output
from accelgen.quant.dry_run import dry_int8
from accelgen.schedule import schedule_parts
from tests.helpers.int8_nets import Int8Net, unrounded
from tests.helpers.several_inputs import gated
from tests.ps.judge import assert_golden
from tests.schedule.test_ps_between import a_gate

SMALL, WIDE = PRESETS["small"], PRESETS["ultra96"]


def everything(seed):
    """Every PS step that a tail can have, and outputs of each kind."""
    net = Int8Net((5, 6, 20), seed=seed)
    x = net.conv(net.x, 12)
    y = net.fc(net.table(net.fc(net.conv(x, 30), 17)), 10)
    return net, net.graph(net.softmax(y), y, x)


def few_channels(seed):
    """An input that the compiler folds: several pixels side by side."""
    net = Int8Net((6, 8, 3), seed=seed)
    return net, net.graph(net.softmax(net.conv(net.x, 21, kernel=(2, 2), stride=(2, 2))))


def only_on_the_ps(seed):
    """What no engine of the PL has a form for, at the end."""
    net = Int8Net((5, 6, 20), seed=seed)
    a = net.conv(net.x, 12)
    y = net.table(net.multiply(a, net.conv(a, 12)))
    pooled = net.inner_pool(y, kernel=(3, 2), stride=(2, 1), pads=(1, 0, 1, 1))
    factor = {"input_zero": 5, "multiplier": 70_001, "shift": 36, "output_zero": -9}
    fine = net.bilinear(net.bilinear(pooled, 7, 9), 5, 6, **factor)
    return net, net.graph(net.softmax(fine), y)


def indices(seed):
    """Of channels and pixels as they lie, of what is turned, of a Softmax, of two maps joined."""
    net = Int8Net((4, 6, 8), seed=seed)
    a, b = net.conv(net.x, 6), net.conv(net.x, 3, kernel=(2, 2), stride=(2, 2))
    p = net.softmax(net.conv(b, 5))
    whole = {"tensor": a, "split": (4, 6, 6)}
    planes = Piece(**whole, order=(2, 0, 1), shape=(1, 6, 4, 6))
    rows = Piece(**whole, order=(0, 1, 2), shape=(1, 24, 6))
    odds = Piece(tensor=p, split=(2, 3, 5), order=(2, 0, 1), shape=(1, 5, 2, 3))
    joined = (
        Piece(tensor=a, split=(4, 6, 2, 3), order=(2, 0, 1, 3), shape=(1, 48, 3)),
        Piece(tensor=b, split=(2, 3, 3), order=(1, 0, 2), shape=(1, 6, 3)),
    )
    wanted = [
        ((planes,), Choice(axis=1)), ((planes,), Choice(axis=3, last=True)),
        ((planes,), Choice(axis=2, keepdims=False, least=True)), ((planes,), Choice(axis=0)),
        ((rows,), Choice(axis=1, keepdims=False)), ((rows,), Choice(axis=2, last=True)),
        ((odds,), Choice(axis=1)), ((odds,), Choice(axis=2, least=True, last=True)),
        (joined, Choice(axis=1)), (joined, Choice(axis=2, keepdims=False)),
    ]  # fmt: skip
    views = tuple(
        OutputView(name=f"y{i}", pieces=pieces, axis=len(pieces) - 1, dtype="int64", choice=choice)
        for i, (pieces, choice) in enumerate(wanted)
    )
    return net, replace(net.graph(a, b, p), views=views)


def sums(seed):
    """A last layer that is not rounded: its softmax, and the real numbers themselves."""
    net = Int8Net((5, 6, 20), seed=seed)
    y = net.fc(net.fc(net.conv(net.x, 30), 17), 11)
    net.nodes[-1] = replace(net.nodes[-1], op=replace(net.nodes[-1].op, low=-128))
    steps = {net.nodes[-1].name: np.linspace(1e-4, 3e-4, 11)}
    graph = widened(net.graph(net.softmax(y), y), steps)
    assert graph.tensors[y].dtype == "int32"
    return net, graph


def bytes_of_sums(seed):
    """What the PL leaves of an average and of a layer that are not rounded; one is softened."""
    net = Int8Net((5, 6, 20), seed=seed)
    x = net.conv(net.x, 30)
    y = net.fc(net.max_pool(x), 7)
    return net, unrounded(net, net.gap(x), y, also=[net.softmax(y)])


NETS = {
    "everything": everything, "few channels": few_channels, "only on the PS": only_on_the_ps,
    "sums": sums, "bytes of sums": bytes_of_sums,
}  # fmt: skip


def compiled(make, arch):
    net, graph = make(3)
    (program,) = schedule_parts(graph, arch, fc_on_ps=True)
    return net, program, two_places(program)


def real(net, program, rng):
    """Floats (h, w, c) whose quantization is rounded and clamped somewhere."""
    shape = program.graph.tensors[program.input.tensor].shape[1:]
    return rng.normal(0, 4, shape).astype(np.float32)


def image_after(program, places, place, tensors):
    """The image once the PL is done."""
    image = bytearray(np.random.default_rng(9).bytes(places.image_bytes))
    for output in places.outputs[place]:
        data = pack_tensor(tensors[output.tensor][0], output, program.arch)
        image[output.offset : output.offset + len(data)] = data
    return np.frombuffer(bytes(image), np.uint8)


@pytest.mark.parametrize("arch", [SMALL, WIDE], ids=["small", "wide"])
@pytest.mark.parametrize("make", NETS.values(), ids=NETS)
def test_a_frame_is_the_golden_models(runner, make, arch):
    rng = np.random.default_rng(1)
    net, program, places = compiled(make, arch)
    x = real(net, program, rng)
    quantization = program.graph.tensors[program.input.tensor].quantization
    q = quantize_array(x, quantization)
    want = interpret(program.graph, q[None])
    file = frame_file(places)
    before = np.frombuffer(rng.bytes(places.image_bytes), np.uint8)
    for place in (0, 1):
        spot = places.inputs[place]
        expected = before.copy()
        packed = pack_tensor(q.reshape(spot.shape), spot, program.arch)
        expected[spot.offset : spot.offset + len(packed)] = np.frombuffer(packed, np.uint8)
        inputs = [
            kernels.frame_input(file, before, q, place),
            kernels.frame_input(file, before, x, place),
            kernels.frame_input(
                file, before, np.ascontiguousarray(x.transpose(2, 0, 1)), place, planes=True
            ),
        ]
        assert_golden(runner, inputs, [expected] * 3)

        outputs = list(model_outputs(program.graph, want).values())
        shapes = [o.shape for o in outputs]
        after = image_after(program, places, place, want)
        (answer,) = runner.run([kernels.frame_finish(file, after, place, shapes, 1 + 2 * place)])
        assert (answer.status, answer.damaged) == (0, 0)
        for got, expected in zip(answer.outputs, outputs, strict=True):
            assert got.tobytes() == expected.tobytes()


def test_outputs_are_pieces_of_tensors_and_integers(runner):
    """Turned and joined, and where the model ends in QuantizeLinear its integers."""
    net = Int8Net((4, 6, 8), seed=6)
    a, b = net.conv(net.x, 6), net.conv(net.x, 3, kernel=(2, 2), stride=(2, 2))
    pieces = (
        Piece(tensor=a, split=(4, 6, 2, 3), order=(2, 0, 1, 3), shape=(1, 48, 3)),
        Piece(tensor=b, split=(2, 3, 3), order=(1, 0, 2), shape=(1, 6, 3)),
    )
    views = tuple(
        OutputView(name=t, pieces=pieces, axis=1, dtype=t) for t in ("float32", "int8", "uint8")
    )
    graph = replace(net.graph(a, b), views=views)
    (program,) = schedule_parts(graph, SMALL)
    places = two_places(program)
    want = interpret(program.graph, net.input()[None])
    expected = model_outputs(program.graph, want)

    after = image_after(program, places, 1, want)
    call = kernels.frame_finish(frame_file(places), after, 1, [v.shape for v in expected.values()])
    kinds = [Output((1, 54, 3), v.dtype.type) for v in expected.values()]
    (answer,) = runner.run([replace(call, buffers=(*call.buffers[:2], *kinds))])

    assert (answer.status, answer.damaged) == (0, 0)
    for got, value in zip(answer.outputs, expected.values(), strict=True):
        assert got.tobytes() == value.tobytes()


def chosen_sums(seed):
    """Index of the largest real number: sums alone, of steps that differ, do not tell."""
    net, graph = sums(seed)
    piece = Piece(tensor=graph.outputs[1], split=(1, 1, 11), order=(2, 0, 1), shape=(1, 11))
    views = tuple(
        OutputView(name=f"y{least}", pieces=(piece,), dtype="int64",
                   choice=Choice(axis=1, least=least))
        for least in (False, True)
    )  # fmt: skip
    return net, replace(graph, views=views)


@pytest.mark.parametrize("make", [indices, chosen_sums])
def test_outputs_are_indices(runner, make):
    net, program, places = compiled(make, SMALL)
    want = interpret(program.graph, net.input()[None])
    expected = model_outputs(program.graph, want)
    after = image_after(program, places, 1, want)

    call = kernels.frame_finish(frame_file(places), after, 1, [])
    kinds = [Output(view.shape, np.int64) for view in program.graph.views]
    (answer,) = runner.run([replace(call, buffers=(*call.buffers, *kinds))])

    assert (answer.status, answer.damaged) == (0, 0)
    for view, got in zip(program.graph.views, answer.outputs, strict=True):
        assert expected[view.name].shape == view.shape, view
        assert got.tobytes() == expected[view.name].tobytes(), view


def test_quantizing_is_its_definition(runner):
    """Also where a quotient is in the middle of two numbers, or nearly."""
    rng = np.random.default_rng(2)
    calls, expected = [], []
    for i in range(60):
        scale = float(np.float32(10.0 ** rng.uniform(-6, 3)))
        to = Quantization(scale, int(rng.integers(-128, 128)))
        middles = (rng.integers(-300, 300, 400) + 0.5) * np.float32(scale)
        steps = rng.integers(-2, 3, 400) * np.spacing(middles.astype(np.float32))
        x = np.concatenate([
            middles.astype(np.float32) + steps, rng.normal(0, 100 * scale, 400 + i),
            [0, -0.0, np.inf, -np.inf, 3e38, -3e38, 1e-45],
        ]).astype(np.float32)  # fmt: skip
        calls.append(kernels.quantize(x, to))
        expected.append(quantize_array(x, to))
    tiny = Quantization(float(np.float32(1e-40)), 3)
    calls.append(kernels.quantize(x, tiny))
    expected.append(quantize_array(x, tiny))

    assert_golden(runner, calls, expected, rng=rng)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7])
def test_planes_become_pixels(runner, channels):
    rng = np.random.default_rng(channels)
    to = Quantization(0.02, -5)
    planes = [rng.normal(0, 1, (channels, n)).astype(np.float32) for n in (1, 15, 16, 1023, 2500)]

    expected = [np.ascontiguousarray(quantize_array(x, to).T) for x in planes]

    assert_golden(runner, [kernels.quantize_planes(x, to) for x in planes], expected, rng=rng)


def test_impossible_quantizations_are_refused(runner):
    x = np.zeros(8, np.float32)
    bad = [(0.0, 0), (-1.0, 0), (np.nan, 0), (np.inf, 0), (1.0, 128), (1.0, -129)]

    calls = [kernels.quantize(x, Quantization(*b)) for b in bad]

    assert [a.status for a in runner.run(calls)] == [-1] * len(bad)


def test_the_file_says_what_the_hardware_must_be(runner):
    _, program, places = compiled(everything, SMALL)
    file = frame_file(places)
    words = np.frombuffer(file, np.int64)

    assert int(program.arch.crc) in words
    assert zlib.crc32(places.program_bin) in words
    assert places.image_bytes in words


@pytest.mark.parametrize("make", [few_channels, only_on_the_ps, indices, sums])
@pytest.mark.parametrize("kind", ["twin", "sanitized"])
def test_damaged_files_are_refused_or_harmless(runner_of, kind, make):
    """Cut, or with words and bytes changed: no crash, nothing written where it must not be."""
    _, program, places = compiled(make, SMALL)
    file = frame_file(places)
    shapes = [view.shape for view in program.graph.model_outputs()]
    given = np.zeros(program.graph.tensors[program.input.tensor].shape[1:], np.float32)
    image = np.zeros(places.image_bytes, np.uint8)
    rng = np.random.default_rng(4)
    damaged = [file[:n] for n in (0, 8, 12, 16, 64, len(file) - 8, len(file) - 1)]
    damaged += [file + bytes(8)]
    hostile = np.array([-1, 0, 1, 1 << 20, 1 << 31, 1 << 62, -(1 << 63), (1 << 63) - 1])
    for _ in range(300):
        words = np.frombuffer(file, np.int64).copy()
        words[rng.integers(0, len(words), rng.integers(1, 3))] = rng.choice(hostile)
        damaged.append(words.tobytes())
    calls = [kernels.frame_finish(f, image, 0, shapes) for f in damaged if f]
    calls += [kernels.frame_input(f, image, given, 0) for f in damaged if f]

    answers = runner_of(kind).run(calls)

    assert all(a.status in (0, -1, -2) and not a.damaged for a in answers)
    assert [a.status for a in answers[:7]] == [-1] * 7


def test_a_damaged_file_of_a_frame_in_parts_is_refused_or_harmless(runner_of):
    """What says how many maps and steps each part has, and all else but constants' data."""
    _, graph, _ = a_gate()
    places = two_places(schedule_parts(graph, SMALL), graph.model_outputs())
    assert len(places.parts) == 3
    file = frame_file(places)
    shapes = [view.shape for view in graph.model_outputs()]
    image = np.zeros(places.image_bytes, np.uint8)
    words = np.frombuffer(file, np.int64)
    parts_at = int(np.flatnonzero(words == places.image_bytes)[0]) + 1
    parts_at += 1 + 2 * int(words[parts_at])
    assert words[parts_at] == 3
    damaged = []
    for at in range(parts_at, parts_at + 1 + 3 * 7):
        for value in (-1, 0, 1, 2, 5, 1 << 30, 1 << 62):
            changed = words.copy()
            changed[at] = value
            damaged += [changed.tobytes()] if value != words[at] else []
    whole = kernels.frame_finish(file, image, 0, shapes)
    calls = [kernels.frame_finish(f, image, 0, shapes) for f in damaged]

    first, *answers = runner_of("sanitized").run([whole, *calls])

    assert first.status == 0
    assert all(a.status in (0, -1, -2) and not a.damaged for a in answers)
    assert sum(a.status == -1 for a in answers) > len(answers) // 2


def test_damaged_inputs_of_a_frame_with_several_are_refused_or_harmless(runner_of):
    """How many there are, their names, sizes and maps: every word of it, on each way in."""
    graph = dry_int8(read_network(gated()))
    places = two_places(schedule_parts(graph, SMALL))
    file = frame_file(places)
    words = np.frombuffer(file, np.int64)
    parts_at = int(np.flatnonzero(words == places.image_bytes)[0]) + 1
    parts_at += 1 + 2 * int(words[parts_at])
    first = parts_at + 1 + 7 * int(words[parts_at])
    assert words[first] == len(places.taken) == 2
    damaged = []
    for at in range(first, first + 1 + 2 * 14):
        for value in (-1, 0, 1, 3, 1 << 20, 1 << 30, 1 << 62, -(1 << 63)):
            changed = words.copy()
            changed[at] = value
            damaged += [changed.tobytes()] if value != words[at] else []
    image = np.zeros(places.image_bytes, np.uint8)
    given = np.zeros(graph.tensors["template"].shape[1:], np.float32)
    shapes = [view.shape for view in graph.model_outputs()]
    calls = [kernels.frame_input(file, image, given, 0)]
    calls += [kernels.frame_input(f, image, given, 0) for f in damaged]
    calls += [kernels.frame_finish(f, image, 1, shapes) for f in damaged]

    whole, *answers = runner_of("sanitized").run(calls)

    assert whole.status == 0
    assert all(a.status in (0, -1, -2) and not a.damaged for a in answers)
    assert sum(a.status == -1 for a in answers) > len(answers) // 2
