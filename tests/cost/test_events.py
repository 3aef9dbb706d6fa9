"""The clock, the waiting and the sharing of bandwidth."""

import pytest

from accelgen.cost.bandwidth import Bandwidth
from accelgen.cost.events import Delay, Simulation, Transfer, Wait


def transfers(simulation, ends, *parts):
    """Processes that each move (port, bytes) and note when they are done."""

    def process(port, size):
        yield Transfer(port, size)
        ends[port] = simulation.now

    return [process(port, size) for port, size in parts]


def test_one_port_moves_at_its_width():
    simulation, ends = Simulation(Bandwidth(64, 16)), {}

    assert simulation.run(*transfers(simulation, ends, ("a", 1600)))
    assert ends == {"a": pytest.approx(100)}


def test_two_ports_share_the_memory_and_the_survivor_gets_the_rest():
    simulation, ends = Simulation(Bandwidth(12, 16)), {}

    simulation.run(*transfers(simulation, ends, ("a", 600), ("b", 1200)))

    assert ends == {"a": pytest.approx(100), "b": pytest.approx(150)}


def test_a_port_apart_takes_nothing_from_the_others():
    simulation, ends = Simulation(Bandwidth(12, 16, duplex=True)), {}

    simulation.run(*transfers(simulation, ends, ("a", 600), ("b", 600), ("store", 1200)))

    assert ends == {p: pytest.approx(100) for p in ("a", "b", "store")}


def test_what_a_full_port_leaves_goes_to_the_other():
    simulation, ends = Simulation(Bandwidth(24, 16)), {}

    def narrow():
        # Two transfers on one port: together they get its share.
        yield Transfer("a", 600)
        ends["second"] = simulation.now

    simulation.run(narrow(), *transfers(simulation, ends, ("a", 600), ("b", 1200)))

    assert ends["a"] == ends["second"] == pytest.approx(100)
    assert ends["b"] == pytest.approx(100)


def test_waits_end_at_the_event_and_delays_add_up():
    simulation, seen = Simulation(Bandwidth(16, 16)), []

    def first():
        yield Delay(5)
        seen.append("done")
        yield Delay(2.5)

    def second():
        yield Wait(lambda: bool(seen))
        assert simulation.now == 5
        yield Delay(10)

    assert simulation.run(first(), second())
    assert simulation.now == 15


def test_a_wait_that_never_ends_is_reported():
    simulation = Simulation(Bandwidth(16, 16))

    def stuck():
        yield Wait(lambda: False)

    assert not simulation.run(stuck())


def test_what_has_moved_before_the_rates_change_is_not_moved_again():
    rate, ends = {"a": 1.0}, []
    simulation = Simulation(lambda _: rate)

    def moving():
        yield Transfer("a", 100)
        ends.append(simulation.now)

    def changing():
        yield Delay(50)
        rate["a"] = 2.0
        simulation.rates_changed()
        yield Delay(1000)

    assert simulation.run(moving(), changing())
    assert ends == [pytest.approx(75)]
