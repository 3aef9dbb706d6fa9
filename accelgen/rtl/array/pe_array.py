"""PE array: C x C x P products per cycle, accumulated over a vector's taps and input groups."""

from amaranth import Cat, Module, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import ArchParams, timing
from accelgen.rtl import layouts
from accelgen.rtl.array.pe_chain import PeChain, operand_shape
from accelgen.rtl.basics.copies import copies
from accelgen.rtl.basics.delay import delay
from accelgen.rtl.dsp.double_pump import second_half, to_fast

__all__ = ["PeArray"]


class PeArray(wiring.Component):
    """Output-stationary array.

    ``acc[p][oc] = sum over beats from first to last of sum over ic of activations[p][ic] *
    weights[oc][ic]``, exact in ``acc_bits`` bits (it wraps beyond them). Takes a beat every
    cycle; beats of a vector may have gaps between them, vectors may not interleave. The result of a
    vector is at ``o`` for one cycle, ``timing.pe_array_latency`` cycles after its last beat.

    Parameters
    ----------
    arch : ArchParams
        Uses ``lanes``, ``pixels``, ``pe_mode`` and ``acc_bits``.

    Members
    -------
    i : In(stream of array_operands, always ready)
        Operands. Weights in [-127, 127]. Double-pumped, activations and pads come from registers.
    o : Out(stream of accumulators, always ready)
        Finished vectors, with ``keep`` and ``tag`` of their last beat.
    """

    def __init__(self, arch: ArchParams):
        self.arch = arch
        self.latency = timing.pe_array_latency(arch.lanes, arch.pumped)
        results = layouts.accumulators(arch.lanes, arch.pixels, arch.acc_bits, pumped=arch.pumped)
        super().__init__({
            "i": In(stream.Signature(layouts.array_operands(arch), always_ready=True)),
            "o": Out(stream.Signature(results, always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        lanes, step = self.arch.lanes, self.arch.pe_pixels

        # Lane k's operands, k cycles late for the cascade, and one for the register that packs.
        operands, weights = [], []
        for j in range(self.arch.pixels // step):
            m.submodules[f"operands{j}"] = skew = _Operands(self.arch)
            for p in range(step):
                m.d.comb += [
                    skew.pixels[p].eq(self.i.p.activations[j * step + p]),
                    skew.pads[p].eq(self.i.p.pads[j * step + p]),
                ]
            operands.append(skew.operands)
        for oc in range(lanes):
            m.submodules[f"weights{oc}"] = skew = _Weights(self.arch)
            m.d.comb += skew.i.eq(self.i.p.weights[oc])
            weights.append(skew.o)

        # A beat's marks travel beside it: valid is reset, the others matter only with it.
        valid = Signal()
        first = delay(m, self.i.valid & self.i.p.first, self.latency - 2, reset=True)
        firsts = copies(m, first, lanes, name="first")
        for oc in range(lanes):
            for j in range(self.arch.pixels // step):
                m.submodules[f"chain{oc}_{j}"] = chain = PeChain(self.arch)
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

    def __init__(self, arch: ArchParams):
        self.arch = arch
        super().__init__({
            "pixels": In(data.ArrayLayout(layouts.pixel(arch.lanes), arch.pe_pixels)),
            "pads": In(data.ArrayLayout(signed(8), arch.pe_pixels)),
            "operands": Out(data.ArrayLayout(operand_shape(arch), arch.lanes)),
        })

    def elaborate(self, platform):
        m = Module()

        double = self.arch.pumped
        second = second_half(m) if double else None
        for k in range(self.arch.lanes):
            seen = zip((pixel[k] for pixel in self.pixels), self.pads, strict=True)
            pixels = Cat(Cat(pixel) | Cat(pad) for pixel, pad in seen)
            if double:
                halves = pixels[:16], pixels[16:]
                operand = to_fast(m, *halves, second, name=f"operand{k}")
                operand = delay(m, operand, k + 1, domain="fast")
            else:
                operand = delay(m, pixels, k + (len(self.pixels) == 1))
            m.d.comb += self.operands[k].as_value().eq(operand)

        return m


class _Weights(wiring.Component):
    """Weights of one output lane: lane k after k + 1 cycles, beside the operands."""

    def __init__(self, arch: ArchParams):
        self.arch = arch
        shape = data.ArrayLayout(signed(8), arch.lanes)
        super().__init__({"i": In(shape), "o": Out(shape)})

    def elaborate(self, platform):
        m = Module()

        for k in range(self.arch.lanes):
            if self.arch.pumped:
                held = delay(m, self.i[k], 1)
                m.d.comb += self.o[k].eq(delay(m, held, k + 1, domain="fast"))
            else:
                m.d.comb += self.o[k].eq(delay(m, self.i[k], k + 1))

        return m
