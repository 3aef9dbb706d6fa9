"""What memories move per cycle: DDR between its ports, the feature memory's row port after it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from accelgen.arch import ArchParams

__all__ = ["Bandwidth"]

#: A port that gets nothing for a while: its transfers end when that changes.
_NOTHING = 1e-6


class Bandwidth:
    """Bytes per cycle of the ports that move something at a time.

    DDR moves ``bytes_per_cycle`` for ports "weights", "load" and "store" together, shared fairly,
    none above ``port_bytes``. Rows of "load" and "store", and of parked weights (port "parked",
    which is not DDR's), go through the feature memory's row port: one per cycle, and loads come
    first, then stores (rtl/memory/feature_memory.py). What the datapath takes of it is not counted.

    Parameters
    ----------
    duplex : bool
        Stores have as much for themselves.
    row_bytes : int
        Of a row of the feature memory.
    """

    def __init__(
        self, bytes_per_cycle: float, port_bytes: float, *, duplex: bool = False,
        row_bytes: float = float("inf"),
    ):  # fmt: skip
        self.bytes_per_cycle = bytes_per_cycle
        self.port_bytes = port_bytes
        self.duplex = duplex
        self.row_bytes = row_bytes

    def __call__(self, ports: Collection[str]) -> dict[str, float]:
        """By port, for those that want to move."""
        ports = set(ports)
        room = self.row_bytes
        widths = dict.fromkeys(ports - {"parked"}, self.port_bytes)
        if "load" in widths:
            widths["load"] = min(widths["load"], room)
        rates = self._ddr(widths)
        room -= rates.get("load", 0.0)
        if "store" in widths and rates["store"] > room:
            rates = self._ddr(widths | {"store": max(room, 0.0)})
        if "parked" in ports:
            rates["parked"] = min(float(ArchParams.BUS_BYTES), room)
        return {port: max(rate, _NOTHING) for port, rate in rates.items()}

    def _ddr(self, widths: Mapping[str, float]) -> dict[str, float]:
        """Equal shares, but no port above its width: what one cannot take is the others'."""
        alone = {"store"} if self.duplex else set()
        rates = {p: min(self.bytes_per_cycle, widths[p]) for p in alone & set(widths)}
        left = self.bytes_per_cycle
        sharing = sorted(set(widths) - alone, key=lambda p: widths[p])
        for place, port in enumerate(sharing):
            rates[port] = min(widths[port], left / (len(sharing) - place))
            left -= rates[port]
        return rates
