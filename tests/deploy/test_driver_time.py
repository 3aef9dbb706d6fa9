"""The driver's own time per frame: little beside the PL's, on this machine, whatever else runs."""

from pathlib import Path

import pytest

import accelgen
from accelgen.bench.driver_time import driver_time
from accelgen.flow import packages

MODELS = Path(__file__).parents[1] / "models"

#: A tenth is the aim, and what an idle machine shows; tests run beside each other on busy ones.
SHARE = 0.2


@pytest.mark.slow
def test_mobilenet_waits_for_the_pl_and_not_for_the_driver(tmp_path):
    hardware = accelgen.target("ultra96v2")
    compiled = accelgen.compile("zoo:mobilenet_v2", hardware, fc_on="ps")
    packages.build(compiled, tmp_path / "package", program_only=True)
    pl_us = 1e6 * accelgen.estimate(compiled).ps.pl_seconds

    times = [driver_time(tmp_path / "package", pl_us) for _ in range(3)]

    assert min(t.share for t in times) < SHARE
    assert all(t.input_us > 0 and t.kernels_us > 0 for t in times)


def test_the_parts_add_up(tmp_path):
    hardware = accelgen.target(preset="small")
    compiled = accelgen.compile(
        MODELS / "trained_digits_tiny.onnx", hardware, fc_on="pl",
        calib=MODELS / "trained_digits_tiny_test.npz",
    )  # fmt: skip
    packages.build(compiled, tmp_path / "package", program_only=True)

    found = driver_time(tmp_path / "package", 1000.0, rounds=20)

    assert found.own_us == found.python_us + found.input_us + found.output_us > 0
    assert found.share == pytest.approx(found.own_us / 1000)
    assert found.kernels_us == 0
