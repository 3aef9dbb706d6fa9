"""A share of the fuzzer's cases, and that it finds, shrinks, saves and repeats what is broken."""

import json

import onnx
import pytest

from accelgen.frontend.registry import IMPORTERS
from accelgen.ir.activations import ACTIVATIONS, COMPARISONS
from tests.fuzz.__main__ import main, read_state, run
from tests.fuzz.broken import BREAKS
from tests.fuzz.cases import draw, draw_case
from tests.fuzz.choices import Choices, shrink
from tests.fuzz.judge import judge
from tests.fuzz.workers import Limits

COUNT, SEED = 250, 20261129


def test_a_share(tmp_path):
    """`make fuzz ARGS="--count 30000"` is the same with more."""
    assert run(SEED, COUNT, tmp_path) == 0

    lines = read_state(tmp_path / f"seed-{SEED}.jsonl")
    assert sorted(lines) == list(range(COUNT))
    verdicts = [line["verdict"] for line in lines.values()]
    assert verdicts.count("equal") > COUNT / 4
    assert verdicts.count("refused") > COUNT / 4
    assert verdicts.count("not compared") < COUNT / 20
    assert {line["kind"] for line in lines.values()} == {"drawn", "fields", "bytes", "npz", "toml"}


#: How much of seed 1 shows a fault; a worker that ends takes seconds to replace.
COUNTS = {"hang": 17, "died": 17, "memory": 17}


@pytest.mark.slow
@pytest.mark.parametrize("kind", BREAKS)
def test_what_is_broken_is_found_and_shrunk(kind, tmp_path, capfd):
    limits = Limits(seconds=1, wall=30) if kind == "hang" else Limits()

    assert run(1, COUNTS.get(kind, 60), tmp_path, limits=limits, prepare=BREAKS[kind]) == 1

    failed = [d for d in read_state(tmp_path / "seed-1.jsonl").values() if d["failed"]]
    assert {line["verdict"] for line in failed} == {kind}
    assert kind in capfd.readouterr().err
    notes = list((tmp_path / "failures").glob("*.txt"))
    assert all(note.read_text().startswith(f"kind: {kind}") for note in notes)
    models = {note.with_suffix(".onnx"): onnx.load(note.with_suffix(".onnx")) for note in notes}
    # A block, as of a squeeze-and-excite or a selective kernel (17 nodes), stays whole.
    smallest = min(sum(n.op_type != "Constant" for n in m.graph.node) for m in models.values())
    assert smallest <= 20
    # In this process nothing is broken.
    assert main(list(map(str, models))) == 0


def test_an_interrupted_run_goes_on(tmp_path):
    assert run(3, 6, tmp_path) == 0
    state = tmp_path / "seed-3.jsonl"
    lines = state.read_text().splitlines(keepends=True)
    marked = {**json.loads(lines[0]), "said": "kept"}
    state.write_text(json.dumps(marked) + "\n" + lines[1] + lines[2][:20])

    assert main(["--count", "8", "--seed", "3", "--jobs", "1", "--folder", str(tmp_path)]) == 0

    done = read_state(state)
    assert sorted(done) == list(range(8))
    assert done[marked["k"]]["said"] == "kept"


def test_failures_are_run_again(tmp_path):
    state = tmp_path / "seed-3.jsonl"
    state.write_text(
        json.dumps({
            "k": 0, "kind": "drawn", "verdict": "hang", "failed": True, "where": "", "said": "",
            "seconds": 1,
        })
        + "\n"
    )  # fmt: skip
    given = ["--count", "1", "--seed", "3", "--jobs", "1", "--folder", str(tmp_path)]

    assert main(given) == 1
    assert main([*given, "--failed"]) == 0
    assert read_state(state)[0]["verdict"] != "hang"


def test_a_case_depends_on_seed_and_number_only():
    first = [draw(5, k) for k in (3, 9)]
    draw(5, 1)

    assert [draw(5, 3), draw(5, 9)] == first
    assert draw(6, 3) != first[0]
    for case in first:
        assert draw_case(case.kind, Choices(case.taken)).data == case.data


#: What jumps, or is not of all numbers: a rounding before it is anything after it, so a drawn
#: network with it could not be compared. tests/cases/siblings has networks with it.
NOT_DRAWN = {kind.onnx for kind in ACTIVATIONS if not kind.everywhere} | set(COMPARISONS)
NOT_DRAWN |= {"And", "Not", "Or", "Where"}
#: onnxruntime makes NaN of the first where all numbers are equal; Tile is read as Expand is.
NOT_DRAWN |= {"MeanVarianceNormalization", "Tile"}


def test_every_operator_is_drawn_and_built():
    """Each operator that is read is part of a model that is equal, among 12,000 cases."""
    missing = set(IMPORTERS) - NOT_DRAWN
    for k in range(12000):
        case = draw(7, k)
        if case.kind != "drawn":
            continue
        ops = {node.op_type for node in onnx.load_from_string(case.data).graph.node}
        if ops & missing and judge(case).kind == "equal":
            missing -= ops
        if not missing:
            break
    assert not missing


def test_decisions_are_shrunk():
    smaller = shrink([7, 3, 90, 4, 61, 2], lambda taken: max(taken, default=0) >= 20)

    assert len(smaller) == 1
    assert 20 <= smaller[0] < 40
