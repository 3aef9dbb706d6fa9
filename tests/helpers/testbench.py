"""A design and its testbenches in Amaranth's own simulator."""

from amaranth.sim import Simulator

__all__ = ["run_testbenches"]


def run_testbenches(dut, *benches, clock=True, until=None):
    """Run ``benches`` (``async def bench(ctx)``) side by side, to their ends or for ``until`` s.

    Without ``clock`` the design is combinational. The clock's period is 1 us.
    """
    simulator = Simulator(dut)
    if clock:
        simulator.add_clock(1e-6)
    for bench in benches:
        simulator.add_testbench(bench)
    if until is None:
        simulator.run()
    else:
        simulator.run_until(until)
