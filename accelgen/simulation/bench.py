"""The bench of a whole accelerator (sim/tb, sim/cocotb): build it, run jobs on it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from accelgen.arch import ArchParams
from accelgen.arch.ports import TRAFFIC
from accelgen.arch.registers import TOP
from accelgen.cost import Memory
from accelgen.errors import ConfigError, ToolError
from accelgen.rtl.design import vendor_cells
from accelgen.simulation.launch import run_cocotb
from accelgen.simulation.toolchain import has_fst, sim_directory
from accelgen.simulation.verilator import BuildFlags, build

__all__ = ["DDR_BYTES", "DdrSettings", "Disturbance", "Job", "JobResult", "build_bench", "run_jobs"]

#: Memory of the bench: one model's image must fit.
DDR_BYTES = 256 << 20
FRACTION = 1 << 16


@dataclass(frozen=True, kw_only=True)
class DdrSettings(Memory):
    """The DDR model: the memory that plan and estimate go by, and a run's disturbances. All may
    differ from job to job.

    Parameters
    ----------
    bytes_per_cycle : float
        Bandwidth for all ports and the competing stream together, average over refreshes. Default:
        92.5 % (measured on the Ultra96) of LPDDR4-1066 x32's 4.264 GB/s, at 300 MHz.
    latency_cycles : int
        At least 3.
    port_bytes : float
        The bench's channels are as wide as the design's: one that is narrower pauses as often.
    refresh_interval, refresh_cycles : int
        Every so many cycles the memory does nothing for so many. 3.9 us and 100 ns at 300 MHz.
    competing_bytes_per_cycle : float
        Traffic of the processing system, which takes its turn like a port.
    seed : int
        Of the stalls.
    error_low, error_high : int
        Addresses whose beats answer with an error: from low to below high.
    error_ports : str
        Which of w (program and weights), fr (LOAD) and fw (STORE) do, by their names.
    error_decode : bool
        With DECERR, else SLVERR.
    """

    bytes_per_cycle: float = 0.925 * 4264 / 300
    refresh_interval: int = 1170
    refresh_cycles: int = 30
    competing_bytes_per_cycle: float = 0.0
    seed: int = 1
    error_low: int = 0
    error_high: int = 0
    error_ports: tuple[str, ...] = TRAFFIC
    error_decode: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.bytes_per_cycle <= 64:
            raise ConfigError(f"DDR bytes per cycle must be 0 to 64, not {self.bytes_per_cycle}")
        if not 0 <= self.competing_bytes_per_cycle <= 64:
            raise ConfigError(
                f"competing bytes per cycle must be 0 to 64, not {self.competing_bytes_per_cycle}"
            )
        if not 3 <= self.latency_cycles < 1 << 20:
            raise ConfigError(f"DDR latency must be at least 3 cycles, not {self.latency_cycles}")
        if not 0 <= self.stalls < 1:
            raise ConfigError(f"stalls must be a probability from 0 to below 1, not {self.stalls}")
        if self.refresh_interval and not 0 <= self.refresh_cycles < self.refresh_interval:
            raise ConfigError("a refresh must be shorter than the time between two")

    def inputs(self) -> dict[str, int]:
        """Values of the bench's ``host_*`` settings."""
        working = 1.0
        if self.refresh_interval:
            working -= self.refresh_cycles / self.refresh_interval
        return {
            "rate": round(self.bytes_per_cycle / working * FRACTION),
            "duplex": int(self.duplex),
            "latency": self.latency_cycles,
            "write_latency": self.write_latency_cycles,
            "refresh_every": self.refresh_interval,
            "refresh_cycles": self.refresh_cycles if self.refresh_interval else 0,
            "competing_rate": round(self.competing_bytes_per_cycle * FRACTION),
            "stall": round((1 - self.port_rate / ArchParams.BUS_BYTES) * FRACTION),
            "seed": self.seed & 0xFFFFFFFF,
            "error_low": self.error_low,
            "error_high": self.error_high,
            "error_ports": sum(1 << TRAFFIC.index(port) for port in self.error_ports),
            "error_decode": int(self.error_decode),
        }


@dataclass(frozen=True, kw_only=True)
class Disturbance:
    """What befalls a job, in cycles from its start.

    ``abort_at``: the host gives up and recovers the accelerator. ``freeze_at``: from then on the
    memory does nothing for ``freeze_cycles``.
    """

    abort_at: int | None = None
    freeze_at: int | None = None
    freeze_cycles: int = 100_000


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run of one program.

    ``image`` are the first bytes of DDR (program, weights, input, and whatever the tensors'
    places shall hold before); ``base`` its address, ``image_bytes`` what the accelerator may access
    from there on, ``dumps`` the (offset, size) read back. ``begin`` is
    what comes before: a ``reset`` of all; an abort, as in the driver's ``load``; or nothing
    (``go on``), and the accelerator is as the job before has left it: done, or aborted. The
    first of a process is reset in any case.
    ``waves`` is a window of cycles after the start to write to a wave file; the job, which must be
    the last of its process, ends with it.
    """

    name: str
    image: bytes
    program_offset: int
    program_bytes: int
    config_crc: int
    base: int = 0x1000_0000
    image_bytes: int = DDR_BYTES
    dumps: tuple[tuple[int, int], ...] = ()
    max_cycles: int = 100_000_000
    settings: DdrSettings = field(default_factory=DdrSettings)
    begin: str = "reset"
    disturbance: Disturbance = field(default_factory=Disturbance)
    waves: tuple[int, int] | None = None


@dataclass(frozen=True, kw_only=True)
class JobResult:
    """What a job did.

    ``error`` is empty, or why it did not finish; ``violations`` are breaches of AXI's rules (the
    first 20 of ``violation_count``). ``cause`` is what the hardware said of an error: its name, the
    master's, and the address. ``log[i]`` is the cycle, from the start, in which EXEC i completed.
    ``beats`` by port: w, fr (read), fw (written), ps (competing).
    """

    name: str
    error: str
    cause: tuple[str, str, int]
    counters: Mapping[str, int]
    log: tuple[int, ...]
    dumps: tuple[bytes, ...]
    beats: Mapping[str, int]
    violations: tuple[str, ...]
    violation_count: int
    wall_s: float

    @property
    def cycles(self) -> int:
        """Fabric cycles from start to done."""
        return self.counters.get("cycles", 0)


def build_bench(
    verilog: str,
    where: Path,
    *,
    trace: bool = False,
    speed: bool = True,
    ddr_bytes: int = DDR_BYTES,
) -> Path:
    """Executable of the bench around module ``accelgen_top`` in ``verilog``. Cached.

    Cells of the vendor's library that it names come from their twins in ``sim/tb``. ``where``
    takes the Verilog file. ``speed``: see :class:`~.verilator.BuildFlags`.
    """
    sim = sim_directory()
    dut = where / f"{TOP}.v"
    dut.write_text(verilog)
    names = (
        "random", "violations", "axi_checks", "axi_read_port", "axi_write_port", "axil_master",
        "ddr", "tb",
    )  # fmt: skip
    sources = [sim / "tb" / f"{name}.sv" for name in names]
    twins = [sim / "tb" / f"{cell.lower()}.v" for cell in vendor_cells(verilog)]
    waves = [f'-DWAVES="{wave_file()}"'] if trace else []
    flags = BuildFlags(speed=speed, timing=True, trace=trace, verilator=tuple(waves))
    return build(
        [*sources[:-1], *twins, dut, sources[-1], sim / "verilator" / "public.vlt"],
        "tb",
        flags=flags,
        parameters={"DDR_BYTES": ddr_bytes},
    )


def wave_file() -> str:
    """Name of the file that waves are written to."""
    return "waves.fst" if has_fst() else "waves.vcd"


def run_jobs(
    executable: Path,
    jobs: Sequence[Job],
    where: Path,
    *,
    arguments: Sequence[str] = (),
    on_event: Callable[[dict[str, Any]], None] | None = None,
) -> list[JobResult]:
    """Run ``jobs`` one after another in one simulator process, in directory ``where``.

    ``on_event`` sees each line of news as it comes: ``{"event": "progress", "job", "cycles",
    "execs"}`` and ``{"event": "result", "job", ...}``.

    Raises
    ------
    ToolError
        The simulator died.
    """
    descriptions = []
    for number, job in enumerate(jobs):
        if len(job.image) > DDR_BYTES:
            raise ConfigError(
                f"{job.name} takes {len(job.image):,} bytes of DDR; the bench has {DDR_BYTES:,}"
            )
        image = where / f"image{number}.bin"
        image.write_bytes(job.image)
        descriptions.append({
            "config_crc": job.config_crc, "base": job.base,
            "program_offset": job.program_offset, "program_bytes": job.program_bytes,
            "image_bytes": job.image_bytes, "image": str(image.resolve()),
            "max_cycles": job.max_cycles, "settings": job.settings.inputs(), "waves": job.waves,
            "begin": job.begin, "disturbance": asdict(job.disturbance),
            "dumps": [
                (offset, size, f"dump{number}_{i}.bin")
                for i, (offset, size) in enumerate(job.dumps)
            ],
        })  # fmt: skip
    file = where / "jobs.json"
    file.write_text(json.dumps(descriptions))
    news = _News(where / "events.jsonl", on_event)
    failed = run_cocotb(
        executable,
        "run_jobs",
        where,
        # A breach of AXI's rules is counted and reported with its job; the run goes on.
        arguments=["+verilator+error+limit+1000000000", *arguments],
        environment={"ACCELGEN_JOBS": str(file.resolve())},
        python_path=[sim_directory() / "cocotb"],
        on_tick=news.look,
    )
    if len(news.results) != len(jobs):
        raise ToolError(f"the simulator failed: {failed[0]}; its output is {where / 'sim.log'}")
    return [_result(job, number, news.results[number], where) for number, job in enumerate(jobs)]


class _News:
    """Reads the lines the simulator appends to its file of events."""

    def __init__(self, file: Path, on_event: Callable[[dict[str, Any]], None] | None):
        self.file = file
        self.on_event = on_event
        self.results: dict[int, dict[str, Any]] = {}
        self._at = 0
        file.unlink(missing_ok=True)

    def look(self) -> None:
        if not self.file.exists():
            return
        with self.file.open() as lines:
            lines.seek(self._at)
            while (line := lines.readline()).endswith("\n"):
                self._at = lines.tell()
                event = json.loads(line)
                if event["event"] == "result":
                    self.results[event["job"]] = event
                if self.on_event:
                    self.on_event(event)


def _result(job: Job, number: int, event: dict[str, Any], where: Path) -> JobResult:
    dumps = []
    for i in range(len(job.dumps)):
        file = where / f"dump{number}_{i}.bin"
        dumps.append(file.read_bytes())
        file.unlink()
    (where / f"image{number}.bin").unlink()
    return JobResult(
        name=job.name,
        error=event["error"],
        cause=tuple(event["cause"]),
        counters=event["counters"],
        log=tuple(event["log"]),
        dumps=tuple(dumps),
        beats=event["beats"],
        violations=tuple(event["violations"]),
        violation_count=event["violation_count"],
        wall_s=event["wall_s"],
    )
