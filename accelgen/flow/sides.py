"""One side of a comparison: a model and what it is estimated for, from ``MODEL,key=value,...``."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

from accelgen.arch import ArchParams
from accelgen.boards import DEFAULT_BOARD
from accelgen.errors import ConfigError
from accelgen.flow.compiler import FC_ON, SE_ON, places_of
from accelgen.flow.hardware import Target, target

__all__ = ["NUMBERS", "ORDER", "WORDS", "Side", "side"]

#: Keys with numbers, as the command line's options: kind, least, most.
NUMBERS: dict[str, tuple[type[float] | type[int], float, float]] = {
    "clock-mhz": (float, 1, 2000),
    "ddr-bytes-per-cycle": (float, 0.1, 64),
    "ddr-latency": (int, 3, 100_000),
    "stalls": (float, 0.0, 0.95),
    "ps-threads": (int, 1, 4),
}
#: Keys with words.
WORDS = ("board", "preset", "config", "fc-on", "se-on")
_PLACES = {"fc-on": FC_ON, "se-on": SE_ON}


@dataclass(frozen=True, kw_only=True)
class Side:
    """What a comparison changes, one field at a time: every field is a difference of its own.

    ``bandwidth`` and ``latency`` are None where they are the board's at that clock; ``fc_on`` is a
    number where so many of the last fully connected layers are on the PS.
    """

    model: str
    board: str
    se_on: str
    fc_on: str | int
    layerwise: bool
    arch: ArchParams
    clock_mhz: float
    bandwidth: float | None = None
    latency: int | None = None
    stalls: float = 0.0
    ps_threads: int = 1

    @property
    def hardware(self) -> Target:
        """The target of these fields."""
        made = target(
            self.board, arch=self.arch, clock_mhz=self.clock_mhz,
            ddr_bytes_per_cycle=self.bandwidth, ddr_latency=self.latency, stalls=self.stalls,
            ps_threads=self.ps_threads,
        )  # fmt: skip
        return replace(made, layerwise=self.layerwise)

    def said(self, field: str, other: Side) -> str:
        """The value of ``field`` in words; of a configuration the knobs that differ from the
        ``other`` side's."""
        value = getattr(self, field)
        if field == "arch":
            theirs = other.arch.to_dict()
            return " ".join(f"{k}={v}" for k, v in value.to_dict().items() if v != theirs[k])
        return _SAID.get(field, str)(value)

    def differences(self, other: Side) -> list[str]:
        """Fields in which they differ, in :data:`ORDER`."""
        return [name for name in ORDER if getattr(self, name) != getattr(other, name)]


#: In which order a comparison changes them: what runs, where it runs, how, on what, how fast.
ORDER = tuple(f.name for f in fields(Side))
_SAID: dict[str, Callable[[Any], str]] = {
    "layerwise": lambda v: "layer by layer through DDR" if v else "fused",
    "clock_mhz": lambda v: f"{v:g} MHz",
    "bandwidth": lambda v: "the board's" if v is None else f"{v:g} B/cycle",
    "latency": lambda v: "the board's" if v is None else f"{v:,} cycles",
    "se_on": str.upper,
    "fc_on": lambda v: f"PS, the last {v}" if isinstance(v, int) else v.upper(),
}


def side(text: str, other: Side | None = None) -> Side:
    """``MODEL[,key=value...]``: keys are those of ``estimate``'s options. What begins with a key
    is of the ``other`` side's model, and on its board unless it names one.

    Raises
    ------
    ConfigError, BoardError
        No model, an unknown key, or a value that it cannot have.
    """
    pieces = [piece.strip() for piece in text.split(",")]
    model = "" if "=" in pieces[0] else pieces.pop(0)
    if not model and other is None:
        raise ConfigError(f"{text!r} names no model: begin with an ONNX file or zoo:NAME")
    given = _given(pieces, text)
    board = given.get("board", other.board if other and not model else DEFAULT_BOARD)
    hardware = target(
        board,
        preset=given.get("preset"),
        config=given.get("config"),
        clock_mhz=given.get("clock-mhz"),
        ps_threads=given.get("ps-threads", 1),
    )
    places = places_of(hardware, given.get("fc-on", "auto"), given.get("se-on", "auto"))
    return Side(
        model=model or (other.model if other else ""),
        board=board,
        fc_on=places[0],
        se_on=places[1],
        layerwise=hardware.layerwise,
        arch=hardware.arch,
        clock_mhz=hardware.clock_mhz,
        bandwidth=given.get("ddr-bytes-per-cycle"),
        latency=given.get("ddr-latency"),
        stalls=given.get("stalls", 0.0),
        ps_threads=hardware.ps_threads,
    )


def _given(pieces: list[str], text: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for piece in pieces:
        key, equals, value = piece.partition("=")
        if not (equals and key and value):
            raise ConfigError(f"{piece!r} in {text!r} is not key=value, like clock-mhz=100")
        if key not in NUMBERS and key not in WORDS:
            known = ", ".join((*WORDS, *NUMBERS))
            raise ConfigError(f"unknown key {key!r} in {text!r}; known: {known}")
        if key in found:
            raise ConfigError(f"{key} comes twice in {text!r}")
        if key in _PLACES and value not in _PLACES[key]:
            raise ConfigError(f"{key} is {', '.join(_PLACES[key])}, not {value!r}")
        found[key] = _number(key, value) if key in NUMBERS else value
    return found


def _number(key: str, text: str) -> float | int:
    kind, least, most = NUMBERS[key]
    try:
        value = kind(text)
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        what = "a whole number" if kind is int else "a number"
        raise ConfigError(f"{key} is {what} from {least:g} to {most:g}, not {text!r}")
    return value
