"""A package's own driver and library, unchanged, on the simulated hardware."""

from pathlib import Path

import numpy as np
import pytest

import accelgen
from accelgen.flow import driven, packages
from tests.helpers.cli import run
from tests.helpers.parts_net import package_in_parts

MODELS = Path(__file__).parents[1] / "models"


def package(where, network, preset, fc_on):
    hardware = accelgen.target(preset=preset)
    calib = MODELS / f"{network}_test.npz"
    compiled = accelgen.compile(
        MODELS / f"{network}.onnx", hardware, fc_on=fc_on, calib=calib if calib.exists() else None
    )
    packages.build(compiled, where)
    return where, compiled


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return package(tmp_path_factory.mktemp("loop") / "digits", "trained_digits_tiny", "small", "ps")


@pytest.mark.slow
def test_effse_on_twenty_pictures(tmp_path):
    where, compiled = package(tmp_path / "effse", "trained_fmnist_effse", "small", "ps")
    assert compiled.program.ps_steps
    data = np.load(MODELS / "trained_fmnist_effse_test.npz")
    x = (data["x_uint8"][:20] / data["divisor"] - data["mean"]) / data["std"]

    result = driven.drive(where, inputs=x.astype(np.float32).transpose(0, 2, 3, 1))

    assert result.faults == ()
    assert result.frames == 20
    # Frames follow each other: what lies between two is not another frame.
    one = driven.drive(where, 1)
    assert result.cycles < 20.5 * one.cycles


@pytest.mark.slow
def test_squeezenet_on_two_pictures(tmp_path):
    where, _ = package(tmp_path / "squeezenet", "trained_squeezenet1_1", "ultra96_double", "auto")

    result = driven.drive(where, 2, seed=3)

    assert result.faults == ()
    assert result.frames == 2


@pytest.mark.slow
def test_three_frames_with_the_ps_in_the_middle_twice(tmp_path):
    compiled, where, _ = package_in_parts(tmp_path / "parts")
    assert [len(part.ps_steps) for part in compiled.parts] == [2, 1, 2]

    result = driven.drive(where, 3)

    assert result.faults == ()
    assert result.frames == 3


SCRIPTS = {
    "an abort in the middle of a frame": """
accelerator.put(x)
accelerator.start(0)
accelerator.recover()
""",
    "a program that was damaged in memory": """
at = accelerator.manifest["program_offsets"][0]
accelerator.memory.array[at:at + 256] = 0xEE
accelerator.memory.flush(at, 256)
try:
    accelerator.run(x)
    sys.exit("a damaged program ran")
except DriverError as error:
    assert "command makes no sense" in str(error), error
accelerator.recover()
""",
    "an image that the accelerator may not touch": """
accelerator.registers.set_image(accelerator.memory.address, 4096)
try:
    accelerator.run(x)
    sys.exit("an access outside the image was let through")
except DriverError as error:
    assert "outside the image was stopped" in str(error), error
accelerator.recover()
""",
    "a start while busy": """
accelerator.put(x)
accelerator.start(0)
try:
    accelerator.start(1)
    sys.exit("started twice")
except DriverError as error:
    assert "busy" in str(error), error
accelerator.wait()
""",
}


@pytest.mark.slow
@pytest.mark.parametrize("what", SCRIPTS)
def test_the_frame_after_is_right(digits, tmp_path, what):
    script = tmp_path / "script.py"
    script.write_text(f"""
import sys
import numpy as np
from driver import DriverError, open_package

with np.load("expected.npz") as stored, open_package(".") as accelerator:
    x, want = stored["input"], stored["output_0"]
    {SCRIPTS[what].replace(chr(10), chr(10) + "    ")}
    for _ in range(2):
        (got,) = accelerator.run(x).values()
        assert got.tobytes() == want.tobytes(), (got, want)
print("right")
""")

    result = driven.run_in_package(digits[0], script)

    assert (result.status, result.violations) == (0, ()), result.output
    assert result.output.endswith("right\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ("self.memory.flush(its[", "print(its["),
        ("self.memory.invalidate(offset, size)", "pass"),
        ("in self._maps[place]", "in self._maps[0]"),
    ],
)
def test_a_driver_with_a_fault_is_seen(digits, line, instead):
    """Nothing here keeps caches coherent, and frames overlap: what a board would punish shows."""
    file = digits[0] / "driver" / "accelerator.py"
    text = file.read_text()
    assert text.count(line) >= 1
    job = digits[0].parent / "broken.py"
    job.write_text(f"""
from pathlib import Path
file = Path("driver/accelerator.py")
file.write_text(file.read_text().replace({line!r}, {instead!r}))
import numpy as np
from driver import open_package

with np.load("expected.npz") as stored, open_package(".") as accelerator:
    x, want = stored["input"], stored["output_0"]
    frames = accelerator.run_many([x, x, x])
    wrong = [next(iter(got.values())).tobytes() != want.tobytes() for got in frames]
assert any(wrong)
""")

    result = driven.run_in_package(digits[0], job)

    assert result.status == 0, result.output


@pytest.mark.slow
def test_the_command_runs_frames_and_scripts(digits):
    frames = run("simulate", digits[0], "--driver", "3", "--json")
    script = run("simulate", digits[0], "--script", "selftest.py")
    model = run("simulate", MODELS / "trained_digits_tiny.onnx", "--driver", "3")
    nothing = run("simulate", digits[0], "--script", "nothing.py")

    assert frames.status == 0
    assert '"match": true' in frames.out
    assert script.status == 0
    assert "all well" in script.out
    assert (model.status, nothing.status) == (2, 2)
    assert "give a directory made by build" in model.err
    assert "there is no script nothing.py" in nothing.err
    assert not (digits[0] / "ps" / "build").exists()
