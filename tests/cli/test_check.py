"""check: the last line says whether the compiler builds the model, for the hardware asked about."""

import json
from pathlib import Path

import pytest

from tests.helpers.cli import run

CASES = Path(__file__).parents[1] / "models" / "cases"


@pytest.mark.parametrize(
    ("name", "options", "status", "verdict"),
    [
        ("out_flatten", [], 0, "verdict: builds for ultra96v2; "),
        ("maxpool13_spp", [], 1, "verdict: does not build for ultra96v2: node 'MaxPool_y' has 169"),
        ("maxpool13_spp", ["--config", "taps.toml"], 0, "verdict: builds for ultra96v2; "),
        ("gap512", ["--board", "kv260"], 1, "verdict: does not build for kv260: node 'GlobalAver"),
    ],
)
def test_verdict(name, options, status, verdict, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("taps.toml").write_text("tap_words = 512\n")
    model = str(CASES / f"{name}.onnx")

    result = run("check", model, *options)

    assert result.status == status
    assert result.out.splitlines()[-1].startswith(verdict)


def test_verdict_as_json():
    result = run("check", str(CASES / "maxpool13_spp.onnx"), "--json")

    answer = json.loads(result.out)

    assert answer["verdict"]["board"] == "ultra96v2"
    assert answer["verdict"]["builds"] is False
    assert "raise tap_words to 512" in answer["verdict"]["reason"]
    assert answer["nodes"][0]["verdict"] == "not supported"
