"""Programs do what the golden model says, command by command, in any order their waits allow."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.arch import PRESETS
from accelgen.arch.isa import Opcode
from accelgen.errors import ScheduleError
from accelgen.frontend import load_onnx
from accelgen.golden import interpret
from accelgen.passes import run_passes
from accelgen.program import Exec, Weights
from accelgen.quant import quantize
from accelgen.schedule import schedule, single_step
from accelgen.simulation.functional import run_functional
from accelgen.simulation.functional_exec import CommandError
from tests.helpers.arches import LARGE, PAIRS, SMALL
from tests.helpers.int8_nets import Int8Net, random_net
from tests.helpers.programs import assert_matches_golden, with_commands, without_waits

MODELS = Path(__file__).parents[1] / "models"
ARCHES = {
    "small": SMALL,
    "large": LARGE,
    "wide": replace(LARGE, pixels=16, chain_pixels=4),
    "twice": replace(SMALL, window_pixels=2 * SMALL.pixels),
    "pairs": PAIRS,
}


def scheduled(graph, arch, **options):
    """The program, or None when the graph does not fit (other tests look at the message)."""
    try:
        return schedule(graph, arch, **options)
    except ScheduleError:
        return None


# Random graphs.


@given(st.integers(0, 10**6), st.sampled_from(sorted(ARCHES)), st.booleans())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_random_graphs_match_golden(seed, arch, keep_all):
    net, graph = random_net(seed)
    program = scheduled(graph, ARCHES[arch], keep_all=keep_all)

    if program is not None:
        assert_matches_golden(program, net.input(), shuffles=(None, seed))


@given(st.integers(0, 10**6), st.sampled_from(sorted(ARCHES)), st.sampled_from([60, 150, 400]))
@settings(max_examples=80, deadline=None, derandomize=True)
def test_spilled_and_tiled_graphs_match_golden(seed, arch, rows):
    net, graph = random_net(seed, nodes=10)
    program = scheduled(graph, replace(ARCHES[arch], feature_rows=rows), keep_all=bool(seed % 2))

    if program is not None:
        assert_matches_golden(program, net.input(), shuffles=(None, seed, seed + 1))


@given(st.integers(0, 10**6), st.sampled_from(sorted(ARCHES)))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_single_steps_match_golden(seed, arch):
    net, graph = random_net(seed, nodes=6, largest=12)
    program = scheduled(graph, ARCHES[arch])
    if program is None:
        return
    want = interpret(program.graph, net.input()[None])

    for step in program.steps:
        alone = single_step(program, step.index)
        given_inputs = {p.tensor: want[p.tensor][0] for p in alone.inputs}
        result = run_functional(alone, given_inputs)
        assert set(result.tensors) == {t for t in (step.output, step.squeezed) if t}
        for name, got in result.tensors.items():
            np.testing.assert_array_equal(got, want[name][0], f"step {step.index}, {name}")


# Chosen graphs.


def residual_net():
    """Spills, tiles, residual, squeeze-and-excite, concat with gaps, tail on the PS."""
    net = Int8Net((19, 14, 3), seed=5)
    x = net.table(net.conv(net.x, 10, (3, 3), (2, 2), (1, 0, 0, 1)))
    y = net.table(net.depthwise(net.table(net.conv(x, 30)), (5, 5), (1, 1), (2, 2, 2, 2)))
    y = net.conv(net.squeeze_excite(y, 5), 10)
    z = net.concat(net.add(y, x), net.conv(x, 7, (3, 3), (1, 1), (1, 1, 1, 1)))
    z = net.max_pool(net.conv(z, 12, (1, 1)), (3, 3), (2, 2), (1, 1, 1, 1))
    net.softmax(net.fc(net.gap(net.conv(z, 20)), 9))
    return net


@pytest.mark.parametrize("arch", sorted(ARCHES))
@pytest.mark.parametrize("rows", [90, 128, 4096])
@pytest.mark.parametrize("fc_on_ps", [False, True])
def test_residual_net_matches_golden(arch, rows, fc_on_ps):
    net = residual_net()
    program = schedule(
        net.graph(), replace(ARCHES[arch], feature_rows=rows), keep_all=True, fc_on_ps=fc_on_ps
    )

    assert [s.node for s in program.ps_steps] == ["conv2d20", "softmax21"][not fc_on_ps :]
    assert_matches_golden(program, net.input(), shuffles=(None, *range(8)))


def test_graph_input_may_be_an_output():
    net = Int8Net((3, 3, 2))
    y = net.conv(net.x, 5)

    assert_matches_golden(schedule(net.graph(net.x, y), SMALL), net.input())


def test_concat_and_its_member_may_be_outputs():
    net = Int8Net((3, 3, 2))
    a, b = net.conv(net.x, 5), net.conv(net.x, 6)
    c = net.concat(a, b)

    assert_matches_golden(schedule(net.graph(c, a), SMALL, keep_all=True), net.input())


@pytest.mark.parametrize("name", ["digits_tiny", "fmnist_dscnn", "fmnist_effse"])
@pytest.mark.parametrize("rows", [160, 10240])
def test_trained_networks_match_golden(name, rows):
    imported = load_onnx(MODELS / f"trained_{name}.onnx")
    graph = run_passes(imported.graph)
    shape = graph.tensors[graph.input].shape
    samples = np.random.default_rng(1).normal(size=(4, *shape[1:])).astype(np.float32)
    int8 = quantize(graph, samples).graph
    program = schedule(int8, replace(PRESETS["ultra96"], feature_rows=rows), keep_all=True)

    x = interpret(int8, samples[:1])[int8.input][0]
    assert_matches_golden(program, x, shuffles=(None, 1, 2))


# The checkers themselves, broken on purpose.


def tiled_program():
    net = residual_net()
    program = schedule(net.graph(), replace(SMALL, feature_rows=90))
    return net, program


def fails(program, x, seeds=range(20)):
    """Some order, or program order itself, goes wrong."""
    try:
        assert_matches_golden(program, x, shuffles=(None, *seeds))
    except (AssertionError, CommandError):
        return True
    return False


@pytest.mark.parametrize("opcode", [Opcode.LOAD, Opcode.EXEC, Opcode.STORE])
def test_missing_waits_are_exposed(opcode):
    net, program = tiled_program()
    assert not fails(program, net.input())

    def forget(index, command):
        if command.opcode is not opcode:
            return command
        return without_waits(command)

    assert fails(with_commands(program, forget), net.input())


def test_waits_that_come_too_late_deadlock():
    net, program = tiled_program()

    def wait_forever(index, command):
        if index != len(program.commands) // 2:
            return command
        return replace(command, header=replace(command.header, wait_stores=60000))

    with pytest.raises(CommandError, match="deadlock"):
        run_functional(with_commands(program, wait_forever), {"x": net.input()})


CHANGES = {
    "groups": (lambda f: 1, "WEIGHTS and EXEC differ in groups"),
    "weight_words": (lambda f: 1, "weight words do not add up"),
    "out_rows": (lambda f: f.out_rows + 1, "out_rows does not add up"),
    "out_pixels": (lambda f: f.out_pixels - 1, "out_pixels is not what the last stage keeps"),
    "table_bank": (lambda f: 1, "WEIGHTS and EXEC differ in table_bank"),
    "out_row": (lambda f: f.in_row + 1, "overwrites what it reads"),
    "out_stride": (lambda f: 1, "output groups overwrite each other"),
    "in_row": (lambda f: 4090, "a lane reads outside memory"),
    "window": (lambda f: 1, "params2 without requant2, or none with it"),
    "squeeze": (lambda f: 1, "add or squeeze of what is not chained"),
}


@pytest.mark.parametrize("field", sorted(CHANGES))
def test_commands_that_do_not_add_up_are_refused(field):
    change, message = CHANGES[field]
    net = Int8Net((7, 5, 6))
    net.conv(net.conv(net.x, 9), 10, (3, 3), pads=(1, 1, 1, 1))
    program = schedule(net.graph(), replace(SMALL, feature_rows=4096))
    first = next(i for i, c in enumerate(program.commands) if c.opcode is Opcode.EXEC)

    def alter(index, command):
        if index != first:
            return command
        return replace(command, **{field: change(command)})

    with pytest.raises(CommandError, match=message):
        run_functional(with_commands(program, alter), {"x": net.input()})


def program_that_keeps_words():
    net = Int8Net((28, 28, 64))
    net.conv(net.x, 128)
    return net, schedule(net.graph(), LARGE)


@pytest.mark.parametrize("field", ["keep", "rewind"])
def test_words_that_are_not_there_are_noticed(field):
    net, program = program_that_keeps_words()
    assert any(getattr(c, field) for c in program.commands if isinstance(c, Exec))

    def forget(_, command):
        return replace(command, **{field: False}) if isinstance(command, Exec) else command

    with pytest.raises(CommandError, match="read again that were not kept"):
        run_functional(with_commands(program, forget), {"x": net.input()})


def test_more_words_than_the_ring_holds_are_noticed():
    net, program = program_that_keeps_words()
    streams = [c for c in program.commands if isinstance(c, Weights)]
    words = sum(c.groups * c.weight_words for c in streams)
    small = replace(program, arch=replace(program.arch, weight_words=words // 2))

    with pytest.raises(CommandError, match="more weight words are kept than the ring holds"):
        run_functional(small, {"x": net.input()})


def test_overflowing_accumulator_is_noticed():
    net = Int8Net((4, 4, 64))
    out = net.conv(net.x, 1, (3, 3), pads=(1, 1, 1, 1))
    net.constants["w0"][:] = 127
    net.constants["b0"][:] = (1 << 26) - 1000
    program = schedule(net.graph(out), SMALL)
    narrow = replace(program, arch=replace(SMALL, acc_bits=27))

    with pytest.raises(CommandError, match="an accumulator overflows"):
        run_functional(narrow, {"x": np.full((4, 4, 64), 127, np.int8)})
