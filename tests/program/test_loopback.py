"""The program that only moves data does so on the simulated hardware."""

import numpy as np
import pytest

from accelgen.arch import PRESETS
from accelgen.program.loopback import MOST_BYTES, loopback
from accelgen.simulation.bench import Job, run_jobs
from accelgen.simulation.verilated import VerilatedSimulator


@pytest.mark.parametrize("image_bytes", [3 * 4096, 1 << 20])
def test_bytes_come_back_from_the_feature_memory(tmp_path, image_bytes):
    arch = PRESETS["small"]
    there = loopback(arch, image_bytes)
    assert there.size == min(MOST_BYTES, arch.feature_bytes, (image_bytes - 4096) // 2)
    assert there.target + there.size <= image_bytes
    image = bytearray(np.random.default_rng(5).bytes(image_bytes))
    image[: len(there.program)] = there.program
    job = Job(
        name="loopback", image=bytes(image), program_offset=0, program_bytes=len(there.program),
        image_bytes=image_bytes, config_crc=arch.crc, dumps=((there.target, there.size),),
        max_cycles=100_000,
    )  # fmt: skip

    (result,) = run_jobs(VerilatedSimulator(arch).build(), [job], tmp_path)

    assert (result.error, result.violations) == ("", ())
    assert result.dumps[0] == image[there.source : there.source + there.size]
    assert result.dumps[0] != image[there.target : there.target + there.size]
    assert result.counters["load_beats"] == result.counters["store_beats"] == there.size // 16
