"""selftest.py finds what is wrong with a board, and names it."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import accelgen
from accelgen.deploy.board.selftest import Row, Selftest, table
from accelgen.flow import packages
from accelgen.flow.compiled import keeping_all
from accelgen.golden import interpret
from accelgen.golden.outputs import model_outputs

MODELS = Path(__file__).parents[1] / "models"
DIGITS = MODELS / "trained_digits_tiny.onnx"


class StandIn:
    """An opened accelerator that is the golden model. ``broken``: tensor whose first byte flips."""

    address = 0x8_0001_0000

    def __init__(self, compiled, where, broken=""):
        self.program, self.broken = compiled.program, broken
        self.manifest = json.loads((where / "manifest.json").read_text())
        data = (where / "program.bin").read_bytes()
        self.manifest["sections"] = [{"offset": 0, "bytes": len(data)}]
        graph = self.program.graph
        self.manifest["model_outputs"] = [{"name": v.name} for v in graph.model_outputs()]
        self.array = np.zeros(self.program.image_bytes, np.uint8)
        self.data, self.values, self.loads = data, {}, 0
        self.registers = self.turns = self.memory = self

    def check(self):
        pass

    def write(self, name, value):
        self.values[name] = value

    def read(self, name):
        return self.values[name]

    def load(self):
        self.loads += 1
        self.array[: len(self.data)] = np.frombuffer(self.data, np.uint8)

    def recover(self):
        self.load()

    def start(self, offset, size):
        there = self.manifest["loopback"]
        assert self.array[offset : offset + size].tobytes().hex() == there["program"]
        source, target, count = there["source"], there["target"], there["bytes"]
        self.array[target : target + count] = self.array[source : source + count]

    def wait(self, seconds):
        pass

    def flush(self, offset, size):
        assert offset + size <= len(self.array)

    def invalidate(self, offset, size):
        assert offset + size <= len(self.array)

    def run(self, x):
        self.tensors = interpret(self.program.graph, x[np.newaxis])
        if self.broken:
            name = self.broken
            self.tensors = {**self.tensors, name: self.tensors[name].copy()}
            self.tensors[name].reshape(-1)[0] ^= 1
        return model_outputs(self.program.graph, self.tensors)

    def tensor(self, name):
        return self.tensors[name][0]

    def counters(self):
        return {"cycles": 4321, "execs": sum(len(s.execs) for s in self.program.steps)}

    def step_log(self):
        return [100 * (i + 1) for i in range(self.counters()["execs"])]


@pytest.fixture(scope="module")
def network():
    hardware = accelgen.target(preset="small")
    compiled = accelgen.compile(
        DIGITS, hardware, fc_on="pl", calib=MODELS / "trained_digits_tiny_test.npz"
    )
    return compiled, keeping_all(compiled), hardware


@pytest.fixture(scope="module")
def built(network, tmp_path_factory):
    """Packages of the network: as usual, and with every tensor kept."""
    where = tmp_path_factory.mktemp("packages")
    for name, compiled in zip(("plain", "all"), network, strict=False):
        packages.build(
            compiled, where / name, program_only=True,
            calib=MODELS / "trained_digits_tiny_test.npz",
        )  # fmt: skip
    return where


def run(accelerator, where):
    lines = []
    well = Selftest(accelerator, where).run(lines.append)
    return well, "\n".join(lines)


@pytest.mark.parametrize(("name", "which"), [("plain", 0), ("all", 1)])
def test_a_board_that_is_right_is_well(network, built, name, which):
    accelerator = StandIn(network[which], built / name)

    well, text = run(accelerator, built / name)

    assert well, text
    tensors = len(json.loads((built / name / "manifest.json").read_text())["expected"])
    assert f"4,321 cycles; right: tensors in memory, {tensors}; outputs, 1" in text
    assert "all well" in text
    assert accelerator.loads == 2


def test_the_first_wrong_tensor_is_named_with_its_layer(network, built):
    _, compiled, _ = network
    for step in compiled.program.steps:
        broken = step.output or step.squeezed
        well, text = run(StandIn(compiled, built / "all", broken), built / "all")

        assert not well
        assert (
            f"tensor {broken!r} (layer {', '.join(step.nodes)}) first differs at (h, w, c)" in text
        )
        assert "1 of" in text


def test_without_every_tensor_it_says_how_to_get_them(network, built):
    compiled = network[0]
    broken = compiled.program.outputs[0].tensor

    well, text = run(StandIn(compiled, built / "plain", broken), built / "plain")

    assert not well
    assert "accelgen build --keep-all --program-only" in text


def test_one_wrong_bit_in_the_expected_results_is_seen(network, built, tmp_path):
    where = tmp_path / "package"
    shutil.copytree(built / "all", where)
    arrays = dict(np.load(where / "expected.npz"))
    entry = json.loads((where / "manifest.json").read_text())["expected"][1]
    arrays["tensor_1"].reshape(-1)[7] ^= 64
    np.savez(where / "expected.npz", **arrays)

    well, text = run(StandIn(network[1], where), where)

    assert not well
    assert f"tensor {entry['tensor']!r}" in text


def test_a_stuck_register_and_a_dead_memory_are_named(network, built):
    stuck = StandIn(network[0], built / "plain")
    stuck.write = lambda name, value: stuck.values.update({name: value & ~0x1000})
    well, text = run(stuck, built / "plain")
    assert not well
    assert "base_low holds 0x55554000 after 0x55555000 was written" in text
    assert "frame" not in text

    dead = StandIn(network[0], built / "plain")
    dead.invalidate = lambda offset, size: dead.array.__setitem__(16, dead.array[16] ^ 4)
    well, text = run(dead, built / "plain")
    assert not well
    assert "byte 0x10 of the image is not what was written" in text


def test_a_port_that_loses_bytes_is_named(network, built):
    accelerator = StandIn(network[0], built / "plain")
    there = accelerator.manifest["loopback"]
    whole = accelerator.start

    def lossy(offset, size):
        whole(offset, size)
        accelerator.array[there["target"] + 32 : there["target"] + 48] = 0

    accelerator.start = lossy
    well, text = run(accelerator, built / "plain")

    assert not well
    where = (there["target"] + 32, there["source"] + 32)
    assert (
        "transfer   WRONG  byte {:#x} of the image is not what lies at {:#x}".format(*where) in text
    )


def test_a_driver_that_raises_is_one_line(network, built):
    accelerator = StandIn(network[0], built / "plain")

    def run_frame(x):
        raise RuntimeError("not done after 10 s")

    accelerator.run = run_frame
    well, text = run(accelerator, built / "plain")

    assert not well
    assert "frame      WRONG  RuntimeError: not done after 10 s" in text


def test_cycles_by_layer_are_estimated_simulated_and_the_boards(network, built, tmp_path):
    where = tmp_path / "package"
    shutil.copytree(built / "plain", where)
    compiled = network[0]
    steps = compiled.program.steps
    accelerator = StandIn(compiled, where)
    accelerator.run(np.load(where / "expected.npz")["input"])
    layers = Selftest(accelerator, where).layers()

    assert [row.board for row in layers] == [100 * len(s.execs) for s in steps]
    assert all(row.estimated > 0 and row.simulated is None for row in layers)

    stored = {"program": packages.file_hash(where / "program.bin"), "cycles": {}}
    stored["cycles"] = {s.nodes[0]: 7 + s.index for s in steps}
    (where / "simulated.json").write_text(json.dumps(stored))
    layers = Selftest(accelerator, where).layers()
    assert [row.simulated for row in layers] == [7 + s.index for s in steps]

    (where / "simulated.json").write_text(json.dumps({**stored, "program": "another's"}))
    assert all(row.simulated is None for row in Selftest(accelerator, where).layers())


def test_a_log_that_wrapped_leaves_what_it_knows(network, built):
    accelerator = StandIn(network[0], built / "plain")
    whole = accelerator.step_log()
    accelerator.step_log = lambda: whole[1:]

    boards = [row.board for row in Selftest(accelerator, built / "plain").layers()]

    assert boards[:2] == [None, None]
    assert boards[-1] == 100


def test_the_table_adds_up_what_is_known():
    lines = list(table([Row("a" * 60, 1000, None, 30), Row("b", 500, 20, 40)]))

    assert lines[1].split() == ["a" * 45 + "...", "1,000", "-", "30"]
    assert lines[-1].split() == ["all", "1,500", "-", "70"]
