"""What a network is compiled for: board, configuration, clock, memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from accelgen.arch import PRESETS, ArchParams, single_clock
from accelgen.boards import DEFAULT_BOARD, Board, board_of, load_board
from accelgen.cost import Memory
from accelgen.errors import ConfigError
from accelgen.flow import first_try
from accelgen.untrusted import read_toml, schema_of, typed

__all__ = ["Target", "as_target", "presets", "target", "target_of"]


@dataclass(frozen=True, kw_only=True, repr=False)
class Target:
    """The hardware a program is for: board, configuration, clock, memory.

    ``layerwise``: it is used as a first design uses it (:mod:`accelgen.flow.first_try`), each layer
    by itself through DDR.
    """

    board: Board
    arch: ArchParams
    clock_mhz: float
    memory: Memory
    ps_threads: int = 1
    layerwise: bool = False

    def __repr__(self) -> str:
        size = f"{self.arch.macs_per_cycle:,} MAC/cycle"
        return f"<Target {self.board.name}: {size}, {self.clock_mhz:g} MHz>"

    def to_dict(self) -> dict[str, Any]:
        """All but the configuration, for a file: what :func:`target_of` reads."""
        return {
            "board": self.board.to_dict(),
            "clock_mhz": self.clock_mhz,
            "memory": asdict(self.memory),
            "ps_threads": self.ps_threads,
            # Only where it is so: packages from before agree.
            **({"layerwise": True} if self.layerwise else {}),
        }

    @property
    def family(self) -> str:
        """Family of the part: decides which cells the Verilog names."""
        return self.board.yosys_family


def target(
    board: str | Path = DEFAULT_BOARD,
    *,
    preset: str | None = None,
    config: str | Path | None = None,
    arch: ArchParams | None = None,
    clock_mhz: float | None = None,
    ddr_bytes_per_cycle: float | None = None,
    ddr_latency: int | None = None,
    stalls: float = 0.0,
    ps_threads: int = 1,
) -> Target:
    """Choose board, configuration, clock and memory.

    Parameters
    ----------
    board : str or Path
        Name of a known board, or path of a ``board.toml``.
    preset : str
        Name of a configuration (:func:`presets`) instead of the board's. "naive" is more: a first
        design with its clock, layer by layer, its fully connected layers and squeeze-and-excite
        blocks on the processor (:mod:`accelgen.flow.first_try`).
    config : str or Path
        TOML file of knobs; those it does not name keep the values of board or preset.
    arch : ArchParams
        The configuration itself, instead of the board's.
    clock_mhz : float
        Fabric clock; the board's by default.
    ddr_bytes_per_cycle : float
        Bytes that DDR moves per cycle of the fabric clock; the board's by default.
    ddr_latency : int
        Cycles from read address to data; the board's by default.
    stalls : float
        Chance per cycle that an AXI channel pauses.
    ps_threads : int
        Cores that PS kernels may use.

    Raises
    ------
    BoardError, ConfigError
        An unknown name or a value that the hardware cannot have; the sentence says what is known.
    """
    chosen = load_board(str(board))
    naive = preset == first_try.NAME
    clock = clock_mhz or (first_try.CLOCK_MHZ if naive else chosen.clock.mhz)
    if ps_threads > chosen.ps.cores:
        raise ConfigError(f"--ps-threads {ps_threads}: {chosen.name} has {chosen.ps.cores} cores")
    memory = chosen.memory(clock)
    memory = replace(
        memory,
        bytes_per_cycle=ddr_bytes_per_cycle or memory.bytes_per_cycle,
        latency_cycles=ddr_latency or memory.latency_cycles,
        stalls=stalls,
    )
    arch = arch or _configuration(chosen, preset, Path(config) if config else None)
    return Target(
        board=chosen, arch=arch, clock_mhz=clock, memory=memory, ps_threads=ps_threads,
        layerwise=naive,
    )  # fmt: skip


def target_of(values: Mapping[str, Any], arch: ArchParams, where: str) -> Target:
    """The target with ``Target.to_dict`` of ``values``. Raises BoardError, ConfigError: ``where``,
    and the key at fault."""
    memory = typed(schema_of(Memory), values["memory"], f"{where}: memory", ConfigError)
    return Target(
        board=board_of(values["board"], f"{where}: board"),
        arch=arch,
        clock_mhz=values["clock_mhz"],
        memory=Memory(**memory.model_dump()),
        ps_threads=values["ps_threads"],
        layerwise=values.get("layerwise", False),
    )


def as_target(given: Target | str | None) -> Target:
    """A target, a board's name, or nothing: the default board."""
    if isinstance(given, Target):
        return given
    return target(given) if given else target()


def presets(board: Board) -> dict[str, ArchParams]:
    """Configurations by name; "single-clock" is the board's own, not double-pumped, "naive" a
    first design's (:mod:`accelgen.flow.first_try`)."""
    return {
        **PRESETS,
        "single-clock": single_clock(board.arch),
        first_try.NAME: first_try.first_array(board),
    }


def _configuration(board: Board, preset: str | None, config: Path | None) -> ArchParams:
    known = presets(board)
    if preset is not None and preset not in known:
        raise ConfigError(f"unknown preset {preset!r}; known: {', '.join(known)}")
    arch = known[preset] if preset else board.arch
    if config is None:
        return arch
    values = read_toml(config, "configuration", ConfigError)
    # Knobs that the file does not name keep the values of the preset or the board.
    knobs = arch.to_dict() | values
    typed(schema_of(ArchParams), knobs, f"configuration {config}", ConfigError)
    try:
        return ArchParams.from_dict(knobs)
    except ConfigError as error:
        raise ConfigError(f"configuration {config}: {error}") from error
