"""Programs for the stand-in accelerator (standin.sv), and running them."""

import random
import struct
import tempfile
from functools import cache
from pathlib import Path

from accelgen.simulation.bench import DdrSettings, Job, build_bench, run_jobs

__all__ = ["BODY", "COPY", "READ_F", "READ_W", "WRITE_F", "command", "job", "run"]

READ_W, READ_F, WRITE_F, COPY = 1, 2, 4, 8
CRC = 0x57A2D12
SOURCE = 4096
#: What lies at offset SOURCE of every job's memory.
BODY = random.Random(1).randbytes(1 << 18)


def command(what: int, bursts: int, *, beats: int = 16, source: int = SOURCE, to: int = 1 << 20):
    """One command: ``bursts`` bursts of ``beats`` on each port of ``what``, all at once."""
    return struct.pack("<IIII", what | beats << 8 | bursts << 16, source, to, 0)


def job(
    *commands: bytes,
    name="traffic",
    dumps=(),
    base=0x4_0000_0000,
    image_bytes=0xFFFFF000,
    **settings,
) -> Job:
    """A job that runs ``commands``; ``settings`` are DdrSettings' (no refresh by default)."""
    program = b"".join(commands) + bytes(16)
    return Job(
        name=name,
        image=program.ljust(SOURCE, b"\0") + BODY,
        program_offset=0,
        program_bytes=SOURCE,
        config_crc=CRC,
        image_bytes=image_bytes,
        base=base,
        dumps=tuple(dumps),
        max_cycles=400_000,
        settings=DdrSettings(**{"refresh_interval": 0, **settings}),
    )


@cache
def _executable() -> Path:
    verilog = (Path(__file__).parent / "standin.sv").read_text()
    with tempfile.TemporaryDirectory() as where:
        return build_bench(verilog, Path(where), speed=False)


def run(where: Path, *jobs: Job, fault: int = 0, on_event=None):
    """Results of ``jobs``, one simulator process."""
    return run_jobs(_executable(), jobs, where, arguments=[f"+fault={fault}"], on_event=on_event)
