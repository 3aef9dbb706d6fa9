"""Cache entries are whole or absent, and made once."""

import multiprocessing
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from accelgen.cache import KEEP_SECONDS, cache_directory, cached, hash_of
from accelgen.errors import ToolError


def test_entry_is_made_once(tmp_path):
    made = []

    def make(where):
        made.append(where)
        (where / "file").write_text("content")

    first = cached(tmp_path / "shelf", "key", make)
    second = cached(tmp_path / "shelf", "key", make)

    assert first == second == tmp_path / "shelf" / "key"
    assert (first / "file").read_text() == "content"
    assert len(made) == 1


def test_failing_leaves_nothing(tmp_path):
    def fail(where):
        (where / "half").write_text("half")
        raise ToolError("no")

    with pytest.raises(ToolError, match="no"):
        cached(tmp_path, "key", fail)

    assert [p.name for p in tmp_path.iterdir()] == ["key.lock"]


def test_several_at_once_make_one(tmp_path):
    made = []

    def make(where):
        time.sleep(0.05)
        made.append(where)

    with ThreadPoolExecutor(8) as pool:
        entries = list(pool.map(lambda _: cached(tmp_path, "key", make), range(8)))

    assert set(entries) == {tmp_path / "key"}
    assert len(made) == 1


def _make_and_hang(where):
    (where / "half").write_text("half")
    (where.parents[1] / "started").touch()
    time.sleep(60)


def test_killed_process_leaves_no_entry_and_no_lock(tmp_path):
    process = multiprocessing.get_context("spawn").Process(
        target=cached, args=(tmp_path, "key", _make_and_hang)
    )
    process.start()
    for _ in range(500):
        if (tmp_path / "started").exists():
            break
        time.sleep(0.02)
    process.kill()
    process.join()

    assert (tmp_path / "started").exists()
    assert not (tmp_path / "key").exists()
    entry = cached(tmp_path, "key", lambda where: (where / "file").touch())
    assert [p.name for p in entry.iterdir()] == ["file"]


def test_entries_long_unused_are_forgotten(tmp_path):
    old = cached(tmp_path, "old", lambda where: (where / "file").touch())
    used = cached(tmp_path, "used", lambda where: None)
    long_ago = time.time() - KEEP_SECONDS - 1
    for path in (old, used):
        os.utime(path, (long_ago, long_ago))
    cached(tmp_path, "used", lambda where: None)

    cached(tmp_path, "new", lambda where: None)

    assert not old.exists()
    assert used.exists()


def test_unwritable_cache_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(ToolError, match=r"file/shelf cannot be written .*set ACCELGEN_CACHE"):
        cached(tmp_path / "file" / "shelf", "key", lambda where: None)


def test_cache_follows_the_environment(monkeypatch):
    monkeypatch.setenv("ACCELGEN_CACHE", "/somewhere")
    assert cache_directory() == Path("/somewhere")
    monkeypatch.delenv("ACCELGEN_CACHE")
    assert cache_directory().name == "accelgen"


def test_hash_sees_boundaries():
    assert hash_of("ab", "c") != hash_of("a", "bc")
    assert hash_of("a", b"b") == hash_of("a", "b")
