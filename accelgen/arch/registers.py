"""Control and status registers: what the host reads and writes over AXI4-Lite.

32-bit registers at byte offsets. ``docs/registers.md`` is generated from this file, and so are the
driver's and the C header's names. The step log sits above them: word i at ``LOG_BASE + 4 * i``
holds the cycle count at which EXEC number i (modulo ``LOG_WORDS``) of the running program
completed. What says where the image and the program are cannot be written while busy.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "CAUSES",
    "CONTROL",
    "IDENTITY",
    "LOG_BASE",
    "LOG_WORDS",
    "MASTERS",
    "MASTER_BIT",
    "PAGE_BYTES",
    "REGISTERS",
    "STATUS",
    "TOP",
    "WINDOW_BYTES",
    "Register",
    "offset_of",
]

#: Name of the top module: of Verilog, bench and Vivado's scripts.
TOP = "accelgen_top"
#: What the id register reads: 'ACG2'.
IDENTITY = 0x41434732

#: Size of the AXI4-Lite window: 14 address bits.
WINDOW_BYTES = 16384
LOG_BASE = 8192
LOG_WORDS = 2048
#: The image begins at a multiple of it and is a multiple of it long. No AXI burst crosses one.
PAGE_BYTES = 4096


@dataclass(frozen=True)
class Register:
    """One 32-bit register. ``access`` is ``rw`` or ``ro``."""

    name: str
    offset: int
    access: str
    doc: str


#: Bits of the control register.
CONTROL = {
    "start": 0,  # write 1: run the program at program_offset; ignored while busy; reads 0
    "irq_enable": 1,  # the interrupt line follows done, error and aborted
    "reset": 2,  # write 1: clear status, cause and counters; ignored while busy; reads 0
    "abort": 3,  # write 1: end whatever runs, by the way of a fault; wins over start; reads 0
}
#: Bits of the status register. All but busy are cleared by writing ones to them, or by reset.
STATUS = {
    "busy": 0,  # a program runs, or a fault or an abort is being brought to its end
    "done": 1,  # a program has completed; cleared by start too
    "error": 2,  # a fault ended the program, if one ran; cause says which
    "aborted": 3,  # control.abort has been obeyed
}
#: What the cause register's low byte says, from the fault or abort on, until it is cleared with
#: its status bit.
CAUSES = {
    "none": (0, "nothing happened"),
    "read_response": (1, "a read was answered with SLVERR or DECERR"),
    "write_response": (2, "a write was answered with SLVERR or DECERR"),
    "outside": (3, "a burst would have left the image, base to base + image_bytes"),
    "command": (4, "a command has an unknown opcode, or does not fit before the program's end"),
    "aborted": (5, "control.abort"),
}
#: Bit of the cause register where the number of the master begins that the fault is of.
MASTER_BIT = 8
MASTERS = {"none": 0, "program": 1, "load": 2, "store": 3}

_NAMES: list[tuple[str, str, str]] = [
    ("id", "ro", f"{IDENTITY:#x} ('ACG2')."),
    ("config", "ro", "CRC-32 of the configuration's knobs; programs name the one they are for."),
    ("control", "rw", "Bits: start, irq_enable, reset, abort."),
    ("status", "rw", "Bits: busy, done, error, aborted. Ones written clear all but busy."),
    ("base_low", "rw", "Address of the image in DDR, bits 31:0; a multiple of 4096."),
    ("base_high", "rw", "Address of the image in DDR, bits 39:32."),
    ("image_bytes", "rw", "Size of the image, a multiple of 4096: nothing else is accessed."),
    ("program_offset", "rw", "Bytes from the base to the first command; a multiple of 256."),
    ("program_bytes", "rw", "Size of the program, a multiple of 256: nothing else is executed."),
    ("cause", "ro", "Why error or aborted is set: cause in bits 7:0, master in bits 15:8."),
    ("error_address", "ro", "Low 32 bits of the address of that fault; 0 if it has none."),
    ("cycles", "ro", "Cycles from start to done."),
    ("execs", "ro", "EXEC commands completed."),
    ("array_busy", "ro", "Cycles in which the PE array took operands."),
    ("array_wait_weights", "ro", "Cycles the array waited for weights."),
    ("array_wait_drain", "ro", "Cycles the array waited for room after it."),
    ("window_busy", "ro", "Cycles in which the window engine took operands."),
    ("window_wait_pixels", "ro", "Cycles the window engine waited for pixels in its ring."),
    ("window_wait_weights", "ro", "Cycles the window engine waited for taps or a vector."),
    ("window_wait_drain", "ro", "Cycles the window engine waited for room after it."),
    ("exec_wait", "ro", "Cycles no EXEC ran because its wait counts were not reached."),
    ("fetch_wait", "ro", "Cycles no EXEC ran because none had been fetched."),
    ("weight_beats", "ro", "Beats read by the weight and program master."),
    ("load_beats", "ro", "Beats read by LOAD."),
    ("store_beats", "ro", "Beats written by STORE."),
]

REGISTERS = tuple(
    Register(name, 4 * i, access, doc) for i, (name, access, doc) in enumerate(_NAMES)
)


def offset_of(name: str) -> int:
    """Byte offset of a register."""
    return next(r.offset for r in REGISTERS if r.name == name)
