"""AXI4-Lite: what the host writes and reads registers with. Signature only."""

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch.registers import WINDOW_BYTES

__all__ = ["ADDRESS_BITS", "Signature"]

ADDRESS_BITS = (WINDOW_BYTES - 1).bit_length()


class Signature(wiring.Signature):
    """AXI4-Lite with 32-bit data, seen from the master, under industry names."""

    def __init__(self, address_bits=ADDRESS_BITS):
        self.address_bits = address_bits
        super().__init__({
            "awaddr": Out(address_bits),
            "awprot": Out(3),
            "awvalid": Out(1),
            "awready": In(1),
            "wdata": Out(32),
            "wstrb": Out(4),
            "wvalid": Out(1),
            "wready": In(1),
            "bresp": In(2),
            "bvalid": In(1),
            "bready": Out(1),
            "araddr": Out(address_bits),
            "arprot": Out(3),
            "arvalid": Out(1),
            "arready": In(1),
            "rdata": In(32),
            "rresp": In(2),
            "rvalid": In(1),
            "rready": Out(1),
        })
