"""Checks of the double-pumped domain: its crossings, and its accumulators."""

from amaranth import Cat, ClockDomain, DomainRenamer, EnableInserter, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from accelgen.rtl.dsp.double_pump import fast_domain, second_half, to_fabric, to_fast
from accelgen.rtl.dsp.interleaved import interleaved_accumulator
from tests.formal.check import Check
from tests.formal.proof import Fault, Proof

__all__ = ["PROOFS"]


class Crossings(wiring.Component):
    """One of each crossing."""

    def __init__(self, width: int):
        super().__init__({
            "clk2x": In(1),
            "first": In(width),
            "second": In(width),
            "clear": In(1),
            "value": In(width),
            "half": Out(1),
            "fast": Out(width),
            "half0": Out(width),
            "half1": Out(width),
        })

    def elaborate(self, platform):
        m = Module()
        fast_domain(m, self.clk2x)
        half = second_half(m)
        halves = to_fabric(m, self.value, clear=self.clear)
        m.d.comb += [
            self.half.eq(half),
            self.fast.eq(to_fast(m, self.first, self.second, half, name="crossed")),
            Cat(self.half0, self.half1).eq(Cat(halves)),
        ]
        return m


class Crossed(Check):
    """What leaves one domain is in the other when double_pump's docstring says.

    A step of the solver is a fast cycle. The fabric's registers move in every second one, with
    ``odd``: both clocks come from one source, so an edge of the slow one is an edge of both.
    """

    def __init__(self, width: int):
        super().__init__(Crossings(width))
        self.odd = Signal()

    def reset(self, m):
        m.domains.fabric = fabric = ClockDomain()
        slow = EnableInserter({"sync": self.odd})(self.block)
        m.submodules.dut = DomainRenamer({"sync": "fabric"})(slow)
        m.d.comb += [fabric.clk.eq(self.clk), fabric.rst.eq(~self.running & self.odd)]
        m.d.always += self.odd.eq(~self.odd)
        with m.If(self.odd):
            m.d.always += self.running.eq(1)

    def describe(self, m, d):
        width = len(d.first)
        # Registers of the fabric, and a fast one, that anything is in.
        for name, target in (("first", d.first), ("second", d.second), ("clear", d.clear)):
            with m.If(self.odd):
                m.d.always += target.eq(self.free(len(target), f"next_{name}"))
        m.d.always += d.value.eq(self.free(width, "next_value"))
        m.d.comb += d.clk2x.eq(self.clk)

        # In its first fabric cycle the detector looks at what was before the reset.
        cycles = Signal(range(4))
        with m.If(self.running & (cycles != 3)):
            m.d.always += cycles.eq(cycles + 1)
        locked, full = cycles >= 2, cycles == 3
        self.claim(m, "phase", ~locked | (d.half == self.odd))

        shown = self.past(m, locked, "locked")
        due = Mux(self.odd, d.first, self.past(m, d.second, "second"))
        self.claim(m, "to fast", ~shown | (d.fast == due))

        ago1 = self.past(m, d.value, "value1")
        ago2 = self.past(m, ago1, "value2")
        ago3 = self.past(m, ago2, "value3")
        cleared = self.past(m, d.clear, "clear1")
        cleared = Mux(self.odd, self.past(m, cleared, "clear2"), cleared)
        due = Mux(self.odd, Cat(ago3, ago2), Cat(ago2, ago1))
        due = Mux(cleared, 0, due)
        self.claim(m, "to fabric", ~full | (Cat(d.half0, d.half1) == due))


class Accumulators(wiring.Component):
    """Two accumulators of ``bits`` that take turns."""

    def __init__(self, bits: int, addend: int):
        self.bits = bits
        super().__init__({
            "clk2x": In(1),
            "addend": In(signed(addend)),
            "carry": In(1),
            "restart": In(1),
            "largest": In(1),
            "acc": Out(signed(bits)),
            "early": Out(bits // 2),
        })

    def elaborate(self, platform):
        m = Module()
        fast_domain(m, self.clk2x)
        acc, early = interleaved_accumulator(
            m, "sum", bits=self.bits, addend=self.addend, carry=self.carry, restart=self.restart,
            largest=self.largest, chained=Mux(self.largest, 0, self.addend).as_signed(),
        )  # fmt: skip
        m.d.comb += [self.acc.eq(acc), self.early.eq(early)]
        return m


class Accumulated(Check):
    """What the accumulator's docstring says, from the first ``restart`` of each on."""

    def __init__(self, bits: int, addend: int):
        super().__init__(Accumulators(bits, addend))
        self.bits = bits

    def describe(self, m, d):
        low = self.bits // 2
        m.d.comb += d.clk2x.eq(self.clk)
        for target in (d.addend, d.carry, d.restart):
            m.d.comb += target.eq(self.free(target.shape(), target.name))
        m.d.comb += d.largest.eq(self.constant(m, 1, "largest"))

        # By the formula, with the results of one, two and three cycles ago.
        result, known = Signal(self.bits), Signal()
        one, known1 = self.past(m, result, "one"), self.past(m, known, "known1")
        two, known2 = self.past(m, one, "two"), self.past(m, known1, "known2")
        three, known3 = self.past(m, two, "three"), self.past(m, known2, "known3")
        total = Mux(d.restart, 0, two) + d.addend + d.carry
        largest = Mux(d.restart, d.addend + d.carry, two)
        m.d.comb += [result.eq(Mux(d.largest, largest, total)), known.eq(d.restart | known2)]
        self.claim(m, "result", ~known2 | (d.acc == two.as_signed()))
        self.claim(m, "early", ~known1 | (d.early == one[:low]))

        # The upper half is a cycle behind.
        # With `largest` and no restart the sum is that of two cycles ago and nothing.
        fresh, nothing = Mux(d.restart, 0, two[:low]), d.largest & ~d.restart
        carry = Mux(nothing, 0, Mux(d.largest, 0, fresh) + d.addend[:low] + d.carry)[low]
        for name, value in (
            ("addend_high", d.addend[low:]),
            ("restart_high", d.restart),
            ("chained_high", Mux(d.largest, 0, d.addend[low:])),
        ):
            began = self.past(m, self.running, f"began_{name}")
            before = self.past(m, value, name)
            self.help(m, ~began | (self.look(f"sum_{name}", len(before)) == before))
        self.help(m, ~known1 | (self.look("sum_carry") == self.past(m, carry, "carry")))
        self.help(m, ~known2 | (self.look("sum_low_before", low) == two[:low]))
        self.help(m, ~known3 | (self.look("sum_high_before", self.bits - low) == three[low:]))


_PHASE = Fault("dsp/double_pump", "second.eq(fabric ^ seen)", "second.eq(fabric)")
_CROSSINGS = {
    "phase": _PHASE,
    "to fast": Fault(
        "dsp/double_pump", "Mux(second_half, second, first)", "Mux(second_half, first, second)"
    ),
    "to fabric": Fault("dsp/double_pump", "before.eq(value)", "before.eq(~value)"),
}
_SUM = {
    "result": Fault("dsp/interleaved", "carry & (restart | ~largest)", "carry & restart"),
    "early": Fault("dsp/interleaved", "b & ~restart", "b"),
}
PROOFS = [
    Proof(
        "dsp/double_pump",
        "from the second fabric cycle after a reset on, second_half is 1 in odd fast cycles only, "
        "to_fast shows both halves, to_fabric both values, in the cycles that its text names",
        "8 bits", lambda: Crossed(8), faults=_CROSSINGS,
    ),
    Proof(
        "dsp/interleaved", "from the first restart on, what its formula says, two cycles later",
        "27 bits, addends of 18", lambda: Accumulated(27, 18), faults=_SUM,
    ),
]  # fmt: skip
