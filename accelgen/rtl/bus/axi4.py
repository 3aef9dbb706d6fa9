"""AXI4 as accelgen speaks it: one ID, 128-bit data, INCR bursts. Signatures only."""

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import ArchParams
from accelgen.arch.ports import AxiMaster

__all__ = [
    "ADDRESS_BITS",
    "CACHE",
    "INCR",
    "SIZE",
    "ReadSignature",
    "Signature",
    "WriteSignature",
    "signature_of",
]

#: Address width of a Zynq UltraScale+ HP port that reaches all of its DDR.
ADDRESS_BITS = 40
#: awsize and arsize: bytes of a beat, as a power of two.
SIZE = (ArchParams.BUS_BYTES - 1).bit_length()
#: awburst and arburst.
INCR = 0b01
#: awcache and arcache: normal, not cacheable, bufferable and modifiable.
CACHE = 0b0011


def _read_members(address_bits):
    return {
        "araddr": Out(address_bits),
        "arlen": Out(8),
        "arsize": Out(3),
        "arburst": Out(2),
        "arcache": Out(4),
        "arprot": Out(3),
        "arvalid": Out(1),
        "arready": In(1),
        "rdata": In(8 * ArchParams.BUS_BYTES),
        "rresp": In(2),
        "rlast": In(1),
        "rvalid": In(1),
        "rready": Out(1),
    }


def _write_members(address_bits):
    return {
        "awaddr": Out(address_bits),
        "awlen": Out(8),
        "awsize": Out(3),
        "awburst": Out(2),
        "awcache": Out(4),
        "awprot": Out(3),
        "awvalid": Out(1),
        "awready": In(1),
        "wdata": Out(8 * ArchParams.BUS_BYTES),
        "wstrb": Out(ArchParams.BUS_BYTES),
        "wlast": Out(1),
        "wvalid": Out(1),
        "wready": In(1),
        "bresp": In(2),
        "bvalid": In(1),
        "bready": Out(1),
    }


class ReadSignature(wiring.Signature):
    """Read channels (AR, R), seen from the master."""

    def __init__(self, address_bits=ADDRESS_BITS):
        self.address_bits = address_bits
        super().__init__(_read_members(address_bits))


class WriteSignature(wiring.Signature):
    """Write channels (AW, W, B), seen from the master."""

    def __init__(self, address_bits=ADDRESS_BITS):
        self.address_bits = address_bits
        super().__init__(_write_members(address_bits))


class Signature(wiring.Signature):
    """All five channels, seen from the master.

    Members carry their industry names, so a port ``m_axi`` of this signature becomes
    ``m_axi_araddr`` and so on when emitted with ``separator="_"``.
    """

    def __init__(self, address_bits=ADDRESS_BITS):
        self.address_bits = address_bits
        super().__init__({**_write_members(address_bits), **_read_members(address_bits)})


def signature_of(master: AxiMaster) -> wiring.Signature:
    """Of a master: the channels that it has."""
    if not master.writes:
        return ReadSignature()
    return Signature() if master.reads else WriteSignature()
