"""What check, estimate and quantize need is installed with accelgen; the rest, its extras bring."""

import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from accelgen import extras
from accelgen.errors import ToolError

ROOT = Path(__file__).parents[2]
DIGITS = ROOT / "tests" / "models" / "trained_digits_tiny.onnx"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

#: Run a command in a Python that has no module of an extra, and none that only those bring.
BARE = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocked())
sys.argv = {argv!r}
from accelgen.cli import main
main()
"""


def names_of(requirements):
    return {re.match(r"[\w-]+", r)[0] for r in requirements}


def modules_of(extra):
    """Modules that the distributions of ``extra`` bring, those of extras inside it too."""
    found = set()
    brought = importlib.metadata.packages_distributions()
    for requirement in PROJECT["optional-dependencies"][extra]:
        if inner := re.match(r"accelgen\[(\w+)\]", requirement):
            found |= modules_of(inner[1])
            continue
        (name,) = names_of([requirement])
        found |= {m for m, ds in brought.items() if name in map(str.lower, ds)}
    return found


BLOCKED = {m for e in PROJECT["optional-dependencies"] for m in modules_of(e)} | {"find_libpython"}


def bare(*argv, blocked=BLOCKED):
    code = BARE.format(blocked=blocked, argv=["accelgen", *map(str, argv)])
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )  # fmt: skip


@pytest.mark.parametrize(
    "argv",
    [
        ("check", DIGITS),
        ("estimate", DIGITS, "--json"),
        ("quantize", DIGITS, "-o", "q.onnx"),
        ("boards",),
        ("presets",),
        ("zoo", "export", "squeezenet1_1@64", "-o", "z.onnx"),
        ("results", "--help"),
    ],
    ids=lambda a: a[0],
)
def test_no_extra_is_imported(argv, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    assert {"amaranth", "cocotb", "onnxruntime", "jinja2", "pyosys", "mkdocs"} <= BLOCKED

    done = bare(*argv)

    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    if "--json" in argv:
        assert json.loads(done.stdout)["cycles"] > 0


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (("build", DIGITS, "-o", "p"), "amaranth, which is not installed: .*'accelgen[rtl]'"),
        (("simulate", DIGITS), "amaranth, which is not installed: .*'accelgen[simulate]'"),
    ],
    ids=["build", "simulate"],
)
def test_what_is_missing_is_one_sentence(argv, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    done = bare(*argv)

    assert done.returncode == 2
    assert re.search(sentence.replace("[", r"\["), done.stderr), done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_simulator_that_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    done = bare("simulate", DIGITS, blocked={"cocotb", "cocotb_tools"})

    assert done.returncode == 2
    assert "simulating needs cocotb" in done.stderr
    assert "pip install 'accelgen[simulate]'" in done.stderr


@pytest.mark.parametrize("extra", extras.EXTRAS)
def test_an_extra_brings_the_modules_that_are_asked_for(extra):
    extras.require(extra)

    needed = set(extras.EXTRAS[extra][1])
    assert needed <= modules_of(extra)


def test_the_python_api_says_the_same(monkeypatch):
    monkeypatch.setattr(extras.importlib.util, "find_spec", lambda name: None)

    with pytest.raises(ToolError, match=r"comparing with onnxruntime needs onnxruntime, which"):
        extras.require("reference")


def test_every_dependency_has_a_reason():
    lines = (ROOT / "pyproject.toml").read_text().splitlines()
    begin, end = lines.index("dependencies = ["), lines.index("[project.scripts]")
    group = lines.index("[dependency-groups]")
    asked = [
        line
        for line in lines[begin:end] + lines[group : group + 20]
        if re.match(r'  "[\w-]+', line)
    ]
    assert len(asked) >= 25
    assert [line for line in asked if not re.search(r'",\s+# [\w`]', line)] == []


def test_what_only_tests_use_is_not_asked_of_users():
    for asked in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()):
        assert not {"cocotbext-axi", "hypothesis", "pytest"} & names_of(asked)
