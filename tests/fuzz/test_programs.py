"""Programs of the fuzzer's cases are run, and what they compute is looked at."""

from dataclasses import replace

import pytest

from tests.fuzz import programs
from tests.fuzz.cases import Case
from tests.fuzz.judge import judge
from tests.helpers.nets import make_net, node, weights

run = programs.run_functional


def wrong(program, inputs):
    """As the program computes it, but for one number."""
    made = run(program, inputs)
    tensors = {name: array.copy() for name, array in made.tensors.items()}
    tensors[program.outputs[0].tensor].flat[-1] ^= 1
    return replace(made, tensors=tensors)


@pytest.mark.parametrize("runner", [run, wrong])
def test_what_a_program_computes_is_compared(runner, monkeypatch):
    """A pool over a map of 20 x 1, which no kernel is as high as: seed 29, case 341."""
    monkeypatch.setattr(programs, "run_functional", runner)
    nodes = [node("Conv", "x w", "c"), node("GlobalMaxPool", "c")]
    model = make_net(nodes, {"w": weights(4, 3, 1, 1)}, shape=(1, 3, 20, 1))

    verdict = judge(Case(kind="drawn", data=model.SerializeToString(), arch="small"))

    assert (verdict.kind, verdict.where) == (
        ("equal", "") if runner is run else ("int8 differs", "program")
    )
