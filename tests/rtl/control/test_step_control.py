"""StepControl: what the array's reader is given, and when it may read."""

from accelgen.rtl.control.step_control import StepControl
from tests.helpers.testbench import run_testbenches


def run(bench):
    dut = StepControl()

    async def body(ctx):
        ctx.set(dut.o.front_idle, 1)
        await bench(ctx, dut)

    run_testbenches(dut, body)


def offer(ctx, dut, row, *, early=0, over=1):
    """A step that reads from ``row``; its waits are over, or not."""
    ctx.set(dut.command.payload.in_row, row)
    ctx.set(dut.command.payload.early, early)
    ctx.set(dut.coming, 1)
    ctx.set(dut.command.valid, over)


async def until(ctx, signal, most=10):
    for cycle in range(most):
        if ctx.get(signal):
            return cycle
        await ctx.tick()
    raise AssertionError("it does not come")


async def begin_first(ctx, dut):
    """Step 1 runs and its reader is busy."""
    offer(ctx, dut, 1)
    await until(ctx, dut.o.front_start)
    assert ctx.get(dut.o.front.in_row) == 1
    await busy(ctx, dut)
    await until(ctx, dut.o.start)
    assert ctx.get(dut.o.step.in_row) == 1
    assert (ctx.get(dut.o.front_tag), ctx.get(dut.o.held_tag)) == (1, 1)
    await ctx.tick()
    assert ctx.get(dut.o.held_tag) == 2
    assert ctx.get(dut.o.may_read)


async def busy(ctx, dut):
    """The reader has taken what started."""
    await ctx.tick()
    ctx.set(dut.o.front_idle, 0)


async def finish(ctx, dut):
    ctx.set(dut.o.done, 1)
    await ctx.tick()
    ctx.set(dut.o.done, 0)


def test_a_dependent_step_is_made_ready_and_waits():
    async def bench(ctx, dut):
        await begin_first(ctx, dut)
        offer(ctx, dut, 2)
        for _ in range(5):
            assert not ctx.get(dut.o.front_start)  # its reader is busy
            await ctx.tick()
        ctx.set(dut.o.front_idle, 1)
        await until(ctx, dut.o.front_start)
        assert (ctx.get(dut.o.front.in_row), ctx.get(dut.o.step.in_row)) == (2, 1)
        assert (ctx.get(dut.o.front_tag), ctx.get(dut.o.held_tag)) == (2, 2)
        await busy(ctx, dut)
        for _ in range(5):
            assert not ctx.get(dut.o.may_read)
            await ctx.tick()
        await finish(ctx, dut)
        assert await until(ctx, dut.o.may_read) == 1
        await until(ctx, dut.o.start)
        assert ctx.get(dut.o.step.in_row) == 2
        assert ctx.get(dut.o.front_tag) == 2  # not begun again
        await ctx.tick()
        assert ctx.get(dut.o.held_tag) == 3

    run(bench)


def test_an_early_step_may_read_before_the_one_before_is_done():
    async def bench(ctx, dut):
        await begin_first(ctx, dut)
        offer(ctx, dut, 2, early=1)
        ctx.set(dut.o.front_idle, 1)
        await until(ctx, dut.o.front_start)
        await ctx.tick()
        await until(ctx, dut.o.may_read)
        assert ctx.get(dut.o.held_tag) == 2  # its vectors stay
        # And no step after it is begun.
        for _ in range(5):
            await ctx.tick()
            assert ctx.get(dut.o.may_read)
            assert not ctx.get(dut.o.front_start)

    run(bench)


def test_an_early_step_whose_waits_are_not_over_is_only_made_ready():
    async def bench(ctx, dut):
        await begin_first(ctx, dut)
        offer(ctx, dut, 2, early=1, over=0)
        ctx.set(dut.o.front_idle, 1)
        await until(ctx, dut.o.front_start)
        await busy(ctx, dut)
        for _ in range(4):
            assert not ctx.get(dut.o.may_read)
            await ctx.tick()
        await finish(ctx, dut)
        for _ in range(4):
            assert not ctx.get(dut.o.may_read)
            assert not ctx.get(dut.o.start)
            await ctx.tick()
        offer(ctx, dut, 2, early=1)
        assert await until(ctx, dut.o.may_read) == 1

    run(bench)
