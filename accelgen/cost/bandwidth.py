"""What memories move per cycle: DDR between its ports, the feature memory's row port after it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from accelgen.arch import ArchParams
from accelgen.cost.memory import Memory

__all__ = ["Bandwidth"]

#: A port that gets nothing for a while: its transfers end when that changes.
_NOTHING = 1e-6
#: Who moves what is not the accelerator's.
_OTHERS = "others"


class Bandwidth:
    """Bytes per cycle of the ports that move something at a time.

    DDR moves ``bytes_per_cycle`` for ports "weights", "load" and "store" and for others together,
    shared fairly, none above ``port_bytes``. Rows of "load" and "store", and of parked weights
    (port "parked", which is not DDR's), go through the feature memory's row port: one per cycle,
    first what the datapath writes and adds, then loads, then stores (rtl/memory/feature_memory.py).

    Parameters
    ----------
    duplex : bool
        Stores have as much for themselves.
    row_bytes : int
        Of a row of the feature memory.
    competing : float
        Bytes per cycle that others, as the processor, want of DDR all the time. What they do not
        get they do not want again (sim/tb/ddr.sv).

    Attributes
    ----------
    taken : float
        Rows per cycle that the datapath takes of the row port, now.
    """

    def __init__(
        self, bytes_per_cycle: float, port_bytes: float, *, duplex: bool = False,
        row_bytes: float = float("inf"), competing: float = 0.0,
    ):  # fmt: skip
        self.bytes_per_cycle = bytes_per_cycle
        self.port_bytes = port_bytes
        self.duplex = duplex
        self.row_bytes = row_bytes
        self.competing = competing
        self.taken = 0.0

    @property
    def is_tight(self) -> bool:
        """What the datapath takes is missed by others: it takes half of the row port at most."""
        return self.row_bytes < 2 * (2 * self.port_bytes)

    @classmethod
    def of(cls, memory: Memory, row_bytes: float, competing: float = 0.0) -> Bandwidth:
        """What ``memory`` gives the ports of an accelerator with rows of so many bytes."""
        return cls(
            memory.bytes_per_cycle, memory.port_rate, duplex=memory.duplex, row_bytes=row_bytes,
            competing=competing,
        )  # fmt: skip

    def __call__(self, ports: Collection[str]) -> dict[str, float]:
        """By port, for those that want to move."""
        ports = set(ports)
        room = self.row_bytes * (1 - self.taken) if self.taken else self.row_bytes
        widths = dict.fromkeys(ports - {"parked"}, self.port_bytes)
        if "load" in widths:
            widths["load"] = min(widths["load"], room)
        rates = self._ddr(widths)
        room -= rates.get("load", 0.0)
        if "store" in widths and rates["store"] > room:
            rates = self._ddr(widths | {"store": max(room, 0.0)})
        if "parked" in ports:
            rates["parked"] = min(float(ArchParams.BUS_BYTES), room)
        return {p: max(rate, _NOTHING) for p, rate in rates.items() if p != _OTHERS}

    def _ddr(self, widths: Mapping[str, float]) -> dict[str, float]:
        """Equal shares, but no port above its width: what one cannot take is the others'."""
        if self.competing:
            widths = {**widths, _OTHERS: self.competing}
        alone = {"store"} if self.duplex else set()
        rates = {p: min(self.bytes_per_cycle, widths[p]) for p in alone & set(widths)}
        left = self.bytes_per_cycle
        sharing = sorted(set(widths) - alone, key=lambda p: widths[p])
        for place, port in enumerate(sharing):
            rates[port] = min(widths[port], left / (len(sharing) - place))
            left -= rates[port]
        return rates
