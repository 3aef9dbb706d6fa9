"""Frames as Chrome traces: every event by the format, every track in order, cycles that add up."""

import json
import math
from collections import defaultdict
from itertools import pairwise

import pytest

from accelgen import compile, estimate, simulate, target, trace
from accelgen.errors import ConfigError
from tests.helpers.cli import run


def slices_of(made):
    """(process, track): its slices, once every event was looked at."""
    assert made.keys() == {"displayTimeUnit", "otherData", "traceEvents"}
    assert made["displayTimeUnit"] in ("ms", "ns")
    names, threads, slices = {}, {}, defaultdict(list)
    for event in json.loads(json.dumps(made["traceEvents"])):
        pid, tid, args = event["pid"], event["tid"], event["args"]
        assert all(isinstance(event[key], int) and event[key] >= 0 for key in ("pid", "tid"))
        assert math.isfinite(event["ts"])
        assert event["ts"] >= 0
        if event["ph"] == "M":
            assert event.keys() == {"name", "ph", "pid", "tid", "ts", "args"}
            if event["name"] == "process_name":
                names[pid] = args["name"]
            elif event["name"] == "thread_name":
                threads[pid, tid] = args["name"]
            else:
                assert (event["name"], args) == ("thread_sort_index", {"sort_index": tid})
        else:
            assert event.keys() == {"name", "cat", "ph", "pid", "tid", "ts", "dur", "args"}
            assert event["ph"] == "X"
            assert event["name"]
            assert event["dur"] >= 0
            assert event["cat"] == threads[pid, tid]
            slices[names[pid], threads[pid, tid]].append(event)
    assert threads.keys() == {(e["pid"], e["tid"]) for some in slices.values() for e in some}
    return slices


def assert_in_order(slices):
    for events in slices.values():
        for before, after in pairwise(events):
            assert after["ts"] >= before["ts"] + before["dur"] - 1e-9, (before, after)


def cycles_of(events):
    return sum(e["dur"] for e in events)


def test_an_estimated_frame():
    compiled = compile("zoo:mobilenet_v2@64", target(), cycles_only=True)

    made = trace(compiled)

    slices = slices_of(made)
    assert_in_order(slices)
    tracks = {track for _, track in slices}
    assert {process for process, _ in slices} == {"estimated"}
    assert tracks == {"steps", "weights", "load", "array", "window", "store", "ps", "ps input"}
    cycles = estimate(compiled).cycles
    assert made["otherData"]["estimated_cycles"] == cycles
    steps = slices["estimated", "steps"]
    assert cycles_of(steps) * 300 == pytest.approx(cycles, abs=1e-6)
    assert sum(e["args"]["cycles"] for e in steps) == pytest.approx(cycles, abs=1e-6)
    assert [e["name"] for e in steps[:-1]] == [s.nodes[0] for s in compiled.program.steps]
    # What runs on the PL ends with the frame; the PS goes on beside the next one.
    for track in tracks - {"ps", "ps input"}:
        last = slices["estimated", track][-1]
        assert last["ts"] + last["dur"] <= cycles / 300 + 1e-9
    assert slices["estimated", "ps"][0]["ts"] == pytest.approx(cycles / 300)
    moved = slices["estimated", "weights"]
    commands = [e["args"]["command"] for e in moved]
    assert commands == sorted(set(commands))


def test_programs_with_the_processor_between():
    compiled = compile("zoo:mobilenet_v3_small@64", target(), cycles_only=True, se_on="ps")
    assert len(compiled.parts) > 5

    slices = slices_of(trace(compiled))

    assert_in_order(slices)
    steps = slices["estimated", "steps"]
    assert cycles_of(steps) * 300 == pytest.approx(estimate(compiled).cycles, abs=1e-6)
    # The PL stands still while the PS works, and the other way round.
    last = max(e["ts"] + e["dur"] for e in steps)
    both = sorted((*steps, *slices["estimated", "ps"]), key=lambda e: (e["ts"], e["dur"]))
    for before, after in pairwise(both):
        if after["ts"] < last:
            assert after["ts"] >= before["ts"] + before["dur"] - 1e-9, (before, after)


@pytest.mark.slow
def test_a_simulated_frame_beside_its_estimate(tmp_path):
    out = tmp_path / "t.json"
    model = "tests/models/trained_fmnist_effse.onnx"
    ended = run("simulate", model, "--preset", "small", "--trace", out, "--json")
    said = json.loads(ended.out)

    made = json.loads(out.read_text())

    slices = slices_of(made)
    assert_in_order(slices)
    assert next(iter(slices)) == ("simulated", "steps")
    steps, cycles = slices["simulated", "steps"], said["frame"]["cycles"]
    assert made["otherData"]["simulated_cycles"] == cycles
    assert sum(e["args"]["cycles"] for e in steps) == cycles
    assert cycles_of(steps) * made["otherData"]["clock_mhz"] == pytest.approx(cycles, abs=1e-6)
    own = {x["name"]: x["cycles"] for x in said["layers"] if x["cycles"]}
    assert {e["name"]: e["args"]["cycles"] for e in steps[:-1]} == own


def test_layers_alone_are_no_frame():
    compiled = compile("tests/models/trained_digits_tiny.onnx", target(preset="small"))
    alone = simulate(compiled, layers="all", frame=False)

    with pytest.raises(ConfigError, match="only layers were simulated"):
        trace(compiled, alone)


@pytest.mark.parametrize("options", [("--layers", "all"), ("--driver", "1")])
def test_a_trace_is_of_a_whole_frame(options, tmp_path):
    model = "tests/models/trained_digits_tiny.onnx"
    ended = run("simulate", model, "--trace", tmp_path / "t.json", *options)

    assert ended.status == 2
    assert "--trace is of a whole frame" in ended.err
    assert not list(tmp_path.iterdir())


def test_where_nothing_can_be_written(tmp_path):
    ended = run("estimate", "zoo:mobilenet_v2@32", "--trace", tmp_path / "no" / "t.json")

    assert ended.status == 2
    assert "cannot write" in ended.err
