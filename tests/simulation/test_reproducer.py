"""A saved run is read back as it was, and bad files get a sentence."""

import numpy as np
import pytest

from accelgen.arch.presets import PRESETS
from accelgen.errors import ConfigError, ModelError, OutputError
from accelgen.flow.runs import open_reproducer, repeat
from accelgen.simulation.reproducer import Reproducer, load_reproducer, save_reproducer
from tests.helpers.cli import run
from tests.helpers.nets import conv_relu


@pytest.fixture
def saved():
    return Reproducer(
        model=conv_relu(channels=3, shape=(1, 2, 4, 5)).SerializeToString(),
        sample=np.random.default_rng(0).standard_normal((1, 4, 5, 2)).astype(np.float32),
        config=PRESETS["small"].to_dict(),
        calib=np.ones((3, 4, 5, 2), np.float32),
        board="kv260",
        memory={"stalls": 0.25, "latency_cycles": 77},
        seed=5,
        note="tensor 'y' differs",
    )


def test_everything_comes_back(saved, tmp_path):
    file = tmp_path / "deep" / "run.npz"
    save_reproducer(saved, file)

    back = load_reproducer(file)

    np.testing.assert_array_equal(back.sample, saved.sample)
    np.testing.assert_array_equal(back.calib, saved.calib)
    for name in ("model", "config", "board", "memory", "seed", "note"):
        assert getattr(back, name) == getattr(saved, name)
    assert [f.name for f in file.parent.iterdir()] == ["run.npz"]
    assert file.stat().st_size < 3000


def test_it_compiles_to_the_same_program(saved, tmp_path):
    file = tmp_path / "run.npz"
    save_reproducer(saved, file)

    compiled, back = open_reproducer(file)
    again, hardware = repeat(saved), compiled.hardware

    assert compiled.program.image == again.program.image
    assert compiled.name == "run"
    assert back.seed == 5
    assert hardware.arch == PRESETS["small"]
    assert hardware.board.name == "kv260"
    assert (hardware.memory.stalls, hardware.memory.latency_cycles) == (0.25, 77)


def test_its_samples_calibrate(saved):
    wide = Reproducer(**{**vars(saved), "calib": saved.calib * 100})

    scales = [repeat(r).model.graph.tensors["x"].quantization.scale for r in (saved, wide)]

    assert scales[1] == pytest.approx(100 * scales[0])


@pytest.mark.parametrize("content", [b"", b"no archive", "truncated", "other arrays"])
def test_other_files_get_a_sentence(saved, tmp_path, content):
    file = tmp_path / "run.npz"
    save_reproducer(saved, file)
    if content == "truncated":
        file.write_bytes(file.read_bytes()[:-100])
    elif content == "other arrays":
        np.savez(file, x=np.zeros(3))
    else:
        file.write_bytes(content)

    with pytest.raises(ModelError, match=r"run\.npz is not a reproducer"):
        load_reproducer(file)
    outcome = run("simulate", file)
    assert outcome.status == 2
    assert len(outcome.err.splitlines()) == 1


def test_a_missing_file_is_named(tmp_path):
    outcome = run("simulate", tmp_path / "none.npz")

    assert outcome.status == 2
    assert "No such file" in outcome.err


def test_a_bad_configuration_is_named(saved):
    bad = Reproducer(**{**vars(saved), "config": {"lanes": 3}})

    with pytest.raises(ConfigError, match="lanes"):
        repeat(bad)


def test_options_beside_it_are_refused(saved, tmp_path):
    file = tmp_path / "run.npz"
    save_reproducer(saved, file)

    for option in (["--preset", "ultra96"], ["--stalls", "0.3"], ["--seed", "1"]):
        outcome = run("simulate", file, *option)
        assert outcome.status == 2
        assert "its own options" in outcome.err


def test_a_failed_write_leaves_nothing(saved, tmp_path):
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(OutputError, match="cannot write"):
        save_reproducer(saved, tmp_path / "file" / "run.npz")
    (tmp_path / "run.npz").mkdir()
    with pytest.raises(OutputError, match="cannot write"):
        save_reproducer(saved, tmp_path / "run.npz")
    assert sorted(f.name for f in tmp_path.iterdir()) == ["file", "run.npz"]
