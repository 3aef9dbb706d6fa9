"""``weight_fault.py OFFSET``: a self-test on a memory that loses a bit before the frame."""

import sys
from pathlib import Path

from driver import open_package
from selftest import Selftest

offset = int(sys.argv[1])
with open_package(".") as accelerator:
    test = Selftest(accelerator, Path.cwd())
    whole = accelerator.run

    def run(x):
        memory = accelerator.memory
        memory.array[offset] ^= 0x40
        memory.flush(offset // 16 * 16, 16)
        return whole(x)

    accelerator.run = run
    sys.exit(0 if test.run() else 1)
