"""check: the last line says whether the compiler builds the model, for the hardware asked about."""

import json
from pathlib import Path

import pytest

from tests.helpers.cli import run
from tests.helpers.nets import make_net, node, weights

CASES = Path(__file__).parents[1] / "models" / "cases"


def large_depthwise(folder):
    """A file with a depthwise kernel of more taps than the default board's tap memory takes."""
    nodes = [node("Conv", "x w", "y", name="p", group=3, pads=[6] * 4)]
    path = folder / "large.onnx"
    path.write_bytes(make_net(nodes, {"w": weights(3, 1, 13, 13)}).SerializeToString())
    return str(path)


@pytest.mark.parametrize(
    ("name", "options", "status", "verdict"),
    [
        ("out_flatten", [], 0, "verdict: builds for ultra96v2; "),
        ("large_depthwise", [], 1, "verdict: does not build for ultra96v2: node 'p' has 169 taps"),
        ("large_depthwise", ["--config", "taps.toml"], 0, "verdict: builds for ultra96v2; "),
        ("gap512", ["--board", "kv260"], 1, "verdict: does not build for kv260: node 'GlobalAver"),
    ],
)
def test_verdict(name, options, status, verdict, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("taps.toml").write_text("tap_words = 512\n")
    model = str(CASES / f"{name}.onnx")
    if name == "large_depthwise":
        model = large_depthwise(tmp_path)

    result = run("check", model, *options)

    assert result.status == status
    assert result.out.splitlines()[-1].startswith(verdict)


def test_verdict_as_json(tmp_path):
    result = run("check", large_depthwise(tmp_path), "--json")

    answer = json.loads(result.out)

    assert answer["verdict"]["board"] == "ultra96v2"
    assert answer["verdict"]["builds"] is False
    assert "raise tap_words to 512" in answer["verdict"]["reason"]
    assert answer["nodes"][0]["verdict"] == "not supported"
