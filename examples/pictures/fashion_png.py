"""Folders of PNG to try accelgen with: Fashion-MNIST, from beside a trained network.

python examples/pictures/fashion_png.py DIR [COUNT]

DIR/train gets the 200 training pictures, DIR/val the 500 test pictures (or COUNT of each),
DIR/labels.csv a line ``name,label`` for each test picture.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

DATA = Path(__file__).parents[2] / "tests" / "models" / "trained_fmnist_dscnn_test.npz"


def main(where: Path, count: int) -> None:
    """Write the folders."""
    arrays = np.load(DATA)
    for folder, name in (("train", "calib_uint8"), ("val", "x_uint8")):
        (where / folder).mkdir(parents=True, exist_ok=True)
        for i, pixels in enumerate(arrays[name][:count, 0]):
            Image.fromarray(pixels).save(where / folder / f"{i:03}.png")
    lines = [f"{i:03}.png,{label}" for i, label in enumerate(arrays["y"][:count])]
    (where / "labels.csv").write_text("\n".join(["name,label", *lines, ""]))
    print(f"{where}: train, val, labels.csv")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 500)
