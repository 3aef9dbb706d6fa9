"""Wait counts follow from what commands read and write; commands survive encoding."""

from accelgen.arch.isa import Opcode
from accelgen.program.encode import decode_command, encode_command
from accelgen.program.records import Command
from accelgen.schedule.emit.commands import CommandList, Rows

LOAD, EXEC, STORE, WEIGHTS = Opcode.LOAD, Opcode.EXEC, Opcode.STORE, Opcode.WEIGHTS


def feature(first, rows=4):
    return [("feature", Rows(first, rows, 1, rows))]


def ddr(first, rows=4):
    return [("ddr", Rows(first, rows, 1, rows))]


def waits(commands, index=-1):
    header = commands.commands[index].fields["header"]
    return tuple(header.get(f"wait_{unit}", 0) for unit in ("loads", "execs", "stores"))


def make():
    return CommandList(feature_rows=64, ddr_rows=64)


def test_exec_waits_for_the_load_it_reads():
    commands = make()
    for row in (0, 8, 16):
        commands.add(LOAD, 0, {}, reads=ddr(row), writes=feature(row))

    commands.add(EXEC, 0, {}, reads=feature(10, 2), writes=feature(32))

    assert waits(commands) == (2, 0, 0)


def test_load_waits_for_the_reader_it_overwrites():
    commands = make()
    commands.add(EXEC, 0, {}, reads=feature(0), writes=feature(8))
    commands.add(EXEC, 1, {}, reads=feature(8), writes=feature(16))

    commands.add(LOAD, 2, {}, reads=ddr(0), writes=feature(3, 1))

    assert waits(commands) == (0, 1, 0)


def test_exec_waits_for_the_store_of_what_it_overwrites():
    commands = make()
    commands.add(EXEC, 0, {}, reads=feature(0), writes=feature(8))
    commands.add(STORE, 0, {}, reads=feature(8), writes=ddr(0))
    assert waits(commands) == (0, 1, 0)

    commands.add(EXEC, 1, {}, reads=feature(0), writes=feature(11))

    assert waits(commands) == (0, 0, 1)


def test_load_waits_for_the_store_through_ddr():
    commands = make()
    commands.add(STORE, 0, {}, reads=feature(0), writes=ddr(20))

    commands.add(LOAD, 1, {}, reads=ddr(23, 1), writes=feature(40))

    assert waits(commands) == (0, 0, 1)


def test_strided_rows_that_only_interleave_do_not_wait():
    commands = make()
    commands.add(LOAD, 0, {}, reads=ddr(0), writes=[("feature", Rows(0, 8, 3, 4))])

    commands.add(EXEC, 0, {}, reads=[("feature", Rows(4, 8, 3, 4))], writes=feature(40))

    assert waits(commands) == (0, 0, 0)


def test_readers_do_not_wait_for_readers():
    commands = make()
    commands.add(EXEC, 0, {}, reads=feature(0), writes=feature(8))

    commands.add(STORE, 0, {}, reads=feature(0), writes=ddr(0))

    assert waits(commands) == (0, 0, 0)


def test_weights_come_as_many_execs_early_as_there_are_banks_for():
    commands = make()
    for step in range(5):
        commands.add(LOAD, step, {})
        commands.add(WEIGHTS, step, {})
        commands.add(EXEC, step, {})

    order = [(c.opcode, c.number) for c in commands.with_early_weights()]

    assert order == [
        (LOAD, 0), (WEIGHTS, 0), (EXEC, 0), (WEIGHTS, 1), (WEIGHTS, 2), (WEIGHTS, 3), (LOAD, 1),
        (WEIGHTS, 4), (EXEC, 1), (LOAD, 2), (EXEC, 2), (LOAD, 3), (EXEC, 3), (LOAD, 4), (EXEC, 4),
    ]  # fmt: skip


def test_commands_survive_encoding():
    header = {"opcode": LOAD, "tag": 7, "wait_loads": 1, "wait_execs": 2, "wait_stores": 65535}
    fields = {
        "offset": 1 << 31,
        "stride": 64,
        "row": 65535,
        "row_stride": 3,
        "groups": 5,
        "rows": 9,
    }

    command = decode_command(
        encode_command(Command(opcode=LOAD, fields={"header": header, **fields}))
    )

    assert command.opcode is LOAD
    assert command.fields == {"header": header, **fields}
    end = Command(opcode=Opcode.END, fields={"header": {"opcode": Opcode.END}})
    assert decode_command(encode_command(end)).opcode is Opcode.END
