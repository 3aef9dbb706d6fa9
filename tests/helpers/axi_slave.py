"""An AXI4 slave with a memory, as kind or as hostile as a bench wants, that watches the rules."""

import random
from collections import deque

from cocotb.triggers import FallingEdge, ReadOnly

__all__ = ["AxiSlave", "moments"]

BEAT_BYTES = 16
PAGE_BYTES = 4096
OKAY, SLVERR = 0, 2


class AxiSlave:
    """Answers AXI ports ``<prefix>araddr`` and so on of ``dut``; either direction may be absent.

    Parameters
    ----------
    dut, prefix
        Where the ports are, e.g. ``"axi__"``.
    memory : bytearray
        Read and written; addresses count from ``base``.
    latency : int
        Cycles from an address (or the last data) to its first answer.
    stall : float
        Probability, per cycle and channel, of not being ready or not answering.
    bad : set of int
        Byte addresses of beats (of bursts, for writes) that answer SLVERR.
    burst_beats : int
        Longest burst allowed. Bursts must not cross multiples of as many beats.
    write_first : bool
        Addresses of writes are accepted only when data is offered.
    """

    def __init__(
        self, dut, prefix, memory, *, base=0, latency=8, stall=0.0, seed=0, bad=(),
        burst_beats=16, write_first=False,
    ):  # fmt: skip
        self._dut, self._prefix = dut, prefix
        self.memory, self.base = memory, base
        self._latency, self._stall, self._bad = latency, stall, set(bad)
        self._burst_beats, self._write_first = burst_beats, write_first
        self._random = random.Random(f"{prefix}/{seed}")
        self.burst_bytes = burst_beats * BEAT_BYTES
        self._held = {}
        self._was_set = {}
        self.cycle = 0
        self.reads, self.writes = [], []  # (address, beats) of every burst
        self.may_drop = False  # beats may come with all strobes low
        self.dropped = 0  # beats that did
        self.responses = 0  # bursts whose write was answered
        self.most_reads = self.most_writes = 0  # in flight at once
        self._r = deque()  # (due cycle, address, last)
        self._r_bursts = 0
        self._aw, self._w, self._b = deque(), deque(), deque()

    def _port(self, name):
        return getattr(self._dut, self._prefix + name)

    def _get(self, name):
        return int(self._port(name).value)

    def _set(self, name, value):
        if self._was_set.get(name) != value:
            self._was_set[name] = value
            self._port(name).value = value

    def _stalls(self):
        return self._random.random() < self._stall

    async def run(self):
        """Serve until the bench ends."""
        directions = [d for d in ("ar", "aw") if hasattr(self._dut, f"{self._prefix}{d}addr")]
        if "ar" in directions:
            self._set("rvalid", 0)
        if "aw" in directions:
            self._set("bvalid", 0)
        while True:
            await FallingEdge(self._dut.clk)
            self.cycle += 1
            if "ar" in directions:
                self._offer_read()
            if "aw" in directions:
                self._offer_write()
            await ReadOnly()
            if "ar" in directions:
                self._take_read()
            if "aw" in directions:
                self._take_write()

    # Rules.

    def _transfers(self, channel, payload):
        """Whether ``channel`` transfers in this cycle; its payload must be stable until it does."""
        valid, ready = self._get(f"{channel}valid"), self._get(f"{channel}ready")
        now = tuple(self._get(name) for name in payload) if valid else None
        held = self._held.get(channel)
        assert held is None or held == now, f"{channel}: {held} became {now} before ready"
        self._held[channel] = now if valid and not ready else None
        return bool(valid and ready)

    def _burst(self, channel):
        address, beats = self._get(f"{channel}addr"), self._get(f"{channel}len") + 1
        size = self._burst_beats * BEAT_BYTES
        assert address % BEAT_BYTES == 0
        assert beats <= self._burst_beats
        assert address // size == (address + beats * BEAT_BYTES - 1) // size, hex(address)
        assert PAGE_BYTES % size == 0
        assert (self._get(f"{channel}size"), self._get(f"{channel}burst")) == (4, 1)
        assert 0 <= address - self.base <= len(self.memory) - beats * BEAT_BYTES, hex(address)
        return address, beats

    # Reads.

    def _offer_read(self):
        self._set("arready", not self._stalls())
        if self._get("rvalid") and not self._r_taken:
            return
        due = bool(self._r) and self._r[0][0] <= self.cycle and not self._stalls()
        self._set("rvalid", due)
        if due:
            _, address, last = self._r.popleft()
            at = address - self.base
            self._set("rdata", int.from_bytes(self.memory[at : at + BEAT_BYTES], "little"))
            self._set("rresp", SLVERR if address in self._bad else OKAY)
            self._set("rlast", last)

    def _take_read(self):
        self._r_taken = bool(self._get("rvalid") and self._get("rready"))
        if self._r_taken and self._get("rlast"):
            self._r_bursts -= 1
        if self._transfers("ar", ("araddr", "arlen")):
            address, beats = self._burst("ar")
            self.reads.append((address, beats))
            self._r_bursts += 1
            self.most_reads = max(self.most_reads, self._r_bursts)
            for i in range(beats):
                due = self.cycle + self._latency
                self._r.append((due, address + i * BEAT_BYTES, i == beats - 1))

    # Writes.

    def _offer_write(self):
        self._set("wready", not self._stalls())
        offered = self._get("wvalid") or self._w or not self._write_first
        self._set("awready", bool(offered) and not self._stalls())
        if self._get("bvalid") and not self._b_taken:
            return
        due = bool(self._b) and self._b[0][0] <= self.cycle and not self._stalls()
        self._set("bvalid", due)
        if due:
            _, address = self._b.popleft()
            self._set("bresp", SLVERR if address in self._bad else OKAY)

    def _take_write(self):
        self._b_taken = bool(self._get("bvalid") and self._get("bready"))
        self.responses += self._b_taken
        if self._transfers("aw", ("awaddr", "awlen")):
            burst = self._burst("aw")
            self._aw.append(burst)
            self.writes.append(burst)
            self.most_writes = max(self.most_writes, len(self._aw) + len(self._b))
        if self._transfers("w", ("wdata", "wstrb", "wlast")):
            strobes = self._get("wstrb")
            assert strobes == 0xFFFF or (self.may_drop and strobes == 0)
            self._w.append((self._get("wdata") if strobes else None, self._get("wlast")))
        while self._aw and len(self._w) >= self._aw[0][1]:
            address, beats = self._aw.popleft()
            data = [self._w.popleft() for _ in range(beats)]
            assert [last for _, last in data] == [0] * (beats - 1) + [1]
            for i, (beat, _) in enumerate(data):
                at = address - self.base + i * BEAT_BYTES
                if beat is None:
                    self.dropped += 1
                    continue
                self.memory[at : at + BEAT_BYTES] = beat.to_bytes(BEAT_BYTES, "little")
            self._b.append((self.cycle + self._latency, address))


async def moments(dut, seen, **strobes):
    """Append to ``seen[name]`` the cycles in which all ports of ``strobes[name]`` are 1."""
    cycle = 0
    while True:
        await FallingEdge(dut.clk)
        await ReadOnly()
        cycle += 1
        for name, ports in strobes.items():
            if all(bool(getattr(dut, port).value) for port in ports):
                seen.setdefault(name, []).append(cycle)
