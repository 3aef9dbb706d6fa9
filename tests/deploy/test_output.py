"""Output is whole or not there."""

import json
import os

import pytest

from accelgen.deploy.output import GENERATOR, new_directory, new_file
from accelgen.errors import OutputError


def make(where, text="new", **options):
    with new_directory(where, **options) as scratch:
        (scratch / "file").write_text(text)
        (scratch / "manifest.json").write_text(json.dumps({"generator": GENERATOR}))


def test_a_directory_appears_when_the_block_ends(tmp_path):
    make(tmp_path / "deep" / "out")

    assert (tmp_path / "deep" / "out" / "file").read_text() == "new"
    assert os.listdir(tmp_path / "deep") == ["out"]


def fail(where, error):
    with new_directory(where) as scratch:
        (scratch / "file").write_text("half")
        raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_nothing_is_left_when_the_block_fails(tmp_path, error):
    with pytest.raises(error):
        fail(tmp_path / "out", error)

    assert os.listdir(tmp_path) == []


def test_our_own_directory_is_replaced_and_survives_a_failure(tmp_path):
    where = tmp_path / "out"
    make(where, "old")
    with pytest.raises(KeyboardInterrupt):
        fail(where, KeyboardInterrupt)
    assert (where / "file").read_text() == "old"

    make(where, "new")

    assert (where / "file").read_text() == "new"
    assert os.listdir(tmp_path) == ["out"]


def test_someone_elses_directory_is_kept_unless_forced(tmp_path):
    where = tmp_path / "out"
    where.mkdir()
    (where / "thesis.tex").write_text("precious")

    with pytest.raises(OutputError, match="is not empty and accelgen did not make it"):
        make(where)
    assert (where / "thesis.tex").read_text() == "precious"

    make(where, force=True)
    assert not (where / "thesis.tex").exists()


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "out").write_text("a file")

    with pytest.raises(OutputError, match="it is a file"):
        make(tmp_path / "out")
    with pytest.raises(OutputError, match="cannot write"):
        make(tmp_path / "out" / "below")


def fail_file(where):
    with new_file(where) as scratch:
        scratch.write_text("half")
        raise ValueError("half")


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    where = tmp_path / "q.onnx"
    with pytest.raises(ValueError, match="half"):
        fail_file(where)
    assert os.listdir(tmp_path) == []

    with new_file(where) as scratch:
        scratch.write_text("whole")

    assert where.read_text() == "whole"
    assert os.listdir(tmp_path) == ["q.onnx"]


def test_a_directory_in_a_files_place_is_named(tmp_path):
    with pytest.raises(OutputError, match="it is a directory"), new_file(tmp_path):
        pass
    with pytest.raises(OutputError, match="cannot write"), new_file(tmp_path / "none" / "q.onnx"):
        pass
