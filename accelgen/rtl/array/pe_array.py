"""PE array: C x C x P products per cycle, accumulated over a vector's taps and input groups."""

from amaranth import Cat, Module, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import timing
from accelgen.rtl import layouts
from accelgen.rtl.array.pe_chain import PeChain, operand_shape
from accelgen.rtl.basics.copies import copies
from accelgen.rtl.basics.delay import delay
from accelgen.rtl.dsp.double_pump import SINGLE_CLOCK, Clocking

__all__ = ["PeArray"]


class PeArray(wiring.Component):
    """Output-stationary array.

    ``acc[p][oc] = sum over beats from first to last of sum over ic of activations[p][ic] *
    weights[oc][ic]``, exact in ``acc_bits`` bits (it wraps beyond them). Takes a beat every
    cycle; beats of a vector may have gaps between them, vectors may not interleave. The result of a
    vector is at ``o`` for one cycle, ``timing.pe_array_latency`` cycles after its last beat.

    Parameters
    ----------
    lanes, pixels, acc_bits : int
        Channels, pixels of a beat, bits of an accumulator.
    packed : bool
        Two pixels share a weight in one multiplier.
    clocking : Clocking
        Of multipliers and accumulators.

    Members
    -------
    i : In(stream of array_operands, always ready)
        Operands. Weights in [-127, 127]. Double-pumped, activations and pads come from registers.
    o : Out(stream of accumulators, always ready)
        Finished vectors, with ``keep`` and ``tag`` of their last beat.
    """

    def __init__(
        self, *, lanes: int, pixels: int, acc_bits: int, packed: bool,
        clocking: Clocking = SINGLE_CLOCK,
    ):  # fmt: skip
        self.lanes = lanes
        self.pixels = pixels
        self.acc_bits = acc_bits
        self.packed = packed
        self.clocking = clocking
        self.latency = timing.pe_array_latency(lanes, clocking.pumped)
        operands = layouts.array_operands(lanes, pixels)
        results = layouts.accumulators(lanes, pixels, acc_bits, turns=clocking.turns)
        super().__init__({
            "i": In(stream.Signature(operands, always_ready=True)),
            "o": Out(stream.Signature(results, always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        lanes = self.lanes
        # Pixels that share a multiplier.
        step = (2 if self.packed else 1) * self.clocking.turns

        # Lane k's operands, k cycles late for the cascade, and one for the register that packs.
        operands, weights = [], []
        for j in range(self.pixels // step):
            m.submodules[f"operands{j}"] = skew = _Operands(
                lanes, packed=self.packed, clocking=self.clocking
            )
            for p in range(step):
                m.d.comb += [
                    skew.pixels[p].eq(self.i.p.activations[j * step + p]),
                    skew.pads[p].eq(self.i.p.pads[j * step + p]),
                ]
            operands.append(skew.operands)
        for oc in range(lanes):
            m.submodules[f"weights{oc}"] = late = _Weights(lanes, self.clocking)
            m.d.comb += late.i.eq(self.i.p.weights[oc])
            weights.append(late.o)

        # A beat's marks travel beside it: valid is reset, the others matter only with it.
        valid = Signal()
        first = delay(m, self.i.valid & self.i.p.first, self.latency - 2, reset=True)
        firsts = copies(m, first, lanes, name="first")
        for oc in range(lanes):
            for j in range(self.pixels // step):
                m.submodules[f"chain{oc}_{j}"] = chain = PeChain(
                    lanes=lanes, acc_bits=self.acc_bits, packed=self.packed, clocking=self.clocking
                )
                m.d.comb += [
                    chain.activations.eq(operands[j]),
                    chain.weights.eq(weights[oc]),
                    chain.valid.eq(valid),
                    chain.first.eq(firsts[oc]),
                    *(
                        self.o.p.acc[j * len(chain.acc) + p][oc].eq(acc)
                        for p, acc in enumerate(chain.acc)
                    ),
                ]

        m.d.comb += [
            valid.eq(delay(m, self.i.valid, self.latency - 2, reset=True)),
            self.o.valid.eq(delay(m, self.i.valid & self.i.p.last, self.latency, reset=True)),
            Cat(self.o.p.keep, self.o.p.tag).eq(
                delay(m, Cat(self.i.p.keep, self.i.p.tag), self.latency)
            ),
        ]

        return m


class _Operands(wiring.Component):
    """Pixels of one chain in, multiplier operands out: lane k after k + 1 cycles; packed, after k.

    Double-pumped, both pairs of pixels follow each other in the fast domain, lane k k fast cycles
    after lane 0. Padding joins on the way.
    """

    def __init__(self, lanes: int, *, packed: bool, clocking: Clocking):
        self.lanes = lanes
        self.packed = packed
        self.clocking = clocking
        operand = operand_shape(packed)
        pixels = operand.length * clocking.turns
        super().__init__({
            "pixels": In(layouts.pixels(lanes, pixels)),
            "pads": In(data.ArrayLayout(signed(8), pixels)),
            "operands": Out(data.ArrayLayout(operand, lanes)),
        })

    def elaborate(self, platform):
        m = Module()

        clocking = self.clocking
        enter = clocking.entrance(m)
        for k in range(self.lanes):
            seen = zip((pixel[k] for pixel in self.pixels), self.pads, strict=True)
            pixels = Cat(Cat(pixel) | Cat(pad) for pixel, pad in seen)
            bits = len(pixels) // clocking.turns
            operand = enter(
                [pixels.word_select(n, bits) for n in range(clocking.turns)], f"operand{k}"
            )
            cycles = k + clocking.early + (not self.packed)
            m.d.comb += (
                self.operands[k].as_value().eq(delay(m, operand, cycles, domain=clocking.domain))
            )

        return m


class _Weights(wiring.Component):
    """Weights of one output lane: lane k after k + 1 cycles, beside the operands."""

    def __init__(self, lanes: int, clocking: Clocking):
        self.lanes = lanes
        self.clocking = clocking
        shape = layouts.pixel(lanes)
        super().__init__({"i": In(shape), "o": Out(shape)})

    def elaborate(self, platform):
        m = Module()

        clocking = self.clocking
        for k in range(self.lanes):
            held = delay(m, self.i[k], clocking.early)
            m.d.comb += self.o[k].eq(delay(m, held, k + 1, domain=clocking.domain))

        return m
