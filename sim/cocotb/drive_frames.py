"""``drive_frames.py INPUTS OUTPUTS``: frames through the driver, as a user writes it.

INPUTS is an ``.npy`` file, or of several inputs an ``.npz`` with an array of each, in the
manifest order.
"""

import json
import sys
from pathlib import Path

import numpy as np
from driver import open_package

inputs, outputs = sys.argv[1:]
results = {}
given = np.load(inputs)
if not isinstance(given, np.ndarray):
    arrays = [given[f"arr_{i}"] for i in range(len(given.files))]
    names = [place["tensor"] for place in json.loads(Path("manifest.json").read_text())["inputs"]]
    given = [dict(zip(names, frame)) for frame in zip(*arrays)]  # noqa: B905
with open_package(".") as accelerator:
    for i, frame in enumerate(accelerator.run_many(given)):
        results.update({f"{i}:{name}": value for name, value in frame.items()})
        print(f"frame {i}: {', '.join(frame)}")
np.savez(outputs, **results)
