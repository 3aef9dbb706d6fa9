"""Run a script in a package's directory, the simulated accelerator in the place of a board's.

In: the JSON file named by ``ACCELGEN_SCRIPT``. Out: what the script prints, line by line in
``output.txt``, and ``script.json``: its exit status, and what the bench has seen.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import runpy
import sys
import traceback
from pathlib import Path

import cocotb
from cocotb.task import bridge
from host import Host, remove
from pynq_on_bench import make_pynq


@cocotb.test()
async def run_driver(dut):
    """The script, to its end."""
    host = Host(dut)
    job = json.loads(Path(os.environ["ACCELGEN_SCRIPT"]).read_text())
    remove("violations.txt")
    # The first buffer that the driver allocates is the image.
    window = json.loads(Path("manifest.json").read_text())["image_bytes"]
    await host.reset(job["settings"] | {"origin": job["base"], "window_bytes": window})
    sys.modules["pynq"] = make_pynq(host, job["base"], job["ddr_bytes"])
    status = await bridge(_run)(job)
    violations = Path("violations.txt")
    Path("script.json").write_text(
        json.dumps({
            "status": status,
            "cycles": await host.now(),
            "violation_count": int(dut.host_violations.value),
            "violations": violations.read_text().splitlines() if violations.exists() else [],
        })
    )
    remove("ddr_load.bin", "ddr_dump.bin", "registers.bin")


def _run(job: dict) -> int:
    """Exit status of the script; in a thread of its own, which has an event loop as the main one
    has on a board."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    script = Path(job["script"])
    sys.argv = [str(script), *job["arguments"]]
    sys.path[:0] = [str(Path.cwd()), str(script.parent)]
    with (
        Path("output.txt").open("w", buffering=1) as out,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(out),
    ):
        try:
            runpy.run_path(str(script), run_name="__main__")
        except SystemExit as end:
            if isinstance(end.code, str):
                print(end.code)
            return end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            traceback.print_exc()
            return 1
        finally:
            loop.close()
    return 0
