"""The knobs of the hardware. Everything else about its size is derived from these."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any

from accelgen.arch.isa import CHANNEL_PARAM
from accelgen.errors import ConfigError

__all__ = ["DSP_ACC_BITS", "MOST_LANES", "ArchParams"]

#: Widest accumulator that one DSP48E2 requantizes: its wider operand.
DSP_ACC_BITS = 27

#: Knobs that are powers of two: least and most. A queue of one would pass nothing on.
_POWERS = {
    "lanes": (4, 16), "pixels": (1, 32), "chain_pixels": (1, 32), "ring_rows": (1, 65536),
    "weight_words": (1, 65536), "tap_words": (2, 65536), "acc_depth": (1, 1024),
    "burst_beats": (1, 16), "outstanding": (2, 64),
}  # fmt: skip


#: Lanes of the widest configuration: its channel groups hold the most channels.
MOST_LANES = _POWERS["lanes"][1]
#: Modes of the multipliers, and the pixels that then share one.
_SHARING = {"single": 1, "packed": 2, "double": 4}


def _shown(value: object) -> str:
    """A value in a sentence; integers of thousands of digits have no text."""
    if isinstance(value, int) and value.bit_length() > 64:
        return f"a number of {value.bit_length()} bits"
    return repr(value)[:60]


@dataclass(frozen=True, kw_only=True)
class ArchParams:
    """Hardware knobs of one bitstream. Any schedule for these knobs runs on it.

    Parameters
    ----------
    lanes : int
        Channels in a feature word, and input and output channels of the PE array (C). 4, 8 or 16.
    pixels : int
        Pixels the array takes per cycle, and banks of the feature memory (P). Power of two;
        ``lanes * pixels`` at least the 16 bytes of a bus beat.
    chain_pixels : int
        Pixels per cycle after the window engine: requantize, table, add, squeeze (W). Divides
        ``pixels``.
    drain_pixels : int
        Pixels per cycle after the array, and of SCALE: requantize, table (D). A multiple of
        ``chain_pixels`` that divides ``pixels``; 0 is ``chain_pixels``.
    window_pixels : int
        Pixels the window engine takes per cycle: ``pixels`` or twice as many; 0 is ``pixels``.
        Where they are more, maps with a stride of two are not put in phases into its ring.
    window_taps : int
        Kernel taps the window engine takes of its pixels per cycle: 1 or 2. Two need twice its
        multipliers and ring, ``tap_words`` of at least 4, and ``window_pixels`` not above
        ``pixels``; a kernel of one column takes one tap per cycle all the same.
    pe_mode : str
        ``"single"``: a product per multiplier. ``"packed"``: two pixels share a weight in one
        DSP48E2 (needs ``pixels >= 2`` and ``lanes <= 8``). ``"double"``: packed, and the
        multipliers run at twice the fabric's clock, so that four pixels share one
        (``pixels`` and ``chain_pixels`` at least 4, ``lanes`` 4 or 8).
    adder_in : str
        What multiplies in the residual adder: ``"dsp"``, or ``"lut"`` where DSPs are what is short;
        the same sums in the same cycles.
    acc_bits : int
        Width of accumulators, 27 to 32. At 27 a DSP48E2 requantizes; wider ones need two, which
        are described and not instantiated (``rtl.design.described`` says so). The compiler
        proves that a layer fits or refuses it.
    feature_rows : int
        Depth of the feature memory, in rows of ``pixels`` words of ``lanes`` bytes.
    feature_ram : str
        What the feature memory is made of: ``"block"`` RAM, or ``"ultra"`` RAM where the part has
        some (4,096 rows of 72 bits each).
    ring_rows : int
        Depth of the window engine's ring, same rows. Power of two.
    weight_words : int
        Depth of the PE array's weight ring, in words of ``lanes * lanes`` bytes. Power of two.
    tap_words : int
        Depth of the window engine's tap memory, in kernel taps. Power of two.
    acc_depth : int
        Vectors of accumulators buffered after each engine. Power of two.
    burst_beats : int
        Longest AXI burst in beats of 16 bytes, at most 16 (256 bytes, never crosses 4 KiB).
    outstanding : int
        Reads in flight per AXI master. Power of two, 2 to 64.

    Raises
    ------
    ConfigError
        A knob has a value that the hardware cannot have; every other configuration elaborates.
    """

    lanes: int = 8
    pixels: int = 8
    chain_pixels: int = 2
    drain_pixels: int = 0
    window_pixels: int = 0
    window_taps: int = 1
    pe_mode: str = "packed"
    adder_in: str = "dsp"
    acc_bits: int = 27
    feature_rows: int = 10240
    feature_ram: str = "block"
    ring_rows: int = 1024
    weight_words: int = 1024
    tap_words: int = 256
    acc_depth: int = 16
    burst_beats: int = 16
    outstanding: int = 8

    #: Width of the AXI data bus in bytes (a Zynq UltraScale+ HP port: 128 bits).
    BUS_BYTES = 16

    def __post_init__(self) -> None:
        self._check_kinds()
        for holds, sentence in self._rules():
            if not holds:
                raise ConfigError(sentence)

    def _rules(self) -> Iterator[tuple[bool, str]]:
        """What must hold of knobs together, and what to say if it does not, in order: a rule may
        rely on those before it."""
        chain, pixels, mode = self.chain_pixels, self.pixels, self.pe_mode
        yield chain <= pixels, f"chain_pixels ({chain}) must not exceed pixels ({pixels})"
        drain, wide = self.drain_pixels, self.window_pixels
        reach = f"from chain_pixels ({chain}) to pixels ({pixels})"
        yield (
            drain == 0 or (chain <= drain <= pixels and drain.bit_count() == 1),
            f"drain_pixels must be 0 or a power of two {reach}, not {drain}",
        )
        choice = f"0, pixels ({pixels}) or twice pixels, up to 32"
        yield (
            wide in (0, pixels, min(2 * pixels, 32)),
            f"window_pixels must be {choice}, not {_shown(wide)}",
        )
        yield (
            self.window_width <= pixels or self.ring_rows >= 4,
            f"window_pixels above pixels needs ring_rows of at least 4, not {self.ring_rows}",
        )
        taps = self.window_taps
        yield taps in (1, 2), f"window_taps must be 1 or 2, not {_shown(taps)}"
        yield (
            taps == 1 or self.window_width <= pixels,
            f"window_taps 2 needs window_pixels of 0 or pixels ({pixels}), not {wide}",
        )
        yield (
            taps == 1 or self.tap_words >= 4,
            f"window_taps 2 needs tap_words of at least 4, not {self.tap_words}",
        )
        yield (
            self.row_bytes >= self.BUS_BYTES,
            f"lanes * pixels must be at least {self.BUS_BYTES}, not {self.row_bytes}",
        )
        yield mode in _SHARING, f"pe_mode must be 'single', 'packed' or 'double', not {mode!r}"
        yield (
            mode == "single" or (pixels >= self.pe_pixels and self.lanes <= 8),
            f"pe_mode {mode!r} needs pixels >= {self.pe_pixels} and lanes <= 8",
        )
        yield (
            mode != "double" or chain >= self.pe_pixels,
            f"pe_mode 'double' needs chain_pixels of at least {self.pe_pixels}, not {chain}",
        )
        adder = self.adder_in
        yield adder in ("dsp", "lut"), f"adder_in must be 'dsp' or 'lut', not {adder!r}"
        yield 27 <= self.acc_bits <= 32, f"acc_bits must be 27 to 32, not {self.acc_bits}"
        rows = self.feature_rows
        yield 16 <= rows <= 32768, f"feature_rows must be 16 to 32768, not {rows}"
        ram = self.feature_ram
        yield ram in ("block", "ultra"), f"feature_ram must be 'block' or 'ultra', not {ram!r}"

    def _check_kinds(self) -> None:
        """Every value is of its knob's type, and no size beyond what anybody builds."""
        for field in fields(self):
            value, kind = getattr(self, field.name), type(field.default)
            if type(value) is not kind:
                wanted = "a whole number" if kind is int else "a text"
                raise ConfigError(f"{field.name} must be {wanted}, not {_shown(value)}")
        for name, (least, most) in _POWERS.items():
            value = getattr(self, name)
            if not least <= value <= most or value.bit_count() != 1:
                raise ConfigError(
                    f"{name} must be a power of two from {least} to {most}, not {_shown(value)}"
                )
        for name in ("acc_bits", "feature_rows", "drain_pixels", "window_pixels"):
            if abs(getattr(self, name)) > 1 << 32:
                raise ConfigError(f"{name} cannot be {_shown(getattr(self, name))}")

    # Derived sizes.

    def window_beats(self, kernel: tuple[int, int]) -> int:
        """Cycles of the window engine for a ``kernel`` (height, width) at one vector.

        Two taps at a time in the order of the walk; one where the kernel has one column.
        """
        taps = kernel[0] * kernel[1]
        return taps if self.window_taps == 1 or kernel[1] == 1 else -(-taps // 2)

    def stored_taps(self, kernel: tuple[int, int]) -> int:
        """Taps that the tap memory holds of a ``kernel``: the last of a pair may be of zeros."""
        return self.window_taps * self.window_beats(kernel)

    @property
    def window_width(self) -> int:
        """Pixels per cycle of the window engine (V)."""
        return self.window_pixels or self.pixels

    @property
    def array_width(self) -> int:
        """Pixels per cycle after the array (D)."""
        return self.drain_pixels or self.chain_pixels

    @property
    def pumped(self) -> bool:
        """Multipliers, and what feeds and follows them, run at twice the fabric's clock."""
        return self.pe_mode == "double"

    @property
    def word_bytes(self) -> int:
        """One pixel of one channel group."""
        return self.lanes

    @property
    def row_bytes(self) -> int:
        """One row of a pixel memory: ``pixels`` words."""
        return self.lanes * self.pixels

    @property
    def row_beats(self) -> int:
        """Bus beats per row."""
        return self.row_bytes // self.BUS_BYTES

    @property
    def feature_bytes(self) -> int:
        """Capacity of the feature memory."""
        return self.feature_rows * self.row_bytes

    @property
    def weight_word_bytes(self) -> int:
        """One word of the weight ring: the weights of one tap of ``lanes`` x ``lanes`` channels."""
        return self.lanes * self.lanes

    @property
    def weight_word_beats(self) -> int:
        """Bus beats per weight word."""
        return self.weight_word_bytes // self.BUS_BYTES

    @property
    def param_beats(self) -> int:
        """Bus beats of one group's channel parameters (8 bytes a channel)."""
        return self.lanes * CHANNEL_PARAM.width // 8 // self.BUS_BYTES

    @property
    def pe_pixels(self) -> int:
        """Pixels that share a multiplier of the array or of the window engine."""
        return _SHARING[self.pe_mode]

    @property
    def packed(self) -> bool:
        """Two pixels share a multiplier's operand."""
        return self.pe_mode != "single"

    @property
    def macs_per_cycle(self) -> int:
        """Peak of the PE array."""
        return self.lanes * self.lanes * self.pixels

    # As data.

    @property
    def crc(self) -> int:
        """CRC-32 of the knobs as canonical JSON: the ``config`` register's value.

        A ``window_taps`` of 1 and an ``adder_in`` of ``"dsp"`` are left out: bitstreams and
        programs from before these knobs agree.
        """
        before = {"window_taps": 1, "adder_in": "dsp"}
        knobs = {
            name: value
            for name, value in self.to_dict().items()
            if name not in before or value != before[name]
        }
        return zlib.crc32(json.dumps(knobs, sort_keys=True).encode())

    def to_dict(self) -> dict[str, Any]:
        """Knobs by name, for JSON and TOML."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ArchParams:
        """Inverse of :meth:`to_dict`; unknown names raise ConfigError."""
        known = {f.name for f in fields(cls)}
        for name in values:
            if name not in known:
                raise ConfigError(f"unknown knob {name!r}; known: {', '.join(sorted(known))}")
        return cls(**values)
