"""Wait counts follow from what commands read and write."""

from accelgen.arch.isa import Opcode
from accelgen.program import Exec, Load, Store, Weights
from accelgen.schedule.emit.commands import CommandList, Rows

LOAD, EXEC, STORE, WEIGHTS = Opcode.LOAD, Opcode.EXEC, Opcode.STORE, Opcode.WEIGHTS


def feature(first, rows=4):
    return [("feature", Rows(first, rows, 1, rows))]


def ddr(first, rows=4):
    return [("ddr", Rows(first, rows, 1, rows))]


def waits(commands, index=-1):
    header = commands.commands[index].command.header
    return header.wait_loads, header.wait_execs, header.wait_stores


def make():
    return CommandList(feature_rows=64, ddr_rows=64)


def test_exec_waits_for_the_load_it_reads():
    commands = make()
    for row in (0, 8, 16):
        commands.add(0, Load(), reads=ddr(row), writes=feature(row))

    commands.add(0, Exec(), reads=feature(10, 2), writes=feature(32))

    assert waits(commands) == (2, 0, 0)


def test_load_waits_for_the_reader_it_overwrites():
    commands = make()
    commands.add(0, Exec(), reads=feature(0), writes=feature(8))
    commands.add(1, Exec(), reads=feature(8), writes=feature(16))

    commands.add(2, Load(), reads=ddr(0), writes=feature(3, 1))

    assert waits(commands) == (0, 1, 0)


def test_exec_waits_for_the_store_of_what_it_overwrites():
    commands = make()
    commands.add(0, Exec(), reads=feature(0), writes=feature(8))
    commands.add(0, Store(), reads=feature(8), writes=ddr(0))
    assert waits(commands) == (0, 1, 0)

    commands.add(1, Exec(), reads=feature(0), writes=feature(11))

    assert waits(commands) == (0, 0, 1)


def test_load_waits_for_the_store_through_ddr():
    commands = make()
    commands.add(0, Store(), reads=feature(0), writes=ddr(20))

    commands.add(1, Load(), reads=ddr(23, 1), writes=feature(40))

    assert waits(commands) == (0, 0, 1)


def test_strided_rows_that_only_interleave_do_not_wait():
    commands = make()
    commands.add(0, Load(), reads=ddr(0), writes=[("feature", Rows(0, 8, 3, 4))])

    commands.add(0, Exec(), reads=[("feature", Rows(4, 8, 3, 4))], writes=feature(40))

    assert waits(commands) == (0, 0, 0)


def test_readers_do_not_wait_for_readers():
    commands = make()
    commands.add(0, Exec(), reads=feature(0), writes=feature(8))

    commands.add(0, Store(), reads=feature(0), writes=ddr(0))

    assert waits(commands) == (0, 0, 0)


def test_weights_come_as_many_execs_early_as_there_are_banks_for():
    commands = make()
    for step in range(5):
        commands.add(step, Load())
        commands.add(step, Weights())
        commands.add(step, Exec())

    order = [(c.opcode, c.number) for c in commands.with_early_weights()]

    assert order == [
        (LOAD, 0), (WEIGHTS, 0), (EXEC, 0), (WEIGHTS, 1), (WEIGHTS, 2), (WEIGHTS, 3), (LOAD, 1),
        (WEIGHTS, 4), (EXEC, 1), (LOAD, 2), (EXEC, 2), (LOAD, 3), (EXEC, 3), (LOAD, 4), (EXEC, 4),
    ]  # fmt: skip
