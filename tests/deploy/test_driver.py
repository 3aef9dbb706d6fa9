"""The host driver against an accelerator that is the golden model behind registers."""

import shutil
import subprocess
import sys

import numpy as np
import pytest

from accelgen.arch.registers import CONTROL, LOG_BASE, STATUS, offset_of
from accelgen.deploy import driver
from accelgen.deploy.driver import Accelerator, DriverError, pack_map, unpack_map
from accelgen.deploy.manifest import program_manifest
from accelgen.golden import interpret


class FakeMemory:
    """A bytearray at an address above 4 GiB."""

    address = 0x8_0001_0000

    def __init__(self, size):
        self.bytes = bytearray(size)

    def write(self, offset, data):
        self.bytes[offset : offset + len(data)] = data

    def read(self, offset, size):
        return bytes(self.bytes[offset : offset + size])


class FakeHardware:
    """Registers that answer; start computes the frame with the golden model."""

    def __init__(self, program, manifest, memory):
        self.program, self.manifest, self.memory = program, manifest, memory
        self.values = {
            offset_of("id"): manifest["id"],
            offset_of("config"): program.arch.crc,
            offset_of("cycles"): 1234,
            offset_of("execs"): 2,
            LOG_BASE: 600,
            LOG_BASE + 4: 1200,
        }

    def read(self, offset):
        return self.values.get(offset, 0)

    def write(self, offset, value):
        assert 0 <= value < 1 << 32
        self.values[offset] = value
        if offset == offset_of("control") and value >> CONTROL["start"] & 1:
            self.frame()

    def frame(self):
        base = self.read(offset_of("base_low")) | self.read(offset_of("base_high")) << 32
        assert base == self.memory.address
        assert self.read(offset_of("program_offset")) == self.program.program_offset
        place, lanes = self.manifest["input"], self.manifest["lanes"]
        raw = self.memory.read(place["offset"], place["groups"] * place["stride"])
        tensors = interpret(self.program.graph, unpack_map(raw, place, lanes))
        for place in self.manifest["outputs"]:
            data = pack_map(tensors[place["tensor"]], place, lanes)
            self.memory.write(place["offset"], data)
        self.values[offset_of("status")] = 1 << STATUS["done"]


@pytest.fixture
def accelerator(digits):
    program = digits[1]
    manifest = program_manifest(program)
    memory = FakeMemory(program.image_bytes)
    return Accelerator(FakeHardware(program, manifest, memory), memory, manifest)


def test_a_frame_gives_the_golden_models_outputs(accelerator, digits):
    model, program, samples = digits
    accelerator.load(program.image)

    got = accelerator.run(samples[:1].transpose(0, 3, 1, 2))

    expected = interpret(model.graph, samples[:1])
    for name in model.graph.outputs:
        scale = model.graph.tensors[name].quantization
        real = expected[name] if scale is None else (
            (expected[name].astype(np.float32) - scale.zero_point) * np.float32(scale.scale)
        )  # fmt: skip
        np.testing.assert_allclose(got[name].reshape(-1), real.reshape(-1), rtol=1e-6)


def test_image_and_addresses_are_where_the_program_says(accelerator, digits):
    program = digits[1]
    accelerator.load(program.image)

    assert accelerator.memory.read(0, len(program.image)) == program.image
    assert accelerator.read("base_low") == 0x0001_0000
    assert accelerator.read("base_high") == 0x8


def test_counters_and_step_log_are_read(accelerator):
    assert accelerator.counters()["cycles"] == 1234
    assert accelerator.step_log() == [600, 1200]


def test_wrong_hardware_is_named(accelerator):
    accelerator.bus.values[offset_of("config")] = 0xBAD
    with pytest.raises(DriverError, match="the bitstream's configuration is 0x00000bad"):
        accelerator.load(b"")

    accelerator.bus.values[offset_of("id")] = 0
    with pytest.raises(DriverError, match="no accelgen accelerator here: id is 0x0"):
        accelerator.check()


def test_bus_error_and_timeout_are_reported(accelerator):
    accelerator.bus.values[offset_of("status")] = 1 << STATUS["error"]
    accelerator.bus.values[offset_of("error_address")] = 0x1234
    with pytest.raises(DriverError, match="AXI error at address 0x1234"):
        accelerator.wait()

    accelerator.bus.values[offset_of("status")] = 1 << STATUS["busy"]
    with pytest.raises(DriverError, match="not done after"):
        accelerator.wait(timeout_seconds=0.01)


def test_what_the_driver_cannot_compute_is_refused(accelerator):
    manifest = {**accelerator.manifest, "ps_steps": [
        {"node": "fc", "op": "QConv2d", "inputs": [], "output": "y"}
    ]}  # fmt: skip
    with pytest.raises(DriverError, match="'fc': the driver does not compute QConv2d"):
        Accelerator(accelerator.bus, accelerator.memory, manifest).finish({})


@pytest.mark.parametrize(("shape", "lanes"), [((1, 1, 3), 4), ((5, 7, 9), 4), ((3, 3, 16), 8)])
def test_maps_go_there_and_back(shape, lanes):
    rng = np.random.default_rng(3)
    groups = -(-shape[2] // lanes) + 1
    slots = np.full(groups * lanes, -1)
    slots[rng.permutation(groups * lanes)[: shape[2]]] = rng.permutation(shape[2])
    stride = -(-shape[0] * shape[1] * lanes // 32) * 32
    place = {"shape": shape, "slots": slots.tolist(), "groups": groups, "stride": stride}
    x = rng.integers(-128, 128, (1, *shape)).astype(np.int8)

    raw = pack_map(x, place, lanes)

    assert len(raw) == groups * stride
    np.testing.assert_array_equal(unpack_map(raw, place, lanes), x)
    at = int(np.flatnonzero(slots == 0)[0])
    last = shape[0] * shape[1] - 1
    byte = raw[at // lanes * stride + last * lanes + at % lanes]
    assert np.int8(byte - 256 if byte > 127 else byte) == x[0, -1, -1, 0]


def test_driver_needs_nothing_of_accelgen(tmp_path):
    """It is copied into packages and runs on boards that have numpy only."""
    shutil.copy(driver.__file__, tmp_path / "driver.py")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import driver; "
        "sys.exit(any(m.startswith('accelgen') for m in sys.modules))"
    )

    done = subprocess.run([sys.executable, "-I", "-c", code], check=False)

    assert done.returncode == 0
