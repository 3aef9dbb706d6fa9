"""``drive_frames.py INPUTS OUTPUTS``: frames through the driver, as a user writes it."""

import sys

import numpy as np
from driver import open_package

inputs, outputs = sys.argv[1:]
results = {}
with open_package(".") as accelerator:
    for i, frame in enumerate(accelerator.run_many(np.load(inputs))):
        results.update({f"{i}:{name}": value for name, value in frame.items()})
        print(f"frame {i}: {', '.join(frame)}")
np.savez(outputs, **results)
