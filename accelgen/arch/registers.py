"""Control and status registers: what the host reads and writes over AXI4-Lite.

32-bit registers at byte offsets. ``docs/registers.md`` is generated from this file, and so are the
driver's and the C header's names. The step log sits above them: word i at ``LOG_BASE + 4 * i``
holds the cycle count at which EXEC number i (modulo ``LOG_WORDS``) of the running program
completed.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "CONTROL",
    "LOG_BASE",
    "LOG_WORDS",
    "REGISTERS",
    "STATUS",
    "WINDOW_BYTES",
    "Register",
    "offset_of",
]

#: Size of the AXI4-Lite window: 14 address bits.
WINDOW_BYTES = 16384
LOG_BASE = 8192
LOG_WORDS = 2048


@dataclass(frozen=True)
class Register:
    """One 32-bit register. ``access`` is ``rw`` or ``ro``."""

    name: str
    offset: int
    access: str
    doc: str


#: Bits of the control register.
CONTROL = {
    "start": 0,  # write 1: run the program at program_offset; reads 0
    "irq_enable": 1,  # raise the interrupt when done or on an error
    "reset": 2,  # write 1: clear done, error and counters; only when idle; reads 0
}
#: Bits of the status register.
STATUS = {
    "busy": 0,  # a program is running
    "done": 1,  # a program has completed; cleared by start or reset; the interrupt line follows it
    "error": 2,  # an AXI response was not OKAY; the address is in error_address; sticky
}

_NAMES: list[tuple[str, str, str]] = [
    ("id", "ro", "0x41434731 ('ACG1')."),
    ("config", "ro", "CRC-32 of the configuration's knobs; programs name the one they are for."),
    ("control", "rw", "Bits: start, irq_enable, reset."),
    ("status", "ro", "Bits: busy, done, error. Writing any value clears done and the interrupt."),
    ("base_low", "rw", "Address of the image in DDR, bits 31:0; a multiple of 4096."),
    ("base_high", "rw", "Address of the image in DDR, bits 63:32."),
    ("program_offset", "rw", "Bytes from the base to the first command; a multiple of 256."),
    ("error_address", "ro", "Low 32 bits of the first address that answered with an error."),
    ("cycles", "ro", "Cycles from start to done."),
    ("execs", "ro", "EXEC commands completed."),
    ("array_busy", "ro", "Cycles in which the PE array took operands."),
    ("array_wait_weights", "ro", "Cycles the array waited for weights."),
    ("array_wait_drain", "ro", "Cycles the array waited for room behind it."),
    ("window_busy", "ro", "Cycles in which the window engine took operands."),
    ("window_wait_pixels", "ro", "Cycles the window engine waited for pixels in its ring."),
    ("window_wait_weights", "ro", "Cycles the window engine waited for taps or a vector."),
    ("window_wait_drain", "ro", "Cycles the window engine waited for room behind it."),
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
