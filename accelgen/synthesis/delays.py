"""Delays of UltraScale+ for Yosys's mapper, in the proportions of accelgen.synthesis.timing.

Yosys has those of one family, Artix-7: a pin of a LUT is five times as fast as another, and a carry
chain of 32 bits takes as long as four LUTs. The mapper saves area on every way that is quicker
than the slowest of the design, so that chains allowed one LUT too many everywhere else. On
UltraScale+ pins and chains are far nearer to one another; a tool of the vendor knows.
"""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["NET", "delays_verilog"]

#: Picoseconds of a net between LUTs, of a LUT, into and out of a chain, and past four bits of it.
NET = 250
_LUT, _CHAIN, _FOUR_BITS = 150, 100, 10
#: What a LUT of so many inputs costs the mapper, as in Yosys; those of 7 and 8 are made of 6.
_COSTS = {1: 1, 2: 2, 3: 3, 4: 3, 5: 3, 6: 5, 7: 10, 8: 20}

_CARRY = """\
(* abc9_box, lib_whitebox *)
module CARRY4(
  (* abc9_carry *)
  output [3:0] CO,
  output [3:0] O,
  (* abc9_carry *)
  input CI,
  input CYINIT,
  input [3:0] DI, S
);
  assign O = S ^ {CO[2:0], CI | CYINIT};
  assign CO[0] = S[0] ? CI | CYINIT : DI[0];
  assign CO[1] = S[1] ? CO[0] : DI[1];
  assign CO[2] = S[2] ? CO[1] : DI[2];
  assign CO[3] = S[3] ? CO[2] : DI[3];
"""


def delays_verilog() -> str:
    """Cells of Yosys's library with delays of UltraScale+, to be read over its own."""
    luts = [_lut(inputs) for inputs in _COSTS]
    return "\n".join([*luts, _CARRY + _specify(_carry())])


def _lut(inputs: int) -> str:
    pins = [f"I{n}" for n in range(inputs)]
    name = f"LUT{inputs}" if inputs <= 6 else rf"\$__ABC9_LUT{inputs} "
    body = ""
    if inputs <= 6:
        body = (
            f"  parameter [{2**inputs - 1}:0] INIT = 0;\n"
            f"  assign O = INIT[{{{', '.join(reversed(pins))}}}];\n"
        )
    # Each multiplexer after LUTs of 6 is an eighth of a net more.
    delay = _LUT + NET // 5 * max(0, inputs - 6)
    head = f"(* abc9_lut={_COSTS[inputs]} *)\nmodule {name}(output O, input {', '.join(pins)});\n"
    return head + body + _specify((pin, "O", delay) for pin in pins)


def _carry() -> Iterator[tuple[str, str, int]]:
    for to in range(4):
        for out in ("O", "CO"):
            yield "CI", f"{out}[{to}]", _FOUR_BITS if out == "CO" else _CHAIN
            yield "CYINIT", f"{out}[{to}]", _CHAIN
            for bit in range(to + 1):
                yield f"S[{bit}]", f"{out}[{to}]", _CHAIN
                if out == "CO" or bit < to:
                    yield f"DI[{bit}]", f"{out}[{to}]", _CHAIN


def _specify(delays: Iterator[tuple[str, str, int]]) -> str:
    lines = "".join(f"    ({a} => {b}) = {delay};\n" for a, b, delay in delays)
    return f"  specify\n{lines}  endspecify\nendmodule\n"
