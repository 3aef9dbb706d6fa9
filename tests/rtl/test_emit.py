"""The Verilog that tools read: attributes as they are documented, nothing without bits."""

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from accelgen.rtl.basics.copies import copies
from accelgen.rtl.emit import emit_verilog


class Two(wiring.Component):
    """A register twice, and a signal of no bits beside it."""

    a: In(4)
    b: Out(8)

    def elaborate(self, platform):
        m = Module()
        first, second = copies(m, self.a, 2, name="a")
        nothing = Signal(0, name="nothing")
        m.d.sync += nothing.eq(self.a)
        m.d.comb += self.b.eq((first << 4) | second | nothing)
        return m


def test_registers_to_keep_have_the_attribute_that_vivado_documents():
    text = emit_verilog(Two(), name="two")

    assert text.count('(* keep = "true" *)\n') == 2
    assert "keep = 32'd1" not in text


def test_wires_of_no_bits_are_left_out():
    text = emit_verilog(Two(), name="two")

    assert "[-1:0]" not in text
    assert "nothing" not in text
