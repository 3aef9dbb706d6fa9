"""boards/<name>/board.toml -> Board."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from accelgen.arch import PRESETS, ArchParams
from accelgen.assets import asset
from accelgen.cost import Memory
from accelgen.errors import BoardError, ConfigError
from accelgen.untrusted import read_toml, schema_of, typed

__all__ = [
    "DEFAULT_BOARD",
    "Board",
    "Budget",
    "Clock",
    "Ddr",
    "Ports",
    "Ps",
    "board_names",
    "board_of",
    "load_board",
    "read_board",
]

#: What every command is for when no board is named.
DEFAULT_BOARD = "ultra96v2"

#: What the numbers of a board file can be.
Count = Annotated[int, Field(ge=0, le=100_000_000)]
Positive = Annotated[int, Field(ge=1, le=1_000_000)]
Mhz = Annotated[float, Field(ge=1, le=10_000)]
Bits = Annotated[int, Field(ge=8, le=4096)]
Share = Annotated[float, Field(ge=0.01, le=1)]
Nanoseconds = Annotated[float, Field(ge=0, le=100_000)]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What the part offers."""

    dsp: Count
    bram36: Count
    uram: Count
    lut: Count
    ff: Count
    source: str


@dataclass(frozen=True, kw_only=True)
class Clock:
    """Fabric clock the board's default configuration is meant for.

    ``limit_mhz`` is what the part allows any clock, that of double-pumped multipliers included.
    """

    mhz: Mhz
    limit_mhz: Mhz
    source: str


@dataclass(frozen=True, kw_only=True)
class Ddr:
    """Memory as seen from the PL: ``mts`` million transfers per second of ``width_bits``.

    ``efficiency`` is the share of that peak that streams reach.
    """

    kind: str
    mts: Positive
    width_bits: Bits
    efficiency: Share
    latency_ns: Nanoseconds
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
    """High-performance AXI ports from the PL to DDR; each of arch.ports takes one."""

    width_bits: Bits
    source: str


@dataclass(frozen=True, kw_only=True)
class Ps:
    """Processor cores."""

    cores: Annotated[int, Field(ge=1, le=64)]
    core: str
    mhz: Mhz
    source: str


@dataclass(frozen=True, kw_only=True)
class Board:
    """One board. Every table carries the source of its numbers.

    ``arch`` is the default configuration; ``vivado_board`` the board file's name, without vendor
    and version. Patterns say what may stand in names that end up in scripts, and what a script
    knows how to build.
    """

    name: Annotated[str, Field(pattern=r"^([a-z0-9][a-z0-9-]*)$")]
    title: str
    part: Annotated[str, Field(pattern=r"^([a-z0-9]+(-[A-Za-z0-9]+)*)$")]
    processing_system: Annotated[str, Field(pattern=r"^(zynq_ultra_ps_e|processing_system7)$")]
    vivado_board: Annotated[str, Field(pattern=r"^([A-Za-z0-9_][A-Za-z0-9_.-]*)$")]
    yosys_family: Annotated[str, Field(pattern=r"^(xcup|xc7)$")]
    source: str
    budget: Budget
    clock: Clock
    ddr: Ddr
    ports: Ports
    ps: Ps
    arch: ArchParams

    def memory(self, clock_mhz: float) -> Memory:
        """Its DDR, and its ports, in cycles of ``clock_mhz``."""
        return Memory(
            bytes_per_cycle=self.ddr.bytes_per_cycle(clock_mhz),
            latency_cycles=self.ddr.latency_cycles(clock_mhz),
            port_bytes=min(self.ports.width_bits // 8, ArchParams.BUS_BYTES),
        )

    def to_dict(self) -> dict[str, Any]:
        """All of it, for a file: what :func:`board_of` reads."""
        return {**asdict(self), "arch": self.arch.to_dict()}

    @property
    def direct_ports(self) -> bool:
        """The design's masters fit the memory ports as they are: AXI4 of 128 bits."""
        axi4 = self.processing_system == "zynq_ultra_ps_e"
        return axi4 and self.ports.width_bits == 8 * ArchParams.BUS_BYTES

    def clock_faults(self, clock_mhz: float, arch: ArchParams) -> list[str]:
        """A sentence when ``clock_mhz``, or twice that where ``arch`` needs it, is beyond the
        part."""
        fastest = clock_mhz * (2 if arch.pumped else 1)
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
    values = read_toml(path, "board file", BoardError)
    knobs = values.pop("arch", None)
    where = f"board file {path}"
    typed(_BoardFile, values, where, BoardError)
    preset = knobs.pop("preset", None) if isinstance(knobs, dict) else None
    if not isinstance(preset, str) or preset not in PRESETS:
        raise BoardError(
            f"{where}: [arch] preset must be one of {', '.join(PRESETS)}, not {str(preset)[:60]!r}"
        )
    return board_of({**values, "arch": PRESETS[preset].to_dict() | knobs}, where)


def board_of(values: Mapping[str, Any], where: str) -> Board:
    """A board from ``Board.to_dict``. Raises BoardError: ``where``, and the key at fault."""
    known = typed(_BoardFile, {k: v for k, v in values.items() if k != "arch"}, where, BoardError)
    knobs = values.get("arch")
    if not isinstance(knobs, dict):
        raise BoardError(f"{where}: [arch] is missing")
    try:
        arch = ArchParams.from_dict(knobs)
    except ConfigError as error:
        raise BoardError(f"{where}: {error}") from error
    return Board(
        **{name: getattr(known, name) for name in _NAMES},
        **{name: table(**getattr(known, name).model_dump()) for name, table in _TABLES.items()},
        arch=arch,
    )


_TABLES: dict[str, type[Any]] = {
    "budget": Budget, "clock": Clock, "ddr": Ddr, "ports": Ports, "ps": Ps,
}  # fmt: skip
_NAMES = [f.name for f in fields(Board) if f.name not in {*_TABLES, "arch"}]
_BoardFile = schema_of(Board, without=("arch",))
