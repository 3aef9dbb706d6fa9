"""check and the compiler are of one opinion: drawn graphs, every preset."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from accelgen.arch import PRESETS
from accelgen.errors import AccelgenError
from accelgen.flow.compiled import scheduled
from accelgen.flow.hardware import target
from accelgen.flow.network import load, quantized
from accelgen.flow.verdicts import check_model
from tests.helpers.arches import SCANT
from tests.helpers.random_onnx import Room, nets

#: Small weight, tap and ring memories: much of what is drawn does not fit.
ARCHES = {**PRESETS, "scant": SCANT}


def compiler(path, hardware):
    """What the compiler says of a file, with random calibration."""
    try:
        loaded = load(path)
        scheduled(loaded, quantized(loaded)[0], hardware)
    except AccelgenError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", ARCHES)
def test_drawn_graphs(name):
    hardware = target(arch=ARCHES[name])
    refused = []

    @seed(20261129)
    @settings(
        max_examples=25, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.data())
    def agree(data):
        net = data.draw(nets(Room()))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "net.onnx"
            path.write_bytes(net.model())
            report = check_model(path, arch=hardware.arch, memory=hardware.memory)
            said = compiler(path, hardware)
        assert (report.refusal == "") == (said == ""), f"{net}: {report.refusal!r}, {said!r}"
        flagged = any(r.verdict in ("not supported", "unknown") for r in report.nodes)
        assert flagged == (said != ""), f"{net}: {said!r}"
        refused.append(said != "")

    agree()
    if name == "scant":
        assert any(refused)
        assert not all(refused)
