"""The checkers themselves: each is seen to catch what it is there for."""

from dataclasses import replace

import numpy as np
import pytest

from accelgen.errors import ToolError
from accelgen.ps import kernels
from accelgen.ps import runner as runner_module
from accelgen.ps.runner import build_runner, missing_tools

X, TABLE = np.arange(64, dtype=np.int8), np.zeros(256, np.int8)


def too_long(slack):
    """A call that writes 8 bytes more than its output has."""
    call = kernels.table(X, TABLE)
    return replace(call, buffers=(X, TABLE, kernels.Output((56,))), slack=slack)


@pytest.mark.parametrize("kind", ["qemu", "twin"])
def test_bytes_written_behind_a_buffer_are_seen(runner_of, kind):
    (answer,) = runner_of(kind).run([too_long(slack=15)])

    assert answer.damaged == 3


def test_touching_what_lies_behind_a_buffer_ends_the_run(runner):
    with pytest.raises(ToolError, match=r"call 1 \(kernel 3"):
        runner.run([kernels.table(X, TABLE), too_long(slack=0)])


def test_reading_behind_a_buffer_ends_the_run(runner):
    call = replace(kernels.table(X, TABLE), buffers=(X[:56], TABLE, kernels.Output((64,))))

    with pytest.raises(ToolError, match="call 0"):
        runner.run([call])


def test_undefined_behaviour_ends_the_run(runner_of):
    call = kernels.softmax(np.zeros(8, np.float32))
    bytes_ = (np.zeros(32, np.uint8), kernels.Output((32,), np.uint8))
    misaligned = replace(call, buffers=bytes_, slack=1)

    with pytest.raises(ToolError, match="misaligned"):
        runner_of("sanitized").run([misaligned])


def test_threads_have_no_races(runner_of):
    runner = runner_of("threads")
    rng = np.random.default_rng(1)
    x = rng.integers(-128, 128, (9, 40)).astype(np.int8)
    w = rng.integers(-127, 128, (100, 40)).astype(np.int8)
    q = kernels.Requant(
        bias=np.zeros(100), multiplier=np.full(100, 99999), shift=np.full(100, 25), zero=0
    )
    one = kernels.dense(x, w, q)

    answers = runner.run([replace(one, threads=t) for t in (0, 1, 2, 3, 4, 4, 4)])

    assert all(a.status == 0 for a in answers)
    assert len({a.outputs[0].tobytes() for a in answers}) == 1


@pytest.mark.parametrize(("kind", "name"), [("qemu", "neon"), ("twin", "portable")])
def test_each_kind_is_the_implementation_it_says(runner_of, kind, name):
    import subprocess

    command = runner_of(kind).command

    assert subprocess.check_output([*command, "--implementation"], text=True).strip() == name


def test_missing_tools_are_named_with_their_packages(monkeypatch, tmp_path):
    monkeypatch.setattr(runner_module.shutil, "which", lambda tool: None)

    assert "apt install gcc-aarch64-linux-gnu" in missing_tools("qemu")
    with pytest.raises(ToolError, match="apt install gcc make"):
        build_runner(tmp_path, "twin")


def test_a_broken_job_file_is_refused(runner_of, tmp_path):
    import subprocess

    command = runner_of("twin").command
    for content in (b"", b"nonsense" * 4, kernels.job_file([kernels.table(X, TABLE)])[:-9]):
        (tmp_path / "jobs").write_bytes(content)
        done = subprocess.run(
            [*command, str(tmp_path / "jobs"), str(tmp_path / "results")],
            capture_output=True,
            check=False,
        )
        assert done.returncode == 2
        assert b"run_cases:" in done.stderr
