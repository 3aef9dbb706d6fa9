"""classify.ipynb: a picture's classes on the board, in a browser."""

from __future__ import annotations

from typing import Any

from accelgen.deploy.escape import md

__all__ = ["notebook"]

_OPEN = """\
from driver import open_package
from example import classify
from selftest import Selftest, table

accelerator = open_package(".")  # loads accelgen.bit and the program"""

_FILE = """\
path = "{file}"  # PNG or JPEG, any size that the package's preprocess block makes fit"""

_ARRAYS = """\
path = "inputs.npz"  # an array of floats for each of the network's inputs, by name"""

_SHOW = """\
from PIL import Image

Image.open(path)"""

_CLASSIFY = """\
for label, value in classify(accelerator, path, top=5):
    print(f"{value:9.4f}  {label}")"""

_COUNTERS = """\
for line in table(Selftest(accelerator).layers()):
    print(line)"""

_SELFTEST = """\
Selftest(accelerator).run();"""

_CLOSE = """\
accelerator.close()"""


def notebook(model: str, *, sample: bool, several: bool = False) -> dict[str, Any]:
    """The notebook as JSON (nbformat 4.5). ``sample``: the package holds sample.png; ``several``:
    the network has several inputs.

    Nothing of a model enters a cell of code; its name is plain text in a heading.
    """
    parts = [
        ("markdown", f"# {md(model)}"),
        (
            "markdown",
            "Open the accelerator. This runs in the package's directory, as root.",
        ),
        ("code", _OPEN),
        *(_OF_ARRAYS if several else _of_a_picture(sample)),
        ("code", _CLASSIFY),
        ("markdown", "Cycles of the last frame by layer: estimated, simulated, on this board."),
        ("code", _COUNTERS),
        ("markdown", "Is everything right? Registers, memory, and a frame with known results."),
        ("code", _SELFTEST),
        ("code", _CLOSE),
    ]
    return {
        "cells": [_cell(i, kind, text) for i, (kind, text) in enumerate(parts)],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


_OF_ARRAYS = (("markdown", "Inputs, and what the network takes them for."), ("code", _ARRAYS))


def _of_a_picture(sample: bool) -> tuple[tuple[str, str], ...]:
    file = _FILE.replace("{file}", "sample.png" if sample else "picture.png")
    title = ("markdown", "A picture, and what the network takes it for.")
    return title, ("code", file), ("code", _SHOW)


def _cell(number: int, kind: str, text: str) -> dict[str, Any]:
    cell: dict[str, Any] = {
        "cell_type": kind,
        "id": f"cell-{number}",
        "metadata": {},
        "source": text.splitlines(keepends=True),
    }
    if kind == "code":
        cell |= {"execution_count": None, "outputs": []}
    return cell
