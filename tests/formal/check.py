"""A check: a block, an environment that may do anything allowed, and what is claimed of it."""

from amaranth import ClockDomain, Elaboratable, Module, Signal, Value
from amaranth.hdl import Assert, Assume

__all__ = ["Check"]


class Check(Elaboratable):
    """Base of all checks. A subclass overrides ``describe`` and uses the methods below in it.

    Every register of the block begins with any value (also those with an ``init``), then the
    reset is high for one cycle. So what is proved holds after a reset in the middle of anything.
    Nothing is assumed or claimed in that cycle. Registers of the check itself are in ``sync``, too.

    Parameters
    ----------
    block : wiring.Component
        What is checked: ``dut`` inside.

    Attributes
    ----------
    only : str, optional
        Claim nothing else.
    claims : list of str
        Names of all claims, once elaborated.
    looks : dict
        Ports that show a register or wire inside of the block, by its path.
    cuts : list of str
        Paths of memories inside of the block that answer anything.
    """

    def __init__(self, block):
        self.block = block
        self.only: str | None = None
        self.claims: list[str] = []
        self.looks: dict[str, Signal] = {}
        self.cuts: list[str] = []
        self.clk = Signal()
        self.running = Signal()
        self._ports: list[Signal] = [self.clk]

    def describe(self, m: Module, d) -> None:
        """Connect the block ``d``, assume and claim."""
        raise NotImplementedError

    def elaborate(self, platform):
        m = Module()
        m.domains.always = always = ClockDomain(reset_less=True)
        m.domains.sync = sync = ClockDomain()
        m.d.comb += [
            always.clk.eq(self.clk),
            sync.clk.eq(self.clk),
            sync.rst.eq(~self.running),
        ]
        self.reset(m)
        self.describe(m, self.block)
        return m

    def reset(self, m: Module) -> None:
        """Make the block ``dut``, and ``running`` 1 behind its reset."""
        m.submodules.dut = self.block
        m.d.always += self.running.eq(1)

    @property
    def ports(self) -> list[Signal]:
        """Inputs of the check: the solver chooses them, but for the clock and the looks."""
        return self._ports

    def free(self, shape, name: str) -> Signal:
        """An input that is anything in every cycle."""
        signal = Signal(shape, name=name)
        self._ports.append(signal)
        return signal

    def constant(self, m: Module, shape, name: str) -> Signal:
        """Anything, but the same in every cycle after the reset."""
        value = self.free(shape, f"any_{name}")
        kept = Signal(value.shape(), name=name)
        with m.If(~self.running):
            m.d.always += kept.eq(value)
        return kept

    def look(self, path: str, shape=1) -> Signal:
        """What is in register or wire ``path`` of the block (``queue.level``)."""
        if path not in self.looks:
            self.looks[path] = self.free(shape, "look_" + path.replace(".", "_"))
        return self.looks[path]

    def feed(self, m: Module, stream, name: str, *, when=1) -> Value:
        """Offers payloads at any time (but only ``when``), which stay until they are taken.

        Returns 1 in a cycle that takes one.
        """
        payload = Value.cast(stream.payload)
        waits = Signal(name=f"{name}_waits")
        m.d.comb += [
            stream.valid.eq(waits | (self.free(1, f"{name}_valid") & when)),
            payload.eq(self.free(len(payload), f"{name}_payload")),
        ]
        m.d.sync += waits.eq(stream.valid & ~stream.ready)
        self.assume(m, ~waits | (payload == self.past(m, payload, f"{name}_payload")))
        return stream.valid & stream.ready

    def drain(self, m: Module, stream, name: str) -> Value:
        """Takes payloads at any time; returns 1 in a cycle that does."""
        m.d.comb += stream.ready.eq(self.free(1, f"{name}_ready"))
        return stream.valid & stream.ready

    def claim_steady(self, m: Module, name: str, valid, ready, payload) -> None:
        """Once valid, it stays so, and the same, until it is taken."""
        waits = self.past(m, valid & ~ready, f"{name}_offer")
        before = self.past(m, payload, f"{name}_payload")
        self.claim(m, f"{name} stays", ~waits | (valid & (Value.cast(payload) == before)))

    def past(self, m: Module, value, name: str) -> Signal:
        """``value`` a cycle ago; 0 in the first cycle."""
        before = Signal(Value.cast(value).shape(), name=f"past_{name}")
        m.d.sync += before.eq(value)
        return before

    def assume(self, m: Module, condition) -> None:
        """What the surroundings of the block keep to."""
        m.d.comb += Assume(~self.running | condition)

    def claim(self, m: Module, name: str, condition) -> None:
        """``condition`` holds in every cycle after the reset."""
        self.claims.append(name)
        if self.only in (None, name):
            m.d.comb += Assert(~self.running | condition)

    def help(self, m: Module, condition) -> None:
        """An invariant that the claims lean on: proved with them, of no interest by itself."""
        if self.only is None:
            m.d.comb += Assert(~self.running | condition)
