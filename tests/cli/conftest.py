"""What the commands compile is compiled once: most tests here ask about the same few networks."""

from dataclasses import asdict
from pathlib import Path

import pytest

from accelgen.flow import compiler
from accelgen.flow.hardware import as_target

MODELS = Path(__file__).parents[1] / "models"

_KEPT = {}


def kept(key, make):
    """What ``make`` made for ``key`` before, or makes now."""
    if repr(key) not in _KEPT:
        _KEPT[repr(key)] = make()
    return _KEPT[repr(key)]


@pytest.fixture(autouse=True)
def compiled_once(monkeypatch):
    """Networks that lie still (the zoo's, files in tests/models), by everything asked of them;
    calibrated once, whatever the hardware."""
    compile, quantized = compiler.compile, compiler.quantized
    models = []

    def compile_once(model, hardware=None, *, calib=None, **options):
        where = getattr(calib, "where", calib)
        still = str(model).startswith("zoo:") or Path(model).parent == MODELS
        if not still or (where is not None and Path(where).parent != MODELS):
            return compile(model, hardware, calib=calib, **options)
        hardware = as_target(hardware)
        key = (str(model), asdict(hardware), calib, sorted(options.items()))
        models.append(str(model))
        try:
            return kept(key, lambda: compile(model, hardware, calib=calib, **options))
        finally:
            models.pop()

    def quantized_once(loaded, **options):
        if not models:
            return quantized(loaded, **options)
        key = (models[-1], sorted(options.items()))
        return kept(key, lambda: quantized(loaded, **options))

    monkeypatch.setattr(compiler, "compile", compile_once)
    monkeypatch.setattr(compiler, "quantized", quantized_once)
