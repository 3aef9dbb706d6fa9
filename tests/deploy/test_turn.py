"""From one frame to the next: the library's part of it, on registers of every kind."""

import importlib
import json
import os
import socket
import struct
import sys
import threading
import types

import numpy as np
import pytest

from accelgen.arch.registers import CONTROL, STATUS, offset_of
from accelgen.bench.null_board import NullBoard
from accelgen.deploy.driver import Accelerator, DriverError
from tests.helpers.fake_board import expected


def package_manifest(package):
    return json.loads((package[2] / "manifest.json").read_text())


def test_an_interrupt_is_waited_for_and_taken_back(package, board, digits, pictures):
    waited = []
    board.wait_interrupt = waited.append
    with Accelerator(board, package[2]) as accelerator:
        accelerator.load()
        name, _, real = expected(digits, pictures[0])

        assert accelerator.run(pictures[0])[name].tobytes() == real.tobytes()

    (seconds,) = waited
    assert 0 < seconds <= 1
    assert not board.get("status")


def test_what_a_board_raises_comes_out_of_the_library(accelerator, pictures, board, monkeypatch):
    def fail(*_):
        raise OSError("the bus is gone")

    accelerator.put(pictures[0])
    accelerator.start(0)
    with monkeypatch.context() as broken:
        broken.setattr(board, "read", fail)
        with pytest.raises(OSError, match="the bus is gone"):
            accelerator.wait()
    accelerator.recover()

    assert accelerator.run(pictures[0])


def test_a_turn_ends_one_frame_and_starts_the_next(accelerator, digits, pictures, board):
    with pytest.raises(DriverError, match="no frame was started"):
        accelerator.turn(0)
    for place in (0, 1):
        accelerator.put(pictures[place], place)
    accelerator.start(0)

    accelerator.turn(1)

    assert board.frames == [0]
    assert not accelerator.done()
    accelerator.wait()
    for place in (0, 1):
        name, _, real = expected(digits, pictures[place])
        assert accelerator.collect(place)[name].tobytes() == real.tobytes()


def test_a_turn_after_a_fault_starts_nothing(accelerator, pictures, board):
    accelerator.put(pictures[0])
    accelerator.start(0)
    board.fault = "read_response"
    with pytest.raises(DriverError, match="AXI error: a read was refused"):
        accelerator.turn(1)

    assert not board.get("status") & 1
    assert board.frames == []


def test_a_fault_beside_done_is_not_acknowledged_unseen(accelerator, pictures, board, monkeypatch):
    """The status is cleared of what was seen, no more: the next look finds the rest."""
    accelerator.put(pictures[0])
    accelerator.start(0)
    write = board.write

    def late(offset, value):
        if offset == offset_of("status"):
            board.set("status", board.get("status") | 1 << STATUS["error"])
        write(offset, value)

    monkeypatch.setattr(board, "write", late)
    accelerator.wait()

    with pytest.raises(DriverError, match="the last frame failed"):
        accelerator.start(0)


def test_registers_in_memory_are_read_and_written_by_the_library(package, pictures):
    """A board with a window: its ``read`` and ``write`` have no part in a frame."""
    board = NullBoard(package_manifest(package))
    with Accelerator(board, package[2]) as accelerator:
        accelerator.load()
        board.read = board.write = None

        assert len(list(accelerator.run_many(pictures))) == len(pictures)
        del board.read, board.write

        assert board.read(offset_of("control")) == 1 << CONTROL["start"]
        programs = accelerator.manifest["program_offsets"]
        assert board.read(offset_of("program_offset")) == programs[(len(pictures) - 1) % 2]


def test_a_uio_device_is_waited_on(package, pictures):
    """UIO's protocol: 1 is written to let an interrupt through, then their number is read."""
    board = NullBoard(package_manifest(package))
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    status = offset_of("status")
    board.interrupt_file = here.fileno()

    def interrupt():
        assert struct.unpack("=I", there.recv(4)) == (1,)
        board._registers[status // 4] = board._done
        there.send(struct.pack("=I", 7))

    with here, there, Accelerator(board, package[2]) as accelerator:
        accelerator.load()
        accelerator.put(pictures[0])
        accelerator.start(0)
        assert (
            board.read(offset_of("control")) == 1 << CONTROL["start"] | 1 << CONTROL["irq_enable"]
        )
        board._registers[status // 4] = 0
        beside = threading.Thread(target=interrupt)
        beside.start()
        accelerator.wait()
        beside.join()

        here.setblocking(False)
        with pytest.raises(BlockingIOError):
            here.recv(4)


@pytest.fixture
def pynq_board(monkeypatch, tmp_path):
    """Makes a PynqBoard: of ``interrupt_pins`` of the overlay, ``irq`` of the core, UIO devices by
    number of interrupt."""
    uio = tmp_path / "uio4"
    uio.write_bytes(b"")
    made = []

    def make(pins, irq=None, devices=None, registers=None):
        core = types.SimpleNamespace(
            mmio=types.SimpleNamespace(
                array=np.zeros(8, np.uint32) if registers is None else registers
            )
        )
        if irq is not None:
            core.irq = irq
        module = types.ModuleType("pynq")
        module.interrupt = types.SimpleNamespace(get_uio_irq=(devices or {}).get)
        module.Overlay = lambda name: types.SimpleNamespace(accelgen_0=core, interrupt_pins=pins)
        monkeypatch.setitem(sys.modules, "pynq", module)
        monkeypatch.delitem(sys.modules, "accelgen.deploy.driver.pynq_board", raising=False)
        found = importlib.import_module("accelgen.deploy.driver.pynq_board")
        monkeypatch.setattr(found, "FIRST_INTERRUPT", 121)
        made.append(found.PynqBoard("accelgen.bit"))
        return made[-1]

    make.uio = str(uio)
    yield make
    for board in made:
        board.close()


@pytest.mark.parametrize("index", [0, 2])
def test_an_interrupt_of_the_processors_own_is_waited_for_by_uio(pynq_board, index):
    pins = {"accelgen_0/irq": {"controller": "", "index": index}}

    board = pynq_board(pins, irq=object(), devices={121 + index: pynq_board.uio})

    assert os.fstat(board.interrupt_file).st_ino == os.stat(pynq_board.uio).st_ino
    assert not hasattr(board, "wait_interrupt")
    file = board.interrupt_file
    board.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(file)


def test_an_interrupt_behind_a_controller_is_left_to_pynq(pynq_board):
    pins = {"accelgen_0/irq": {"controller": "axi_intc_0", "index": 0}}

    board = pynq_board(pins, irq=object(), devices={121: pynq_board.uio})

    assert board.interrupt_file is None
    assert board.wait_interrupt


@pytest.mark.parametrize("path", [None, "/no/such/uio"])
def test_a_board_without_an_interrupt_is_polled(pynq_board, path):
    board = pynq_board({"accelgen_0/irq": {"controller": "", "index": 0}}, devices={121: path})

    assert board.interrupt_file is None
    assert not hasattr(board, "wait_interrupt")


def test_registers_that_are_memory_have_a_window(pynq_board):
    board = pynq_board({})
    board.write(4, 77)

    assert board.window == board._registers.ctypes.data
    assert board._registers[1] == board.read(4) == 77
    assert not hasattr(pynq_board({}, registers=[0] * 8), "window")
