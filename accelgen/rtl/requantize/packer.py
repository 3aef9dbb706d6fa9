"""Packer: pixels with holes in, dense pixels out."""

from amaranth import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from accelgen.rtl import layouts
from accelgen.rtl.basics.delay import delay

__all__ = ["Packer", "packer_beat"]


def packer_beat(width: int) -> data.StructLayout:
    """What the packer is told about a beat besides its pixels."""
    return data.StructLayout({
        "keep": width,  # lanes that hold pixels
        "fill": range(width),  # pixels left over from the beats before
        "emit": 1,  # a beat leaves: it is full, or the group ends
    })


class Packer(wiring.Component):
    """Drops the lanes not kept and packs the others W to a beat, in order. ``LATENCY`` cycles.

    The caller counts (it must, to know where a group ends): before a beat, ``fill`` pixels are
    left over here; with its own they are sent when ``emit`` says so, at most W at a time. More than
    W at a group's end are two beats: the caller adds one that has nothing to keep.

    The n-th kept lane goes to place ``(fill + n) mod W``, around the end to the next beat's: one
    multiplexer of W, whose selection is worked out while the pixels are still on their way. What
    is left over stays in its place.

    Parameters
    ----------
    lanes, width : int
        Channels, pixels of a beat (W).

    Members
    -------
    valid : In(1)
        A beat comes in, ``LEAD`` cycles from now.
    beat : In(packer_beat)
        Of that beat.
    i : In(pixels)
    emit : Out(1)
        A packed beat is at ``o``.
    o : Out(pixels)
        Lanes past a group's last pixel hold anything.
    """

    LEAD = 2
    LATENCY = 2

    def __init__(self, *, lanes: int, width: int):
        self.lanes = lanes
        self.width = width
        super().__init__({
            "valid": In(1),
            "beat": In(packer_beat(width)),
            "i": In(layouts.pixels(lanes, width)),
            "emit": Out(1),
            "o": Out(layouts.pixels(lanes, width)),
        })

    def elaborate(self, platform):
        m = Module()
        width = self.width
        pixel = layouts.pixel(self.lanes)

        sources = self._sources(m)
        valid = delay(m, self.valid, self.LEAD + 1, reset=True)
        emit = delay(m, self.beat.emit, self.LEAD + 1)
        m.d.sync += self.emit.eq(valid & emit)
        fill = delay(m, self.beat.fill, self.LEAD)
        for place, source in enumerate(sources):
            # Cycle 1: the lane for this place.
            turned = Signal(pixel, name=f"turned{place}", reset_less=True)
            below = Signal(name=f"below{place}", reset_less=True)  # left over from beats before
            m.d.sync += [
                turned.eq(Array(lane.as_value() for lane in self.i)[source]),
                below.eq(place < fill),
            ]
            # Cycle 2: what is not sent, or comes around the end, waits in its place.
            left = Signal(pixel, name=f"left{place}", reset_less=True)
            packed = Signal(pixel, name=f"packed{place}", reset_less=True)
            m.d.sync += packed.eq(Mux(below, left, turned))
            with m.If(valid & (emit | ~below)):
                m.d.sync += left.eq(turned)
            m.d.comb += self.o[place].eq(packed)
        assert len(sources) == width

        return m

    def _sources(self, m):
        """For each place, which lane of the beat goes there; ``LEAD`` cycles after ``beat``."""
        width = self.width
        keep, fill = self.beat.keep, self.beat.fill
        kept = delay(m, keep, 1)
        places = []
        for lane in range(width):
            goes_to = Signal(range(width), name=f"place{lane}", reset_less=True)
            m.d.sync += goes_to.eq(fill + sum(keep[:lane]))  # modulo W
            places.append(goes_to)
        sources = []
        for place in range(width):
            here = [kept[lane] & (places[lane] == place) for lane in range(width)]
            source = Signal(range(width), name=f"source{place}", reset_less=True)
            bits = [
                Cat(here[lane] for lane in range(width) if lane >> bit & 1).any()
                for bit in range(len(source))
            ]
            m.d.sync += source.eq(Cat(bits))
            sources.append(source)
        return sources
