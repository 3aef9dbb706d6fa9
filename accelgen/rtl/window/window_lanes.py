"""Window lanes: a multiplier and an accumulator per pixel and channel."""

from amaranth import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import timing
from accelgen.arch.isa import WindowOp
from accelgen.rtl import layouts
from accelgen.rtl.basics.delay import delay
from accelgen.rtl.dsp.accumulate import accumulate
from accelgen.rtl.dsp.double_pump import second_half, to_fast
from accelgen.rtl.dsp.interleaved import interleaved_accumulator
from accelgen.rtl.dsp.multiply_add import multiply_add
from accelgen.rtl.dsp.packed import pack, unpack

__all__ = ["WindowLanes"]

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
    shared : int
        Pixels that share a multiplier: 1, 2 (packed) or 4 (packed and double-pumped).

    Members
    -------
    op : In(2)
        WindowOp. Static while beats flow.
    i : In(stream of window_operands, always ready)
        Operands. x of 9 bits; not -256 in both factors.
    o : Out(stream of accumulators, always ready)
        Finished vectors, with ``keep`` of their last beat.
    """

    def __init__(self, *, lanes: int, pixels: int, acc_bits: int, shared: int):
        self.lanes = lanes
        self.pixels = pixels
        self.acc_bits = acc_bits
        self.shared = shared
        self.pumped = shared == 4
        self.latency = timing.window_lanes_latency(self.pumped)
        operands = layouts.window_operands(lanes, pixels)
        results = layouts.accumulators(lanes, pixels, acc_bits, pumped=self.pumped)
        super().__init__({
            "op": In(2),
            "i": In(stream.Signature(operands, always_ready=True)),
            "o": Out(stream.Signature(results, always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        step = self.shared

        largest = Signal(reset_less=True)
        m.d.sync += largest.eq(self.op == WindowOp.MAX)
        # The maximum goes the way of the products, times 1.
        weights = Signal(layouts.tap(self.lanes), reset_less=True)
        for c in range(self.lanes):
            m.d.sync += weights[c].eq(Mux(largest, 1, self.i.p.weights[c]))
        activations, weights = delay(m, self.i.p.activations, 1), delay(m, weights, 1)

        coming = delay(m, self.i.valid, self.latency - 2, reset=True)
        first = delay(m, self.i.valid & self.i.p.first, self.latency - 2, reset=True)
        m.d.comb += [
            self.o.valid.eq(delay(m, self.i.valid & self.i.p.last, self.latency, reset=True)),
            self.o.p.keep.eq(delay(m, self.i.p.keep, self.latency)),
        ]

        offsets = self._offsets(m)
        for j in range(self.pixels // step):
            for c in range(self.lanes):
                m.submodules[f"lane{j}_{c}"] = lane = _Lane(self.acc_bits, self.shared)
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
                        self.o.p.acc[j * len(lane.acc) + p][c].eq(acc)
                        for p, acc in enumerate(lane.acc)
                    ),
                ]

        return m

    def _offsets(self, m):
        """What the pre-adders of each multiplier add, beside the pixels' operands."""
        step = self.shared
        shape = signed(9 if step == 1 else FIELD_BITS + 10)
        registers = []
        for n, offset in enumerate(self.i.p.offsets[:: min(step, 2)]):
            register = Signal(shape, name=f"offset{n}", reset_less=True)
            if step > 1:
                offset = pack(offset - 128, self.i.p.offsets[2 * n + 1], field=FIELD_BITS)
            m.d.sync += register.eq(offset)
            registers.append(register)
        if not self.pumped:
            return registers
        second = second_half(m)
        pairs = zip(registers[::2], registers[1::2], strict=True)
        return [_to_operand(m, *pair, second, f"offsets{j}") for j, pair in enumerate(pairs)]


def _to_operand(m, first, second, second_half, name):
    """One after the other in the fast domain, four fast cycles after they were at the input."""
    return delay(m, to_fast(m, first, second, second_half, name=name), 1, domain="fast")


def _join(a0, a1):
    """``(a1 << FIELD_BITS) + a0 + 128``: no borrow, and no adder."""
    return Cat(a0[:-1], ~a0[-1], Const(0, FIELD_BITS - len(a0)), a1).as_signed()


class _Lane(wiring.Component):
    """One channel of the pixels that share a multiplier.

    ``pixels`` and ``offset`` are one cycle late, double-pumped ``offset`` four fast cycles;
    ``weight`` is two cycles late, ``coming`` (a beat) and ``first`` (of a beat) the latency of
    WindowLanes less 2. Where there is no beat the product is 0.
    """

    def __init__(self, acc_bits: int, shared: int):
        self.acc_bits = acc_bits
        self.pumped = shared == 4
        super().__init__({
            "pixels": In(data.ArrayLayout(signed(8), shared)),
            "offset": In(signed(9 if shared == 1 else FIELD_BITS + 10)),
            "weight": In(signed(9)),
            "largest": In(1),
            "coming": In(1),
            "first": In(1),
            "acc": Out(data.ArrayLayout(signed(acc_bits), min(shared, 2))),
        })

    def elaborate(self, platform):
        m = Module()

        # A register of its own, for as many loads as a lane has.
        self._largest = Signal(name="is_largest", reset_less=True, attrs={"keep": 1})
        m.d.sync += self._largest.eq(self.largest)

        # Cycles 2 to 5: the multiplier's registers. Then accumulate.
        if self.pumped:
            self._double(m, platform)
        else:
            self._single(m, platform)

        return m

    def _single(self, m, platform):
        valid, first = delay(m, self.coming, 1), delay(m, self.first, 1)
        packed = len(self.pixels) == 2
        operand = Signal(self.offset.shape())
        m.d.comb += operand.eq(_join(*self.pixels) if packed else self.pixels[0])
        result = multiply_add(
            m, platform, "multiply", operand, self.weight, preadd=self.offset,
            bits=len(operand) + 9, clear=~self.coming,
        ).value  # fmt: skip
        values = unpack(result, field=FIELD_BITS) if packed else [(result, Const(0, 1))]
        for pixel, (value, carry) in enumerate(values):
            acc = Signal(signed(self.acc_bits), name=f"acc{pixel}", reset_less=True)
            larger = first | _exceeds(value, carry, acc)
            # Outside of the condition: it belongs to the register and not in front of the adder.
            total = accumulate(m, acc, value, carry=carry, restart=first | self._largest)
            with m.If(~self._largest | (valid & larger)):
                m.d.sync += acc.eq(total)
            m.d.comb += self.acc[pixel].eq(acc)

    def _double(self, m, platform):
        """Two packed pairs follow each other in the fast domain, from the multiplier on."""
        pairs = self.pixels.as_value()[:16], self.pixels.as_value()[16:]
        pixels = _to_operand(m, *pairs, second_half(m), "pixels")
        operand = Signal(self.offset.shape())
        m.d.comb += operand.eq(_join(pixels[:8], pixels[8:]))
        weight = Signal(signed(9), name="fast_weight", reset_less=True)
        m.d.fast += weight.eq(self.weight)
        # The first product shows in an even cycle, what clears it one cycle earlier.
        coming = delay(m, self.coming, 1, domain="fast")
        valid, first = delay(m, coming, 1, domain="fast"), delay(m, self.first, 2, domain="fast")
        result = multiply_add(
            m, platform, "multiply", operand, weight, preadd=self.offset, bits=len(operand) + 9,
            clear=~coming, domain="fast",
        ).value  # fmt: skip
        for pixel, (value, carry) in enumerate(unpack(result, field=FIELD_BITS)):
            self._accumulate(m, pixel, value[:FIELD_BITS].as_signed(), carry, valid, first)

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
