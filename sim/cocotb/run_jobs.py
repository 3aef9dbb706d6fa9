"""Run a list of jobs on one simulator: reset, load, start, wait, read back.

In: the JSON file named by ``ACCELGEN_JOBS``. Out: ``events.jsonl``, a line per piece of news
(progress, and a result for each job), so that whoever waits can show and keep what is done.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import cocotb
from cocotb.task import bridge, resume
from host import Bus, BusError, Host, remove

from accelgen.arch.ports import TRAFFIC
from accelgen.arch.registers import CAUSES, CONTROL, LOG_BASE, LOG_WORDS, MASTER_BIT, MASTERS
from accelgen.deploy.driver import DriverError, Registers
from accelgen.deploy.manifest import register_manifest

#: How often progress is reported and the step log saved before it wraps, in cycles.
LOOK_CYCLES = 20_000
#: How long an abort may take on this machine.
PATIENCE_SECONDS = 120
#: About what writing the control register takes: waves are asked for before, counted from after.
START_CYCLES = 8


@cocotb.test()
async def run_jobs(dut):
    """All jobs; a job that fails does not stop the next."""
    host = Host(dut)
    with open("events.jsonl", "w") as events:
        for number, job in enumerate(json.loads(Path(os.environ["ACCELGEN_JOBS"]).read_text())):
            result = await _Job(host, job, number, events).run()
            _say(events, result | {"event": "result", "job": number})
    remove("ddr_load.bin", "ddr_dump.bin", "registers.bin")


def _say(events, news: dict) -> None:
    events.write(json.dumps(news) + "\n")
    events.flush()


class _Job:
    """One program run."""

    def __init__(self, host: Host, job: dict, number: int, events):
        self.host = host
        self.job = job
        self.number = number
        self.events = events
        self.log: list[int] = []
        self.counters: dict[str, int] = {}
        self.cause = ("none", "none", 0)
        manifest = register_manifest() | {"config_crc": job["config_crc"], "config": ""}
        self.driver = Registers(Bus(host), manifest)

    async def run(self) -> dict:
        """Everything there is to know about the job afterwards."""
        remove("violations.txt")
        dut, began = self.host.dut, time.monotonic()
        violations_before = int(dut.host_violations.value)
        place = {"origin": self.job["base"], "window_bytes": self.job["image_bytes"]}
        if self.number == 0 or self.job["begin"] == "reset":
            await self.host.reset(self.job["settings"] | place)
        else:
            self.host.change(self.job["settings"] | place)
        beats_before = self._beats()
        error = ""
        try:
            await bridge(self._work)()
        except (DriverError, BusError) as e:
            error = str(e)
        for offset, size, file in self.job["dumps"]:
            Path(file).write_bytes(await self.host.dump(offset, size))
        violations = Path("violations.txt")
        return {
            "error": error,
            "counters": self.counters,
            "log": self.log,
            "cause": self.cause,
            "beats": {name: count - beats_before[name] for name, count in self._beats().items()},
            "violation_count": int(dut.host_violations.value) - violations_before,
            "violations": violations.read_text().splitlines() if violations.exists() else [],
            "wall_s": time.monotonic() - began,
        }

    def _beats(self) -> dict[str, int]:
        """Moved since the last reset, by port."""
        dut = self.host.dut
        names = (*TRAFFIC, "ps")
        return {name: int(getattr(dut, f"host_beats_{name}").value) for name in names}

    def _work(self) -> None:
        """What a program on the board does; in a thread of its own."""
        driver = self.driver
        driver.check()
        if self.job["begin"] == "load":
            driver.abort(PATIENCE_SECONDS)
        resume(self.host.load)(0, Path(self.job["image"]).read_bytes())
        driver.set_image(self.job["base"], self.job["image_bytes"])
        if self.job["waves"]:
            first, _ = self.job["waves"]
            resume(self.host.write_waves)(resume(self.host.now)() + START_CYCLES + first)
        for name in ("program_offset", "program_bytes"):
            driver.write(name, self.job[name])
        driver.write("control", 1 << CONTROL["start"] | 1 << CONTROL["irq_enable"])
        freeze_at = self.job["disturbance"]["freeze_at"]
        if freeze_at is not None:
            cycles = self.job["disturbance"]["freeze_cycles"]
            resume(self.host.freeze)(freeze_at, cycles)
        try:
            self._wait()
            self._look_back()
            driver.acknowledge()
        except DriverError:
            self._look_back()
            if not self.job["waves"]:  # those end here
                driver.abort(PATIENCE_SECONDS)
            raise

    def _look_back(self) -> None:
        """What the hardware still knows of the job."""
        self._save_log()
        self.counters = self.driver.counters()
        self._ask_why()

    def _ask_why(self) -> None:
        cause = self.driver.read("cause")
        names = {number: name for name, (number, _) in CAUSES.items()}
        masters = {number: name for name, number in MASTERS.items()}
        low = cause & ((1 << MASTER_BIT) - 1)
        self.cause = names[low], masters[cause >> MASTER_BIT], self.driver.read("error_address")

    def _wait(self) -> None:
        """Until the interrupt. Raises DriverError on an AXI error, or when time is up."""
        abort_at = self.job["disturbance"]["abort_at"]
        if abort_at is not None:
            if not resume(self.host.interrupt)(abort_at):
                raise DriverError(f"given up after {abort_at} cycles")
            if self.driver.done():
                return
        interrupt = resume(self.host.interrupt)
        # Nothing after a window of waves is of interest.
        limit = self.job["waves"][1] if self.job["waves"] else self.job["max_cycles"]
        waited = 0
        while not interrupt(look := min(LOOK_CYCLES, limit - waited)):
            waited += look
            self._save_log()
            _say(self.events, {
                "event": "progress", "job": self.number, "cycles": waited, "execs": len(self.log),
            })  # fmt: skip
            if waited >= limit:
                raise DriverError(
                    f"not done after {waited} cycles, {len(self.log)} EXECs completed"
                )
        if not self.driver.done():
            raise DriverError("the interrupt came, but the program is not done")

    def _save_log(self) -> None:
        """Append what is new in the step log, a ring that would overwrite it."""
        read_many = resume(self.host.read_many)
        execs = self.driver.read("execs")
        while len(self.log) < execs:
            first = len(self.log) % LOG_WORDS
            count = min(execs - len(self.log), LOG_WORDS - first)
            self.log += read_many(LOG_BASE + 4 * first, count)
