"""The scripts of examples/ run as they stand, and say what their page says."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
SAYS = {
    "what_will_it_cost.py": "zoo:mobilenet_v2@96 on kv260:",
    "smaller_pictures.py": "224 x 224:",
    "prove_a_frame.py": "bit-exact",
}


def test_every_script_is_run_and_in_the_table():
    scripts = sorted(path.name for path in EXAMPLES.glob("*.py"))
    assert scripts == sorted(SAYS)
    assert all(f"`{name}`" in (EXAMPLES / "README.md").read_text() for name in scripts)


@pytest.mark.slow
@pytest.mark.parametrize("name", SAYS)
def test_it_runs(name, tmp_path):
    done = subprocess.run(
        [sys.executable, EXAMPLES / name], cwd=tmp_path, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
    assert SAYS[name] in done.stdout


@pytest.mark.slow
def test_four_bits_are_measured(tmp_path):
    """A line for each way; of a few pictures."""
    model = EXAMPLES.parent / "tests" / "models" / "trained_digits_tiny"
    data = f"{model}_test.npz"
    command = [EXAMPLES / "four_bits" / "four_bits.py", f"{model}.onnx", "--calib", data]

    done = subprocess.run(
        [sys.executable, *command, "--data", data, "--pictures", "20", "--all"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "8 bits", "4 bits, rounded, a k per channel", "4 bits, rounded, a k per 32 inputs",
        "4 bits, gptq, a k per 32 inputs",
    ]  # fmt: skip
    assert "; 0 of 2," in lines[0]
    assert all("; 0 of" not in line for line in lines[1:])
