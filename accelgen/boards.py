"""boards/<name>/board.toml -> Board."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from accelgen.arch import PRESETS, ArchParams
from accelgen.assets import asset
from accelgen.errors import BoardError, ConfigError

__all__ = [
    "Board",
    "Budget",
    "Clock",
    "Ddr",
    "Ports",
    "Ps",
    "board_names",
    "load_board",
    "read_board",
]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What the part offers."""

    dsp: int
    bram36: int
    uram: int
    lut: int
    ff: int
    source: str


@dataclass(frozen=True, kw_only=True)
class Clock:
    """Fabric clock the board's default configuration is meant for.

    ``limit_mhz`` is what the part allows any clock, that of double-pumped multipliers included.
    """

    mhz: float
    limit_mhz: float
    source: str


@dataclass(frozen=True, kw_only=True)
class Ddr:
    """Memory as seen from the PL: ``mts`` million transfers per second of ``width_bits``.

    ``efficiency`` is the share of that peak that streams reach.
    """

    kind: str
    mts: int
    width_bits: int
    efficiency: float
    latency_ns: float
    source: str

    @property
    def peak_gbs(self) -> float:
        """Gigabytes per second."""
        return self.mts * self.width_bits / 8000

    def bytes_per_cycle(self, clock_mhz: float) -> float:
        """Bytes that all masters together move per fabric cycle."""
        return self.peak_gbs * self.efficiency * 1000 / clock_mhz

    def latency_cycles(self, clock_mhz: float) -> int:
        """Fabric cycles from a read address to the first beat."""
        return math.ceil(self.latency_ns * clock_mhz / 1000)


@dataclass(frozen=True, kw_only=True)
class Ports:
    """High-performance AXI ports from the PL to DDR; the design uses two."""

    width_bits: int
    source: str


@dataclass(frozen=True, kw_only=True)
class Ps:
    """Processor cores."""

    cores: int
    core: str
    mhz: float
    source: str


@dataclass(frozen=True, kw_only=True)
class Board:
    """One board. Every table carries the source of its numbers.

    ``arch`` is the default configuration; ``vivado_board`` the board file's name, without vendor
    and version.
    """

    name: str
    title: str
    part: str
    processing_system: str
    vivado_board: str
    yosys_family: str
    source: str
    budget: Budget
    clock: Clock
    ddr: Ddr
    ports: Ports
    ps: Ps
    arch: ArchParams

    @property
    def direct_ports(self) -> bool:
        """The design's masters fit the memory ports as they are: AXI4 of 128 bits."""
        axi4 = self.processing_system == "zynq_ultra_ps_e"
        return axi4 and self.ports.width_bits == 8 * ArchParams.BUS_BYTES

    def clock_faults(self, clock_mhz: float, arch: ArchParams) -> list[str]:
        """A sentence when ``clock_mhz``, or twice that where ``arch`` needs it, is beyond the
        part."""
        fastest = clock_mhz * (2 if arch.pe_mode == "double" else 1)
        if fastest <= self.clock.limit_mhz:
            return []
        return [f"needs a clock of {fastest:g} MHz, the part allows {self.clock.limit_mhz:g}"]


def board_names() -> tuple[str, ...]:
    """Names of the boards that come with accelgen, sorted."""
    return tuple(sorted(p.parent.name for p in asset("boards").glob("*/board.toml")))


def load_board(name: str) -> Board:
    """The board ``name``; or the file, if ``name`` ends in ``.toml``.

    Raises BoardError with the known names when there is none.
    """
    if name.endswith(".toml"):
        return read_board(Path(name))
    if name not in board_names():
        raise BoardError(
            f"unknown board {name!r}; known: {', '.join(board_names())}, or a path to a board.toml"
        )
    return read_board(asset("boards") / name / "board.toml")


def read_board(path: Path) -> Board:
    """Read one board file. Raises BoardError naming the file and the key at fault."""
    try:
        values = tomllib.loads(path.read_text())
    except OSError as error:
        raise BoardError(f"cannot read board file {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BoardError(f"board file {path} is not TOML: {error}") from error
    try:
        arch = _arch(values.pop("arch", {}))
        tables = {
            name: _record(table, _take(values, name, dict), f"[{name}] ")
            for name, table in _TABLES.items()
        }
        return Board(
            **_record_values(Board, values, "", skip={*tables, "arch"}), **tables, arch=arch
        )
    except (ConfigError, _FaultError) as error:
        raise BoardError(f"board file {path}: {error}") from error


_TABLES: dict[str, type[Any]] = {
    "budget": Budget, "clock": Clock, "ddr": Ddr, "ports": Ports, "ps": Ps,
}  # fmt: skip

#: What may stand in names that end up in scripts, and what a script knows how to build.
_ALLOWED = {
    "name": r"[a-z0-9][a-z0-9-]*",
    "part": r"[a-z0-9]+(-[A-Za-z0-9]+)*",
    "vivado_board": r"[A-Za-z0-9_][A-Za-z0-9_.-]*",
    "processing_system": "zynq_ultra_ps_e|processing_system7",
    "yosys_family": "xcup|xc7",
}

_KINDS: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "str": (str,)}


class _FaultError(Exception):
    """What is wrong with a board file, without the file's name."""


def _arch(values: dict[str, Any]) -> ArchParams:
    preset = values.pop("preset", None)
    if preset not in PRESETS:
        raise _FaultError(f"[arch] preset must be one of {', '.join(PRESETS)}, not {preset!r}")
    return ArchParams.from_dict(PRESETS[preset].to_dict() | values)


def _take(values: dict[str, Any], name: str, kind: type) -> Any:
    value = values.pop(name, None)
    if not isinstance(value, kind):
        raise _FaultError(f"table [{name}] is missing")
    return value


def _record(cls: type[Any], values: Mapping[str, Any], where: str) -> Any:
    return cls(**_record_values(cls, values, where))


def _record_values(
    cls: type[Any], values: Mapping[str, Any], where: str, skip: Collection[str] = ()
) -> dict[str, Any]:
    expected = {f.name: str(f.type) for f in fields(cls) if f.name not in skip}
    for name in values:
        if name not in expected:
            raise _FaultError(f"{where}{name} is not known; known: {', '.join(expected)}")
    for name, kind in expected.items():
        value = values.get(name)
        if not isinstance(value, _KINDS[kind]) or isinstance(value, bool):
            raise _FaultError(f"{where}{name} must be a {kind}, not {value!r}")
        if isinstance(value, int | float) and not value >= 0:
            raise _FaultError(f"{where}{name} must not be negative, not {value!r}")
        if isinstance(value, float) and math.isinf(value):
            raise _FaultError(f"{where}{name} must be finite, not {value!r}")
        if name in _ALLOWED and not re.fullmatch(_ALLOWED[name], str(value)):
            raise _FaultError(f"{where}{name} must be like {_ALLOWED[name]}, not {value!r}")
    return dict(values)
