"""What is on these pictures? ``python3 example.py PICTURE ...``, in the package's directory.

A picture is a PNG or JPEG file, or a ``.npy`` file with what the ONNX model takes (float32,
normalized). Of a network with several inputs it is an ``.npz`` file with such an array for each.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["classify", "load_input", "main", "top_classes"]


def load_input(accelerator: Any, path: Any) -> Any:
    """A file as the network's input: int8 of a picture, or the floats of a ``.npy`` file; of
    several inputs those of an ``.npz`` file.

    Raises ValueError when the package was built without a word on pictures, or has several inputs
    and this is no ``.npz``.
    """
    if several := accelerator.manifest.get("inputs"):
        if Path(path).suffix != ".npz":
            names = ", ".join(repr(place["tensor"]) for place in several)
            raise ValueError(f"this network has several inputs: give an .npz with arrays {names}")
        with np.load(path) as arrays:
            return {name: arrays[name] for name in arrays.files}
    if Path(path).suffix == ".npy":
        return np.load(path)
    from picture import Preprocess, quantized, read_picture

    block, place = accelerator.manifest["preprocess"], accelerator.manifest["input"]
    if block is None:
        raise ValueError(
            "this package was built without --mean and --std: how a picture becomes its input is "
            "not known; give a .npy file, or build with --program-only and these options"
        )
    how = Preprocess.from_dict(block)
    return quantized(read_picture(path, how.order), how, place["scale"], place["zero_point"])


def classify(accelerator: Any, path: Any, top: int = 5) -> list[tuple[str, float]]:
    """The ``top`` classes of a picture file: label (or number) and the network's output."""
    return top_classes(accelerator, accelerator.run(load_input(accelerator, path)), top)


def top_classes(accelerator: Any, outputs: Any, top: int = 5) -> list[tuple[str, float]]:
    """The ``top`` largest of a frame's outputs: label (or number) and value. Of a network that ends
    in ArgMax the one class that it gives, and its number.

    Raises ValueError when the network has no single vector of classes.
    """
    values = [np.ravel(v) for v in outputs.values() if np.size(v) == max(np.shape(v), default=1)]
    chosen = bool(values) and values[0].dtype == np.int64
    if len(outputs) != 1 or not values or (chosen and values[0].size > 1):
        shapes = ", ".join(f"{name} {np.shape(v)}" for name, v in outputs.items())
        raise ValueError(f"this network does not classify: its outputs are {shapes}")
    if chosen:
        return [(str(values[0][0]), float(values[0][0]))]
    labels = accelerator.manifest["labels"] or [str(i) for i in range(values[0].size)]
    order = np.argsort(-values[0], kind="stable")[:top]
    return [(labels[i], float(values[0][i])) for i in order]


def main(paths: list[str]) -> int:
    """The command line."""
    from driver import open_package

    if not paths:
        print(__doc__)
        return 2
    with open_package(Path(__file__).resolve().parent) as accelerator:
        inputs = (load_input(accelerator, path) for path in paths)
        for path, outputs in zip(paths, accelerator.run_many(inputs)):  # noqa: B905
            print(path)
            for label, value in top_classes(accelerator, outputs):
                print(f"  {value:9.4f}  {label}")
        print(f"{accelerator.counters()['cycles']:,} cycles per frame")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
