"""What the hardware holds is what arch.limits says: RTL, simulator and estimator all follow it."""

import numpy as np
import pytest

from accelgen.arch import ArchParams, isa, limits
from accelgen.arch.isa import CHANNEL_PARAM, EXEC, RASTER, Opcode, command_beats
from accelgen.cost import Memory
from accelgen.estimator.timeline import timeline
from accelgen.golden.arith import MAX_MULTIPLIER, MAX_SHIFT
from accelgen.rtl import layouts
from accelgen.rtl.control.dispatch import Dispatch
from accelgen.rtl.control.fetch import Fetch
from accelgen.schedule import schedule
from accelgen.schedule.steps.weights import channel_params as packed_params
from accelgen.simulation.functional import _Machine
from accelgen.simulation.functional import _params as unpacked_params
from tests.helpers.blocks import load_unit, store_unit, weight_loader
from tests.helpers.int8_nets import Int8Net
from tests.helpers.testbench import run_testbenches

ARCH = ArchParams(lanes=4, pixels=4, chain_pixels=1, pe_mode="single", acc_bits=32)


@pytest.fixture(params=[1, 2])
def share(request):
    """Half of everything, and all of it: what holds for both is read from where it stands."""
    return request.param


def halved(monkeypatch, name, share):
    """``limits.name``, divided by ``share`` while the test runs; the value."""
    value = getattr(limits, name) // share
    monkeypatch.setattr(limits, name, value)
    return value


def accepted(dut, port, words, *others, cycles=400):
    """Payloads that ``port`` takes one after another before it takes no more."""
    count = 0

    async def offer(ctx):
        nonlocal count
        ctx.set(port.valid, 1)
        while count < len(words):
            ctx.set(port.payload.as_value(), words[count])
            for _ in range(cycles):
                ready = ctx.get(port.ready)
                await ctx.tick()
                if ready:
                    break
            else:
                return
            count += 1

    run_testbenches(dut, offer, *others)
    return count


def commands(opcode, count, **fields):
    packed = isa.FORMATS[opcode].pack({"header": {"opcode": opcode}, **fields})
    return [packed] * count


def beats_of(opcode, count):
    word = commands(opcode, 1)[0]
    return [word >> 128 * i & (1 << 128) - 1 for i in range(command_beats(opcode))] * count


@pytest.mark.parametrize("opcode", list(isa.FORMATS))
def test_a_units_queue_holds_so_many_commands(opcode, share, monkeypatch):
    depth = halved(monkeypatch, "UNIT_QUEUE", share)
    dut = Dispatch()

    assert accepted(dut, dut.i, beats_of(opcode, depth + 2)) == depth * command_beats(opcode)


def test_the_dispatch_tells_when_enough_execs_wait(share, monkeypatch):
    most = halved(monkeypatch, "EXECS_AHEAD", share)
    dut = Dispatch()
    seen = []

    async def watch(ctx):
        ctx.set(dut.i.valid, 1)
        for sent, word in enumerate(beats_of(Opcode.EXEC, 3), 1):
            ctx.set(dut.i.payload.as_value(), word)
            await ctx.tick()
            seen.append((sent // command_beats(Opcode.EXEC), ctx.get(dut.ahead)))

    run_testbenches(dut, watch)

    assert all(ahead == (whole >= most) for whole, ahead in seen)


def test_the_fetch_asks_for_so_many_bursts(share, monkeypatch):
    most = halved(monkeypatch, "FETCH_AHEAD", share)
    dut = Fetch()
    asked = 0

    async def run(ctx):
        nonlocal asked
        ctx.set(dut.program_bytes, 100 * isa.FETCH_BYTES)
        ctx.set(dut.request.ready, 1)
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        for _ in range(100):
            asked += ctx.get(dut.request.valid)
            await ctx.tick()

    run_testbenches(dut, run)

    assert asked == most


def test_the_loader_accepts_so_many_weights(share, monkeypatch):
    most = halved(monkeypatch, "WEIGHTS_AHEAD", share)
    dut = weight_loader(ARCH)
    words = commands(Opcode.WEIGHTS, most + 9, groups=9, weight_words=1, beats=9, parked=1)

    # Besides those in the queue one is at its output, and one is cut into sections.
    assert accepted(dut, dut.command, words) == most + 2


@pytest.mark.parametrize(
    ("unit", "opcode", "besides"), [(load_unit, Opcode.LOAD, 2), (store_unit, Opcode.STORE, 1)]
)
def test_transfers_are_accepted_so_far_ahead(unit, opcode, besides, share, monkeypatch):
    """While nothing comes, and nothing that was written is answered. Besides those in the queue a
    LOAD is at its output and one at work, a STORE is read."""
    most = halved(monkeypatch, "RUNS_AHEAD", share)
    dut = unit(ARCH)

    async def take_all(ctx):
        ctx.set(dut.request.ready, 1)
        if opcode is Opcode.STORE:
            ctx.set(dut.row_request.ready, 1)
            ctx.set(dut.o.ready, 1)
            for _ in range(1000):
                asked = ctx.get(dut.row_request.valid)
                await ctx.tick()
                ctx.set(dut.row_data.valid, asked)

    words = commands(opcode, most + 9, groups=1, rows=1)
    assert accepted(dut, dut.command, words, take_all) == most + besides


def network():
    """A chain of convolutions whose maps are all stored."""
    net = Int8Net((8, 8, 16))
    x = net.x
    for _ in range(24):
        x = net.conv(x, 16)
    return net, schedule(net.graph(), ARCH, keep_all=True)


def test_random_orders_are_as_deep_as_the_queues(share, monkeypatch):
    """WEIGHTS are dispatched until their queue is full."""
    depth = halved(monkeypatch, "UNIT_QUEUE", share)
    net, program = network()
    machine = _Machine(program, {program.input.tensor: net.input()})
    wanted, held = machine._wanted, []

    def watched(queue, commands):
        held.append(len(queue))
        return wanted(queue, commands)

    monkeypatch.setattr(machine, "_wanted", watched)
    machine.run(np.random.default_rng(1))

    assert max(held) == depth


def test_the_estimator_goes_by_the_queues(monkeypatch):
    _, program = network()
    memory = Memory(bytes_per_cycle=4)
    cycles = timeline(program, memory).cycles

    fewer = {"UNIT_QUEUE": 1, "FETCH_AHEAD": 2, "EXECS_AHEAD": 1}
    for name, value in fewer.items():
        with monkeypatch.context() as patch:
            patch.setattr(limits, name, value)
            assert timeline(program, memory).cycles != cycles, name


def test_channel_parameters_are_packed_and_cut_by_their_format():
    rng = np.random.default_rng(2)
    slots = np.arange(16)
    given = {
        name: rng.integers(CHANNEL_PARAM[name].least, CHANNEL_PARAM.largest(name) + 1, 16)
        for name in ("bias", "multiplier", "shift")
    }
    given["bias"][:2] = -(1 << 31), (1 << 31) - 1

    packed = packed_params(*given.values(), slots, 4)

    words = packed.reshape(-1, 8)
    for channel, word in enumerate(words):
        fields = {name: int(values[channel]) for name, values in given.items()}
        assert int.from_bytes(word.tobytes(), "little") == CHANNEL_PARAM.pack(fields)
    cut = unpacked_params(packed, 4)
    for name, values in given.items():
        assert (getattr(cut, name).reshape(-1) == values).all()
    assert layouts.channel_param().size == CHANNEL_PARAM.width == 64


def test_the_arithmetic_fits_its_fields():
    assert CHANNEL_PARAM.largest("multiplier") == MAX_MULTIPLIER == 131071
    assert CHANNEL_PARAM.largest("shift") >= MAX_SHIFT


def test_largest_values_of_fields():
    assert RASTER.largest("kernel_h") == 15
    assert RASTER.largest("pad_top") == 255
    assert RASTER["pad_top"].least == -256
    assert EXEC.largest("weight_words") == 16_383
    assert EXEC.first_bit("early") == 65
    with pytest.raises(KeyError, match="exec has no field 'late'"):
        EXEC.largest("late")
