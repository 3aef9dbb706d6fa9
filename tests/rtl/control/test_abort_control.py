"""AbortControl: any fault or abort, at any time, ends in a reset of the core, once all is quiet."""

import itertools

import pytest

from accelgen.arch.registers import CAUSES, MASTERS
from accelgen.rtl.control.abort_control import AbortControl
from tests.helpers.testbench import run_testbenches

BASE = 0x12_3456_0000
NUMBER = {name: number for name, (number, _) in CAUSES.items()}


def run(*benches):
    """Benches of ``(ctx, dut)`` on one AbortControl; returns it."""
    dut = AbortControl()

    def on(bench):
        async def call(ctx):
            if bench is benches[0]:
                ctx.set(dut.base, BASE)
            await bench(ctx, dut)

        return call

    run_testbenches(dut, *map(on, benches))
    return dut


async def cause(ctx, dut, *, abort=False, command=False, faults=()):
    """One cycle of what is given; faults are (port, cause, offset)."""
    ctx.set(dut.abort, abort)
    ctx.set(dut.command, command)
    for port, name, offset in faults:
        ctx.set(dut.faults[port].valid, 1)
        ctx.set(dut.faults[port].cause, NUMBER[name])
        ctx.set(dut.faults[port].offset, offset)
    assert ctx.get(dut.ending) == bool(abort or command or faults)
    await ctx.tick()
    ctx.set(dut.abort, 0)
    ctx.set(dut.command, 0)
    for port in range(3):
        ctx.set(dut.faults[port].valid, 0)


async def to_the_end(ctx, dut, *, quiet_after=0):
    """``idle`` comes so many cycles later. Returns cycles of reset, and of all."""
    resets = cycles = 0
    while ctx.get(dut.ending):
        ctx.set(dut.idle, cycles >= quiet_after)
        assert ctx.get(dut.stop)
        reset = {ctx.get(r) for r in dut.resets}
        assert len(reset) == 1
        if reset == {1}:
            assert cycles >= quiet_after + dut.QUIET_CYCLES
            resets += 1
        finished = ctx.get(dut.finished)
        await ctx.tick()
        cycles += 1
        assert finished == (not ctx.get(dut.ending))
        assert cycles < 1000
    return resets + ctx.get(dut.resets[0]), cycles


@pytest.mark.parametrize("quiet_after", [0, 1, 50])
def test_the_core_is_reset_when_all_is_answered(quiet_after):
    async def bench(ctx, dut):
        assert all(ctx.get(r) for r in dut.resets)  # until the first edge after a reset of all
        await ctx.tick()
        for _ in range(2):
            assert not any(ctx.get(r) for r in dut.resets)
            await cause(ctx, dut, abort=True)
            resets, cycles = await to_the_end(ctx, dut, quiet_after=quiet_after)
            assert resets == dut.RESET_CYCLES
            assert cycles == quiet_after + dut.QUIET_CYCLES + dut.RESET_CYCLES
            await ctx.tick().repeat(2)
            assert not ctx.get(dut.stop)

    run(bench)


def test_one_cycle_of_quiet_is_not_the_end():
    """What was on its way in a register between stop and idle shows some cycles later."""

    async def bench(ctx, dut):
        await cause(ctx, dut, abort=True)
        for _ in range(20):
            for idle in (1, 1, 1, 0):
                ctx.set(dut.idle, idle)
                await ctx.tick()
                assert ctx.get(dut.stop)
                assert not any(ctx.get(r) for r in dut.resets)

    run(bench)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"abort": True}, ("aborted", "none", 0)),
        ({"command": True}, ("command", "program", 0)),
        ({"command": True, "abort": True}, ("command", "program", 0)),
        *(
            (
                {"abort": True, "command": True, "faults": [(port, name, 0x1234_5670)]},
                (name, master, (BASE + 0x1234_5670) & 0xFFFF_FFFF),
            )
            for port, master in enumerate(("program", "load", "store"))
            for name in ("read_response", "write_response", "outside")
        ),
        (
            {"faults": [(2, "outside", 0x20), (1, "read_response", 0x10)]},
            ("read_response", "load", (BASE + 0x10) & 0xFFFF_FFFF),
        ),
    ],
)
def test_the_first_says_why(given, expected):
    async def bench(ctx, dut):
        await ctx.tick()
        await cause(ctx, dut, **given)
        # Later ones are consequences.
        await cause_while_active(ctx, dut)
        await to_the_end(ctx, dut)
        name, master, address = expected
        for _ in range(3):
            assert ctx.get(dut.cause) == NUMBER[name]
            assert ctx.get(dut.master) == MASTERS[master]
            assert ctx.get(dut.error_address) == address
            assert ctx.get(dut.aborted) == (name == "aborted")
            await ctx.tick()
        ctx.set(dut.clear, 1)
        await ctx.tick()
        assert (ctx.get(dut.cause), ctx.get(dut.master), ctx.get(dut.error_address)) == (0, 0, 0)

    run(bench)


async def cause_while_active(ctx, dut):
    for port, name in itertools.product(range(3), ("outside", "read_response")):
        ctx.set(dut.faults[port].valid, 1)
        ctx.set(dut.faults[port].cause, NUMBER[name])
        ctx.set(dut.abort, 1)
        await ctx.tick()
        ctx.set(dut.faults[port].valid, 0)
        ctx.set(dut.abort, 0)
