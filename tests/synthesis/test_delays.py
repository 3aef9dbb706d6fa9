"""The mapper's delays of UltraScale+: pins are alike, and a long chain is quicker than a LUT."""

import re

import pytest

from accelgen.synthesis.delays import NET, delays_verilog

TEXT = delays_verilog()
DELAYS = {
    name: {(a, b): int(ps) for a, b, ps in re.findall(r"\((\S+) => (\S+)\) = (\d+);", body)}
    for name, body in re.findall(r"^module \\?(\S+?) ?\((.*?)^endmodule", TEXT, re.M | re.S)
}


@pytest.mark.parametrize("inputs", range(1, 9))
def test_every_pin_of_a_lut_is_as_quick_as_the_others(inputs):
    name = f"LUT{inputs}" if inputs <= 6 else f"$__ABC9_LUT{inputs}"

    delays = DELAYS[name]

    assert set(delays) == {(f"I{n}", "O") for n in range(inputs)}
    assert len(set(delays.values())) == 1


def test_every_way_through_a_chain_has_a_delay():
    outputs = [f"{port}[{bit}]" for port in ("O", "CO") for bit in range(4)]
    expected = {(start, out) for start in ("CI", "CYINIT") for out in outputs}
    for to in range(4):
        expected |= {(f"S[{b}]", f"{out}[{to}]") for b in range(to + 1) for out in ("O", "CO")}
        expected |= {(f"DI[{b}]", f"O[{to}]") for b in range(to)}
        expected |= {(f"DI[{b}]", f"CO[{to}]") for b in range(to + 1)}

    assert set(DELAYS["CARRY4"]) == expected


def test_a_chain_of_32_bits_is_quicker_than_a_level_of_luts():
    chain = DELAYS["CARRY4"]

    through = chain["S[0]", "CO[3]"] + 6 * chain["CI", "CO[3]"] + chain["CI", "O[3]"]

    assert through < NET + DELAYS["LUT6"]["I0", "O"]
