"""Drawn nets through the whole path, from ONNX to the generated Verilog: equal to the golden model.

A failing net is shrunk by hypothesis and saved under ``build/reproducers``;
``accelgen simulate FILE`` repeats it. ``ACCELGEN_RANDOM_COUNT=500 ACCELGEN_RANDOM_SEED=7`` in the
environment draws more, and others.
"""

import os
from functools import cache
from pathlib import Path

import onnx
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from accelgen.arch.presets import PRESETS
from accelgen.golden.int8_ops import INT8_OPS
from accelgen.ir.ops import QMaxPool
from accelgen.simulation.reproducer import load_reproducer, save_reproducer
from accelgen.simulation.verilated import VerilatedSimulator
from tests.helpers.arches import DOUBLE, DOUBLE_PAIRS, PAIRS, TIGHT
from tests.helpers.cli import run
from tests.helpers.random_onnx import OnnxNet, Room, banded_nets, nets
from tests.helpers.whole_path import Case, cases, find_fault, run_by_commands

COUNT = int(os.environ.get("ACCELGEN_RANDOM_COUNT", "60"))
SEED = int(os.environ.get("ACCELGEN_RANDOM_SEED", "0"))
REPRODUCERS = Path(__file__).parents[2] / "build" / "reproducers"

CONFIGURATIONS = {
    "small": (PRESETS["small"], nets()),
    "double": (DOUBLE, nets(Room(lanes=8, pixels=8, rows=256))),
    "double, bands": (DOUBLE, banded_nets()),
    "tight": (TIGHT, nets(Room(lanes=8, pixels=4, rows=512))),
    "pairs": (PAIRS, nets()),
    "double, pairs": (DOUBLE_PAIRS, nets(Room(lanes=8, pixels=8, rows=256))),
}

drawn = settings(
    max_examples=COUNT, deadline=None, database=None, phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck), report_multiple_bugs=False,
)  # fmt: skip
#: One simulator process runs a batch: starting it takes longer than most nets.
BATCH = 32


def assert_match(drawn_nets, arch, execute, file, number, count=COUNT):
    """Draw ``count`` nets and run them in batches; shrink the first fault, save it, and fail."""

    def each(do):
        """Hypothesis draws the same nets every time, until ``do`` fails."""
        given_case = given(cases(drawn_nets))(lambda case: do(case))
        seed(number)(settings(drawn, max_examples=count)(given_case))()

    every = []
    each(every.append)
    good = set()
    for first in range(0, len(every), BATCH):
        batch = every[first : first + BATCH]
        fault = find_fault(batch, arch, execute)
        if fault is not None:
            good.update(map(str, batch[: batch.index(fault[0])]))
            break
        good.update(map(str, batch))
    else:
        return

    def alone(case):
        if str(case) in good:
            return
        fault = find_fault([case], arch, execute)
        if fault is not None:
            # The last time hypothesis comes here, the net is the smallest.
            save_reproducer(case.reproducer(arch, fault[1]), file)
            pytest.fail(f"{fault[1]}\nrepeat with: accelgen simulate {file}")

    each(alone)
    pytest.fail(f"{fault[1]}, but only after others: {fault[0]}")


@cache
def simulator(arch):
    return VerilatedSimulator(arch, speed=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_random_nets_match_golden(name):
    arch, drawn_nets = CONFIGURATIONS[name]
    file = REPRODUCERS / f"{name.replace(', ', '_')}.npz"

    assert_match(
        drawn_nets, arch, simulator(arch).run_many, file, SEED + list(CONFIGURATIONS).index(name)
    )


# The machinery itself: a wrong answer is found, shrunk, saved, and repeated from the file.


def too_large(op, x):
    """A maximum that is one too large where the kernel has more than one row."""
    y = INT8_OPS_RIGHT[QMaxPool](op, x)
    return y if op.kernel[0] == 1 else (y + (y < 127)).astype(y.dtype)


INT8_OPS_RIGHT = dict(INT8_OPS)


@pytest.mark.slow
def test_a_fault_is_shrunk_saved_and_repeated(monkeypatch, tmp_path):
    file = tmp_path / "failing.npz"
    monkeypatch.setitem(INT8_OPS, QMaxPool, too_large)

    with pytest.raises(pytest.fail.Exception, match="accelgen simulate"):
        assert_match(nets(most=3), PRESETS["small"], run_by_commands, file, 1, count=100)

    saved = load_reproducer(file)
    model = onnx.load_from_string(saved.model)
    # One maximum is left, of a window or of the map: which, is for the order of what is drawn.
    (only,) = model.graph.node
    assert only.op_type in ("MaxPool", "GlobalMaxPool")
    assert saved.sample.size <= 8
    assert "the program is wrong already" in saved.note
    assert file.stat().st_size < 4000


@pytest.mark.slow
def test_a_saved_fault_is_repeated_on_the_hardware(monkeypatch, tmp_path):
    net = OnnxNet((3, 2, 1))
    net.pool("MaxPool", "x", {"kernel_shape": [2, 1]})
    file = tmp_path / "failing.npz"
    save_reproducer(Case(net, "low", 0.3).reproducer(PRESETS["small"]), file)

    assert run("simulate", file).status == 0

    monkeypatch.setitem(INT8_OPS, QMaxPool, too_large)
    outcome = run("simulate", file)
    assert outcome.status == 1
    assert "first differs at (h, w, c) = (0, 0, 0)" in outcome.err
