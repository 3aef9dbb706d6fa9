"""Zeros between pixels and a convolution are woven of strands: equal to the golden model."""

from dataclasses import replace

import numpy as np
import pytest

from accelgen.arch import ArchParams
from accelgen.arch.isa import Opcode
from accelgen.arch.presets import PRESETS
from accelgen.golden import interpret
from accelgen.ir.ops import QInsert
from accelgen.ir.spec import check_quantized
from accelgen.lowering.strands import is_woven
from accelgen.lowering.weave import weave
from accelgen.schedule import schedule
from tests.helpers.arches import LARGE, SMALL
from tests.helpers.int8_nets import Int8Net
from tests.helpers.programs import assert_matches_golden

DOUBLE = PRESETS["ultra96_double"]
WIDE = ArchParams(lanes=4, pixels=32, chain_pixels=2, pe_mode="single", feature_rows=2048)
ARCHES = {"small": SMALL, "large": LARGE, "double": DOUBLE, "wide": WIDE}


def with_zeros(net, x, factor):
    """``x`` with its zero point between its pixels, quantized as it is."""
    inserted = net.insert(x, factor)
    kind = net.tensors[x].quantization
    net.tensors[inserted] = replace(net.tensors[inserted], quantization=kind)
    return inserted


def drawn(rng):
    """Size, channels, factor, kernel, pads, groups of a convolution over inserted zeros."""
    factor = [(1, 2), (2, 2), (2, 2), (1, 4), (2, 4), (4, 4)][rng.integers(6)]
    kernel = tuple(int(k) for k in rng.integers(1, 9, 2))
    while True:
        size = tuple(int(s) for s in rng.integers(1, 12, 2))
        pads = tuple(int(p) for p in rng.integers(-2, 7, 4))
        out = [factor[a] * size[a] + pads[a] + pads[a + 2] - kernel[a] + 1 for a in (0, 1)]
        if min(out) > 0 and all(
            min(pads[a] + factor[a] * size[a], pads[a + 2] + factor[a] * size[a]) > 0
            for a in (0, 1)
        ):
            break
    groups = int(rng.choice([1, 1, 1, 2, 6]))
    channels = 6 if groups == 6 else int(rng.choice([1, 3, 7, 20])) * groups
    outputs = channels if groups == 6 else int(rng.choice([1, 5, 13, 32])) * groups
    return size, channels, outputs, factor, kernel, pads, groups


@pytest.mark.parametrize("seed", range(40))
def test_woven_graph_computes_the_same(seed):
    rng = np.random.default_rng(seed)
    size, channels, outputs, factor, kernel, pads, groups = drawn(rng)
    net = Int8Net((*size, channels), seed=seed)
    inserted = with_zeros(net, net.x, factor)
    y = net.conv(inserted, outputs, kernel, pads=pads, groups=groups)
    graph, x = net.graph(), net.input()[None]

    for arch in ARCHES.values():
        woven = weave(graph, arch)
        check_quantized(woven)
        assert not any(isinstance(n.op, QInsert) for n in woven.nodes)
        assert any(is_woven(n) for n in woven.nodes)
        np.testing.assert_array_equal(interpret(woven, x)[y], interpret(graph, x)[y])


@pytest.mark.parametrize("arch", ARCHES)
@pytest.mark.parametrize("seed", range(100, 125))
def test_programs_match_golden(arch, seed):
    rng = np.random.default_rng(seed)
    size, channels, outputs, factor, kernel, pads, groups = drawn(rng)
    net = Int8Net((*size, 3), seed=seed)
    inserted = with_zeros(net, net.conv(net.x, channels), factor)
    y = net.conv(inserted, outputs, kernel, pads=pads, groups=groups)
    z = net.conv(net.concat(y, net.table(y)), 5, (3, 3), pads=(1, 1, 1, 1))
    program = schedule(net.graph(z, y), ARCHES[arch], keep_all=True)

    assert any(c.woven for c in program.commands if c.opcode is Opcode.EXEC)
    assert_matches_golden(program, net.input(), shuffles=(None, 1))


@pytest.mark.parametrize("rows", [400, 700])
@pytest.mark.parametrize("width", [16, 18])
def test_passes_through_a_small_memory_in_bands(rows, width):
    net = Int8Net((17, width, 12))
    y = net.conv(with_zeros(net, net.x, (2, 2)), 20, (4, 4), pads=(2, 2, 2, 2))
    z = net.conv(y, 6, (3, 3), pads=(1, 1, 1, 1))
    program = schedule(net.graph(z), replace(SMALL, feature_rows=rows))
    execs = [c for c in program.commands if c.opcode is Opcode.EXEC]

    assert sum(c.woven for c in execs) > 4
    assert_matches_golden(program, net.input(), shuffles=(None, 1))


def test_pools_and_sums_stay_behind_what_is_woven():
    """Strands go straight to the memory: what follows is a step of its own."""
    net = Int8Net((5, 6, 7))
    y = net.conv(with_zeros(net, net.x, (2, 2)), 9, (2, 2), pads=(1, 1, 0, 0))
    pooled = net.max_pool(y, (3, 3), (1, 1), pads=(1, 1, 1, 1))
    other = net.conv(with_zeros(net, net.x, (2, 2)), 9, (3, 3), pads=(1, 1, 1, 1))
    added = net.add(other, pooled)
    mean = net.gap(net.conv(with_zeros(net, added, (1, 2)), 8, (1, 2)))
    program = schedule(net.graph(added, mean), SMALL, keep_all=True)

    assert [step.engine for step in program.steps].count("array") == 3
    assert_matches_golden(program, net.input(), shuffles=(None, 1))


def test_reads_only_the_input_groups_that_a_strand_takes():
    """DepthToSpace of whole words: each strand has a word of weights for each output word."""
    net = Int8Net((4, 8, 32))
    weight = np.zeros((8, 2, 2, 32), np.int8)
    for place in range(4):
        channels = np.arange(8)
        weight[channels, 1 - place // 2, 1 - place % 2, place * 8 + channels] = 1
    y = net.conv(with_zeros(net, net.x, (2, 2)), 8, (2, 2), pads=(1, 1, 0, 0))
    (name,) = (n.inputs[1] for n in net.nodes if n.output == y)
    net.constants[name] = weight
    program = schedule(net.graph(y), LARGE)
    execs = [c for c in program.commands if c.opcode is Opcode.EXEC]

    assert {(c.in_groups, c.weight_words, c.groups) for c in execs} == {(1, 1, 1)}
    assert_matches_golden(program, net.input())


@pytest.mark.parametrize("factor", [(2, 1), (3, 3), (1, 3), (4, 2), (1, 1)])
def test_other_factors_keep_their_zeros(factor):
    net = Int8Net((3, 4, 5))
    net.conv(with_zeros(net, net.x, factor), 6, (4, 4), pads=(3, 3, 3, 3))
    graph = net.graph()

    assert weave(graph, LARGE).nodes == graph.nodes


def test_zeros_that_others_read_stay():
    net = Int8Net((3, 4, 5))
    wide = with_zeros(net, net.x, (2, 2))
    y = net.conv(wide, 6, (2, 2), pads=(1, 1, 0, 0))
    graph = net.graph(y, wide)

    assert weave(graph, LARGE).nodes == graph.nodes


def test_more_words_than_the_ring_holds_keep_their_zeros():
    net = Int8Net((3, 4, 64))
    net.conv(with_zeros(net, net.x, (2, 2)), 6, (8, 8), pads=(4, 4, 3, 3))
    graph = net.graph()

    assert weave(graph, replace(LARGE, weight_words=64)).nodes == graph.nodes
    assert weave(graph, replace(LARGE, weight_words=128)).nodes != graph.nodes
