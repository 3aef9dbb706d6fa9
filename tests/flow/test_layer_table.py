"""Layers as rows: against the literature, and by hand."""

import csv
from math import prod

import pytest

from accelgen import compile, estimate, layer_table, target
from tests.helpers.cli import run
from tests.helpers.nets import make_net, node, weights


def small(nodes, constants, folder, shape):
    path = folder / "model.onnx"
    path.write_bytes(make_net(nodes, constants, shape=shape).SerializeToString())
    return compile(path, target(preset="small"), cycles_only=True, fc_on="pl", logits="int8")


def test_mobilenet_v2_is_the_published_network():
    compiled = compile("zoo:mobilenet_v2", target(), cycles_only=True)
    rows = layer_table(compiled)

    # torchvision's 3,504,872, with a bias for the two numbers of a batch normalization.
    normalized = sum(r["channels"] for r in rows if r["engine"] in ("array", "window"))
    assert sum(r["parameters"] for r in rows) == 3_504_872 - normalized
    assert sum(r["macs"] for r in rows) == pytest.approx(300.8e6, rel=1e-3)
    numbers = estimate(compiled)
    assert sum(r["cycles"] or 0 for r in rows) == sum(x.cycles or 0 for x in numbers.layers)
    assert sum(r["share"] or 0 for r in rows) == pytest.approx(1, abs=1e-2)
    assert sum(r["ms"] or 0 for r in rows) == pytest.approx(numbers.cycles / 300e3, rel=1e-2)
    assert rows[-1]["receptive_field"] == "224x224"


def test_the_receptive_field_is_the_published_one():
    """MobileNetV1: 315 (Araujo et al., Distill 2019, table of architectures)."""
    rows = layer_table(compile("zoo:mobilenet_v1@352", target(), cycles_only=True))

    before_the_average = next(r for r in reversed(rows) if r["height"] > 1)
    assert before_the_average["receptive_field"] == "315x315"


def test_every_number_of_a_small_net(tmp_path):
    nodes = [
        node("Conv", "x w", "a", "first", strides=[2, 1], pads=[1, 1, 1, 1]),
        node("Conv", "a d", "b", "wide", group=8, dilations=[1, 2], pads=[1, 2, 1, 2]),
        node("Resize", "b _ s", "c", "up", mode="nearest"),
        node("Conv", "c p", "y", "last"),
    ]
    constants = {"w": weights(8, 4, 3, 3), "d": weights(8, 1, 3, 3), "p": weights(5, 8, 3, 3)}
    scales = {"s": weights(4) * 0 + [1, 1, 2, 2]}
    scales["s"] = scales["s"].astype("float32")
    compiled = small(nodes, constants | scales, tmp_path, (1, 4, 16, 16))

    rows = {r["layer"]: r for r in layer_table(compiled)}

    first, wide, last = rows["first"], rows["wide"], rows["last"]
    assert (first["height"], first["width"], first["channels"]) == (8, 16, 8)
    assert first["receptive_field"] == "3x3"
    assert first["macs"] == 8 * 16 * 8 * 36
    assert first["parameters"] == 8 * 36 + 8
    assert first["memory_access"] == 16 * 16 * 4 + 8 * 16 * 8 + 8 * 36 + 8
    assert first["intensity"] == pytest.approx(first["macs"] / first["memory_access"], abs=1e-3)
    # Rows: 3 + 2 taps of 2 rows; columns: 3 + 2 taps of 2 columns.
    assert wide["receptive_field"] == "7x7"
    assert wide["parameters"] == 8 * 9 + 8
    # Enlarged by two: a tap is a row of one pixel of the input, a half of one of its columns.
    assert last["receptive_field"] == "9x8"


def test_the_file_is_the_table(tmp_path):
    out = tmp_path / "layers.csv"
    ended = run("estimate", "zoo:mobilenet_v2@64", "--csv", out)
    rows = layer_table(compile("zoo:mobilenet_v2@64", target(), cycles_only=True))

    with out.open(newline="") as file:
        read = list(csv.DictReader(file))

    assert ended.status == 0
    assert [r["layer"] for r in read] == [r["layer"] for r in rows]
    for got, row in zip(read, rows, strict=True):
        assert got == {k: "" if v is None else str(v) for k, v in row.items()}
        assert prod((row["height"], row["width"], row["channels"])) > 0


def test_a_name_is_no_formula(tmp_path):
    net = node("Conv", "x w", "y", "=HYPERLINK(x)")
    path, out = tmp_path / "model.onnx", tmp_path / "layers.csv"
    path.write_bytes(make_net(net, {"w": weights(8, 3, 3, 3)}).SerializeToString())

    assert run("estimate", path, "--preset", "small", "--csv", out).status == 0

    cells = [cell for row in csv.reader(out.read_text().splitlines()) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
