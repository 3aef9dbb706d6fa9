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
