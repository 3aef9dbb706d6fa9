"""The one table of activations, and who follows it."""

from pathlib import Path

import numpy as np
import pytest

from accelgen.frontend.registry import IMPORTERS
from accelgen.ir.activations import ACTIVATIONS, BY_ONNX, KINDS, activate

README = Path(__file__).parents[2] / "README.md"


def test_names_are_told_once():
    assert len(KINDS) == len(ACTIVATIONS)
    assert len(BY_ONNX) == sum(bool(kind.onnx) for kind in ACTIVATIONS)


@pytest.mark.parametrize("onnx", sorted(BY_ONNX))
def test_every_operator_is_imported_with_its_attributes(onnx):
    names = {name for name, _ in BY_ONNX[onnx].attributes}

    assert IMPORTERS[onnx].attributes == names


@pytest.mark.parametrize("onnx", sorted(BY_ONNX))
def test_every_operator_is_in_the_readme(onnx):
    rows = [line for line in README.read_text().splitlines() if "table of 256" in line]

    assert onnx in "|".join(rows).replace("|", ",").replace(" ", "").split(",")


@pytest.mark.parametrize("kind", [kind for kind in ACTIVATIONS if kind.never_negative])
def test_what_is_never_negative_is_not(kind):
    x = np.random.default_rng(1).normal(0, 9, 1000)

    assert activate(kind.name, tuple(v for _, v in kind.attributes), x).min() >= 0
