"""Start programs and wait for them: the library does it, in one call between two frames."""

from __future__ import annotations

import ctypes
import time
from typing import Any, Callable

from .errors import DriverError
from .registers import Registers

__all__ = ["Turn"]

#: Longest call: a signal (Ctrl-C) is seen between two.
CALL_MS = 1000
BUSY, FAULT, TIME = -3, -4, -5  # as accelgen_turn.h has them

_READ = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_void_p, ctypes.c_uint32)
_WRITE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32)
_WAIT = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int)
#: What a register reads when the bus failed: a fault, so that the library returns at once.
_ALL = 0xFFFFFFFF


class _Registers(ctypes.Structure):
    """``agps_registers``."""

    _fields_ = [
        *(
            (name, ctypes.c_uint32)
            for name in (
                "status", "control", "program_offset", "program_bytes",
                "busy", "done", "faults", "start", "irq_enable",
            )
        ),
        ("window", ctypes.c_void_p), ("self", ctypes.c_void_p), ("read", _READ),
        ("write", _WRITE), ("wait", _WAIT), ("waiter", ctypes.c_void_p),
    ]  # fmt: skip


class Turn:
    """``agps_start``, ``agps_wait`` and ``agps_turn`` on ``registers``.

    Where the board has ``window`` (the address at which its registers are memory of this process)
    the library accesses it itself, else through the board's ``read`` and ``write``. It waits on
    ``interrupt_file`` (a UIO device's), else by ``wait_interrupt(seconds)``, which returns when the
    line has risen, or later; else it polls.
    """

    def __init__(self, library: Any, registers: Registers) -> None:
        self._library = library
        self._registers = registers
        self._error: BaseException | None = None
        self._file = ctypes.c_int(getattr(registers.bus, "interrupt_file", None) or -1)
        self._struct = self._described(registers.bus, registers.manifest)
        self._pointer = ctypes.byref(self._struct)

    def start(self, offset: int, size: int) -> None:
        """Start the program of ``size`` bytes at ``offset`` in the image.

        Raises DriverError when one is running, or when the last one failed and nobody recovered.
        """
        status = self._called(self._library.agps_start, offset, size)
        if status == BUSY:
            raise DriverError("the accelerator is busy: wait for its frame, or recover()")
        if status == FAULT:
            raise DriverError(f"the last frame failed ({self._registers.fault()}): recover() first")

    def wait(self, timeout_seconds: float) -> None:
        """Until the program is done. Takes the interrupt back.

        Raises DriverError when the program failed, or is not done in time.
        """
        self._until_done(timeout_seconds, self._library.agps_wait)

    def turn(self, offset: int, size: int, timeout_seconds: float) -> None:
        """``wait``, and ``start`` at once. Raises DriverError as they do, before the start."""
        self._until_done(timeout_seconds, self._library.agps_turn, offset, size)

    def _until_done(self, seconds: float, function: Any, *arguments: int) -> None:
        end = time.monotonic() + seconds
        left = seconds
        while True:
            milliseconds = min(max(int(1000 * left), 0), CALL_MS)
            status = self._called(function, *arguments, milliseconds)
            if status == 0:
                return
            if status == FAULT:
                raise DriverError(self._registers.fault())
            left = end - time.monotonic()
            if left <= 0:
                raise DriverError(
                    f"not done after {seconds} s: {self._registers.counters()}; recover() ends it"
                )

    def _called(self, function: Any, *arguments: int) -> int:
        """The library's answer; raises what the board raised below it."""
        status = int(function(self._pointer, *arguments))
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        return status

    def _described(self, bus: Any, manifest: Any) -> _Registers:
        bits, controls = manifest["status_bits"], manifest["control_bits"]
        made = _Registers(
            **{name: manifest["registers"][name] for name in
               ("status", "control", "program_offset", "program_bytes")},
            busy=1 << bits["busy"], done=1 << bits["done"],
            faults=1 << bits["error"] | 1 << bits["aborted"],
            start=1 << controls["start"], irq_enable=1 << controls["irq_enable"],
        )  # fmt: skip
        made.window = getattr(bus, "window", None)
        if not made.window:
            made.read = _READ(lambda _, offset: self._safely(bus.read, _ALL, offset))
            made.write = _WRITE(
                lambda _, offset, value: self._safely(bus.write, None, offset, value)
            )
        if self._file.value >= 0:
            made.wait = ctypes.cast(self._library.agps_wait_uio, _WAIT)
            made.waiter = ctypes.addressof(self._file)
        elif hasattr(bus, "wait_interrupt"):
            made.wait = _WAIT(lambda _, ms: self._safely(bus.wait_interrupt, None, ms / 1000))
        return made

    def _safely(self, function: Callable[..., Any], otherwise: Any, *arguments: Any) -> Any:
        """Nothing may be raised through C: kept for the call's end."""
        if self._error is None:
            try:
                return function(*arguments)
            except BaseException as error:
                self._error = error
        return otherwise
