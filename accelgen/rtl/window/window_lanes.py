"""Window lanes: a multiplier and an accumulator per pixel and channel."""

from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import timing
from accelgen.arch.isa import WindowOp
from accelgen.rtl import layouts
from accelgen.rtl.basics.delay import delay
from accelgen.rtl.dsp.accumulate import accumulate
from accelgen.rtl.dsp.double_pump import DOUBLE_PUMPED, SINGLE_CLOCK, Clocking
from accelgen.rtl.dsp.interleaved import interleaved_accumulator
from accelgen.rtl.dsp.multiply_add import multiply_add
from accelgen.rtl.dsp.packed import pack, unpack

__all__ = ["PumpedWindowLanes", "WindowLanes"]

#: Distance of the two pixels in a packed operand. One product of 9 bits by 9 is below 2**16 in
#: magnitude unless both are -256, so it fits the field with its sign, and the operand 27 bits.
FIELD_BITS = 17


class WindowLanes(wiring.Component):
    """Per lane, over the beats of a vector: the sum of products, or the largest activation.

    With ``x[p][c] = activations[p][c] + offsets[p]``, MAC and SCALE: ``acc[p][c] = sum of
    x[p][c] * weights[c]``, exact in ``acc_bits`` bits. MAX: ``acc[p][c] = max of x[p][c]``, x of 8
    bits; weights are ignored. Takes a beat every
    cycle; beats of a vector may have gaps between them. The result of a vector is at ``o`` for one
    cycle, ``timing.window_lanes_latency`` cycles after its last beat.

    Parameters
    ----------
    lanes, pixels, acc_bits : int
        Channels, pixels of a beat, bits of an accumulator.
    packed : bool
        Two pixels share a multiplier at a time.
    taps : int
        Taps of a beat: 1, or 2, of which the products, or the larger activation, count. The second
        takes a multiplier of its own, which adds to the first's. Of MAX then, an offset is 0, or
        -128 at activations of 0 (outside of the map).

    Members
    -------
    op : In(2)
        WindowOp. Static while beats flow.
    i : In(stream of window_operands, always ready)
        Operands. x of 9 bits; not -256 in both factors.
    o : Out(stream of accumulators, always ready)
        Finished vectors, with ``keep`` of their last beat.
    """

    CLOCKING: Clocking = SINGLE_CLOCK

    def __init__(self, *, lanes: int, pixels: int, acc_bits: int, packed: bool, taps: int = 1):
        self.lanes = lanes
        self.taps = taps
        self.pixels = pixels
        self.acc_bits = acc_bits
        self.packed = packed
        self.latency = timing.window_lanes_latency(self.CLOCKING.pumped, taps)
        operands = layouts.window_operands(lanes, pixels, taps=taps)
        results = layouts.accumulators(lanes, pixels, acc_bits, turns=self.CLOCKING.turns)
        super().__init__({
            "op": In(2),
            "i": In(stream.Signature(operands, always_ready=True)),
            "o": Out(stream.Signature(results, always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        # Pixels that share a multiplier.
        step = (2 if self.packed else 1) * self.CLOCKING.turns

        largest = Signal(reset_less=True)
        m.d.sync += largest.eq(self.op == WindowOp.MAX)
        taps = [self.i.p] if self.taps == 1 else self._larger(m, largest)
        # The maximum goes the way of the products, times 1.
        weights = Signal(layouts.tap(self.lanes), reset_less=True)
        for c in range(self.lanes):
            m.d.sync += weights[c].eq(Mux(largest, 1, taps[0].weights[c]))
        activations, weights = delay(m, taps[0].activations, 1), delay(m, weights, 1)

        coming = delay(m, self.i.valid, self.latency - 2, reset=True)
        first = delay(m, self.i.valid & self.i.p.first, self.latency - 2, reset=True)
        m.d.comb += [
            self.o.valid.eq(delay(m, self.i.valid & self.i.p.last, self.latency, reset=True)),
            self.o.p.keep.eq(delay(m, self.i.p.keep, self.latency)),
        ]

        # With a second multiplier after it, the fast clock's first begins a cycle earlier.
        ahead = 1 if self.taps > 1 and self.CLOCKING.pumped else 0
        offsets = self._offsets(m, taps[0].offsets, ahead=ahead)
        seconds = self._second(m, largest, *taps[1:])
        for j in range(self.pixels // step):
            for c in range(self.lanes):
                m.submodules[f"lane{j}_{c}"] = lane = self._lane()
                m.d.comb += [
                    lane.weight.eq(weights[c]),
                    lane.offset.eq(offsets[j]),
                    lane.largest.eq(largest),
                    lane.coming.eq(coming),
                    lane.first.eq(first),
                    *(
                        pixel.eq(activations[j * step + p][c])
                        for p, pixel in enumerate(lane.pixels)
                    ),
                    *(
                        end.eq(value)
                        for end, value in zip(lane.second_ends(), seconds(j, c, step), strict=True)
                    ),
                    *(
                        self.o.p.acc[j * len(lane.acc) + p][c].eq(acc)
                        for p, acc in enumerate(lane.acc)
                    ),
                ]

        return m

    def _lane(self):
        return _Lane(self.acc_bits, packed=self.packed, taps=self.taps)

    def _larger(self, m, largest):
        """Both taps a cycle later. Of maxima the first has become the larger of them."""
        tapped = layouts.window_operands(self.lanes, self.pixels, taps=2)["second"].shape
        first: Any = Signal(tapped, name="first")
        second: Any = Signal(tapped, name="second")
        m.d.sync += [
            *(first[n].eq(self.i.p[n]) for n in ("activations", "offsets", "weights")),
            second.eq(self.i.p.second),
        ]
        for p in range(self.pixels):
            # Outside of the map is what has an offset, and less than all that is inside.
            here, there = self.i.p.offsets[p], self.i.p.second.offsets[p]
            with m.If(largest):
                m.d.sync += first.offsets[p].eq(here & there)
            for c in range(self.lanes):
                a, b = self.i.p.activations[p][c], self.i.p.second.activations[p][c]
                with m.If(largest & ~there[-1] & (here[-1] | (a - b)[-1])):
                    m.d.sync += first.activations[p][c].eq(b)
        return [first, second]

    def _second(self, m, largest, second=None):
        """A function of a lane's place that gives what its ends for a second tap are driven by."""
        if second is None:
            return lambda j, c, step: ()
        weights = Signal(layouts.tap(self.lanes), name="second_weight", reset_less=True)
        for c in range(self.lanes):
            # The larger of both went the first's way.
            m.d.sync += weights[c].eq(Mux(largest, 0, second.weights[c]))
        # Single-clocked, the second product comes a cycle after the first, to which it is added.
        late = 0 if self.CLOCKING.pumped else 1
        activations, weights = delay(m, second.activations, 1 + late), delay(m, weights, 1 + late)
        offsets = self._offsets(m, delay(m, second.offsets, late), name="second_offset")
        return lambda j, c, step: (
            Cat(activations[j * step + p][c] for p in range(step)), offsets[j], weights[c],
        )  # fmt: skip

    def _offsets(self, m, pixels, *, name="offset", ahead=0):
        """What the pre-adders of each multiplier add, beside the pixels' operands."""
        registers = []
        for n, offset in enumerate(pixels[:: 2 if self.packed else 1]):
            register = Signal(_offset_shape(self.packed), name=f"{name}{n}", reset_less=True)
            if self.packed:
                offset = pack(offset - 128, pixels[2 * n + 1], field=FIELD_BITS)
            m.d.sync += register.eq(offset)
            registers.append(register)
        clocking, turns = self.CLOCKING, self.CLOCKING.turns
        enter = clocking.entrance(m)
        return [
            delay(
                m, enter(registers[n : n + turns], f"{name}s{n // turns}"), clocking.early - ahead,
                domain=clocking.domain,
            )
            for n in range(0, len(registers), turns)
        ]  # fmt: skip


class PumpedWindowLanes(WindowLanes):
    """WindowLanes at twice the fabric's clock: a multiplier takes two pairs of pixels per cycle."""

    CLOCKING = DOUBLE_PUMPED

    def _lane(self):
        return _PumpedLane(self.acc_bits, packed=self.packed, taps=self.taps)


def _offset_shape(packed):
    return signed(FIELD_BITS + 10 if packed else 9)


def _join(a0, a1):
    """``(a1 << FIELD_BITS) + a0 + 128``: no borrow, and no adder."""
    return Cat(a0[:-1], ~a0[-1], Const(0, FIELD_BITS - len(a0)), a1).as_signed()


class _Lane(wiring.Component):
    """One channel of the pixels that share a multiplier.

    ``pixels`` and ``offset`` are one cycle late, double-pumped ``offset`` four fast cycles;
    ``weight`` is two cycles late, ``coming`` (a beat) and ``first`` (of a beat) the latency of
    WindowLanes less 2. Where there is no beat the product is 0. With two taps the second's ends are
    one cycle later than the first's; double-pumped, the first's offset one fast cycle earlier.
    """

    CLOCKING: Clocking = SINGLE_CLOCK

    def __init__(self, acc_bits: int, *, packed: bool, taps: int = 1):
        self.acc_bits = acc_bits
        self.packed = packed
        self.taps = taps
        pixels = 2 if packed else 1
        together = data.ArrayLayout(signed(8), pixels * self.CLOCKING.turns)
        ends = {
            "second_pixels": In(together),
            "second_offset": In(_offset_shape(packed)),
            "second_weight": In(signed(9)),
        }
        self._second_ends = tuple(ends) if taps > 1 else ()
        super().__init__({
            **{name: ends[name] for name in self._second_ends},
            "pixels": In(together),
            "offset": In(_offset_shape(packed)),
            "weight": In(signed(9)),
            "largest": In(1),
            "coming": In(1),
            "first": In(1),
            "acc": Out(data.ArrayLayout(signed(acc_bits), pixels)),
        })

    def second_ends(self):
        """What a second tap comes in by: pixels, offset, weight; none of one tap."""
        return [Value.cast(getattr(self, name)) for name in self._second_ends]

    def elaborate(self, platform):
        m = Module()

        # A register of its own, for as many loads as a lane has.
        self._largest = Signal(name="is_largest", reset_less=True, attrs={"keep": 1})
        m.d.sync += self._largest.eq(self.largest)

        # Cycles 2 to 5: the multiplier's registers. Then accumulate.
        self._work(m, platform)

        return m

    def _work(self, m, platform):
        valid, first = delay(m, self.coming, 1), delay(m, self.first, 1)
        operand = Signal(self.offset.shape())
        m.d.comb += operand.eq(_join(*self.pixels) if self.packed else self.pixels[0])
        weight, offset, before = self.weight, self.offset, None
        if self.taps > 1:
            before = multiply_add(
                m, platform, "multiply_first", operand, weight, preadd=offset,
                bits=len(operand) + 9,
            )  # fmt: skip
            operand = Signal.like(operand, name="second_operand")
            pixels = self.second_pixels
            m.d.comb += operand.eq(_join(*pixels) if self.packed else pixels[0])
            weight, offset = self.second_weight, self.second_offset
        result = multiply_add(
            m, platform, "multiply", operand, weight, preadd=offset, cascade=before,
            bits=len(operand) + 9, clear=~self.coming,
        ).value  # fmt: skip
        values = unpack(result, field=FIELD_BITS) if self.packed else [(result, Const(0, 1))]
        for pixel, (value, carry) in enumerate(values):
            acc = Signal(signed(self.acc_bits), name=f"acc{pixel}", reset_less=True)
            larger = first | _exceeds(value, carry, acc)
            # Outside of the condition: it belongs to the register and not in front of the adder.
            total = accumulate(m, acc, value, carry=carry, restart=first | self._largest)
            with m.If(~self._largest | (valid & larger)):
                m.d.sync += acc.eq(total)
            m.d.comb += self.acc[pixel].eq(acc)


class _PumpedLane(_Lane):
    """Two packed pairs follow each other in the fast domain, from the multiplier on."""

    CLOCKING = DOUBLE_PUMPED

    def _work(self, m, platform):
        own, offset, before = self.pixels, self.offset, None
        if self.taps > 1:
            # One fast cycle ahead of the second, whose sum it comes to.
            operand = Signal(self.offset.shape(), name="first_operand")
            m.d.comb += operand.eq(
                self._operand(self.CLOCKING.entrance(m)(self._pairs(own), "first"))
            )
            before = multiply_add(
                m, platform, "multiply_first", operand, self.weight, preadd=offset,
                bits=len(operand) + 9, domain="fast",
            )  # fmt: skip
            own, offset = self.second_pixels, self.second_offset
        # Four fast cycles after they were at the input.
        pixels = delay(m, self.CLOCKING.entrance(m)(self._pairs(own), "pixels"), 1, domain="fast")
        operand = Signal(self.offset.shape())
        m.d.comb += operand.eq(self._operand(pixels))
        weight = Signal(signed(9), name="fast_weight", reset_less=True)
        m.d.fast += weight.eq(self.weight if self.taps == 1 else self.second_weight)
        # The first product shows in an even cycle, what clears it one cycle earlier.
        coming = delay(m, self.coming, 1, domain="fast")
        valid, first = delay(m, coming, 1, domain="fast"), delay(m, self.first, 2, domain="fast")
        result = multiply_add(
            m, platform, "multiply", operand, weight, preadd=offset, cascade=before,
            bits=len(operand) + 9, clear=~coming, domain="fast",
        ).value  # fmt: skip
        for pixel, (value, carry) in enumerate(unpack(result, field=FIELD_BITS)):
            self._accumulate(m, pixel, value[:FIELD_BITS].as_signed(), carry, valid, first)

    def _pairs(self, pixels):
        return pixels.as_value()[:16], pixels.as_value()[16:]

    def _operand(self, pixels):
        return _join(pixels[:8], pixels[8:])

    def _accumulate(self, m, pixel, value, carry, valid, first):
        """Sum or maximum of one pixel of each pair."""
        addend = Signal(signed(FIELD_BITS), name=f"addend{pixel}", reset_less=True)
        # The same, and 0 for maxima: what a carry chain needs to pass on what is not added.
        chained = Signal.like(addend, name=f"chained{pixel}")
        late, restart = Signal(name=f"carry{pixel}"), Signal(name=f"restart{pixel}")
        acc, before = interleaved_accumulator(
            m, f"acc{pixel}", bits=self.acc_bits, addend=addend, carry=late, restart=restart,
            largest=self._largest, chained=chained,
        )  # fmt: skip
        larger = first | (self._largest & _exceeds(value, carry, before))
        m.d.fast += [
            addend.eq(value),
            chained.eq(value),
            late.eq(carry),
            restart.eq(valid & larger),
        ]
        with m.If(self._largest):
            m.d.fast += chained.eq(0)
        m.d.comb += self.acc[pixel].eq(acc)


def _exceeds(value, carry, acc):
    """``value + carry > acc`` of maxima, which are activations: 9 bits tell.

    By a subtraction's sign, with the carry in a bit below: comparators are not mapped to carry
    chains.
    """
    ahead = Cat(carry, value[:9]).as_signed() - Cat(Const(1, 1), acc[:9]).as_signed()
    return ~ahead[-1]
