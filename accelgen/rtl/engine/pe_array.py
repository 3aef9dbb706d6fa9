"""PE array: C x C x P products per cycle, accumulated over a vector's taps and input groups."""

from amaranth import Cat, Module, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import ArchParams, timing
from accelgen.rtl import layouts
from accelgen.rtl.engine.pe_chain import FIELD_BITS, PeChain, operand_shape, pixels_per_chain
from accelgen.rtl.streams.delay import delay

__all__ = ["PeArray"]


class PeArray(wiring.Component):
    """Output-stationary array.

    ``acc[p][oc] = sum over beats from first to last of sum over ic of activations[p][ic] *
    weights[oc][ic]``, exact in ``acc_bits`` bits (it wraps beyond them). Takes a beat every
    cycle; beats of a vector may have gaps between them, vectors may not interleave. The result of a
    vector is at ``o`` for one cycle, ``timing.pe_array_latency(lanes)`` cycles after its last beat.

    Parameters
    ----------
    arch : ArchParams
        Uses ``lanes``, ``pixels``, ``pe_mode`` and ``acc_bits``.

    Members
    -------
    i : In(stream of array_operands, always ready)
        Operands. Weights in [-127, 127].
    o : Out(stream of accumulators, always ready)
        Finished vectors, with ``keep`` of their last beat.
    """

    def __init__(self, arch: ArchParams):
        self.arch = arch
        self.latency = timing.pe_array_latency(arch.lanes)
        super().__init__({
            "i": In(stream.Signature(layouts.array_operands(arch), always_ready=True)),
            "o": Out(stream.Signature(layouts.accumulators(arch), always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        lanes, step = self.arch.lanes, pixels_per_chain(self.arch)

        # Lane k's operands, k cycles late for the cascade, and one for the register that packs.
        operands, weights = [], []
        for j in range(self.arch.pixels // step):
            m.submodules[f"operands{j}"] = skew = _Operands(self.arch)
            m.d.comb += [skew.pixels[p].eq(self.i.p.activations[j * step + p]) for p in range(step)]
            operands.append(skew.operands)
        for oc in range(lanes):
            m.submodules[f"weights{oc}"] = skew = _Weights(self.arch)
            m.d.comb += skew.i.eq(self.i.p.weights[oc])
            weights.append(skew.o)

        valid, first = Signal(), Signal()
        for oc in range(lanes):
            for j in range(self.arch.pixels // step):
                m.submodules[f"chain{oc}_{j}"] = chain = PeChain(self.arch)
                m.d.comb += [
                    chain.activations.eq(operands[j]),
                    chain.weights.eq(weights[oc]),
                    chain.valid.eq(valid),
                    chain.first.eq(first),
                    *(self.o.p.acc[j * step + p][oc].eq(chain.acc[p]) for p in range(step)),
                ]

        # A beat's marks travel beside it: valid is reset, the others matter only with it.
        m.d.comb += [
            valid.eq(delay(m, self.i.valid, self.latency - 2, reset=True)),
            first.eq(delay(m, self.i.valid & self.i.p.first, self.latency - 1, reset=True)),
            self.o.valid.eq(delay(m, self.i.valid & self.i.p.last, self.latency, reset=True)),
            self.o.p.keep.eq(delay(m, self.i.p.keep, self.latency)),
        ]

        return m


class _Operands(wiring.Component):
    """Pixels of one chain in, multiplier operands out: lane k after k + 1 cycles."""

    def __init__(self, arch: ArchParams):
        self.arch = arch
        super().__init__({
            "pixels": In(data.ArrayLayout(layouts.pixel(arch), pixels_per_chain(arch))),
            "operands": Out(data.ArrayLayout(operand_shape(arch), arch.lanes)),
        })

    def elaborate(self, platform):
        m = Module()

        for k in range(self.arch.lanes):
            late = [delay(m, pixel[k], k) for pixel in self.pixels]
            operand = Signal(operand_shape(self.arch), name=f"operand{k}", reset_less=True)
            if len(late) == 1:
                m.d.sync += operand.eq(late[0])
            else:
                # (a1 << FIELD_BITS) + a0 without an adder as wide: a negative a0 borrows 1.
                a0, a1 = late
                m.d.sync += operand.eq(Cat(a0, a0[-1].replicate(FIELD_BITS - 8), (a1 - a0[-1])[:9]))
            m.d.comb += self.operands[k].eq(operand)

        return m


class _Weights(wiring.Component):
    """Weights of one output lane: lane k after k + 1 cycles."""

    def __init__(self, arch: ArchParams):
        self.arch = arch
        shape = data.ArrayLayout(signed(8), arch.lanes)
        super().__init__({"i": In(shape), "o": Out(shape)})

    def elaborate(self, platform):
        m = Module()

        for k in range(self.arch.lanes):
            m.d.comb += self.o[k].eq(delay(m, self.i[k], k + 1))

        return m
