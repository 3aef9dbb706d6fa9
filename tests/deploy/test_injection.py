"""Names from models, files and boards that try to be programs: every file of a package still is
what it was, and nothing in them is carried out."""

import ast
import json
import shutil
import subprocess
import sys
from dataclasses import replace

import onnx
import pytest
from markdown_it import MarkdownIt

from accelgen.arch import PRESETS
from accelgen.boards import load_board
from accelgen.frontend import load_onnx
from accelgen.inputs.samples import random_samples
from accelgen.passes import run_passes
from accelgen.program.text import program_text
from accelgen.quant import quantize
from accelgen.schedule import schedule
from tests.deploy.conftest import MODELS
from tests.deploy.test_package import written
from tests.helpers.nasty import NASTY
from tests.helpers.vivado import run_script

#: Each would leave a file OWNED, or break what it is in.
POISON = (
    '"""\nopen("OWNED", "w")\n"""',
    "'''\nopen('OWNED', 'w')\n'''",
    "[exec touch OWNED]",
    '"; exec touch OWNED; "',
    "}; exec touch OWNED; {",
    "\\u005bexec touch OWNED\\u005d",
    "$(touch OWNED)",
    "$(shell touch OWNED)",
    "`touch OWNED`",
    "'; touch OWNED; '",
    "\n\ttouch OWNED\n",
    "*/\n#error OWNED\n/*",
    "</code><script>OWNED()</script>",
    "\0",
)
FINE = "plain"


def package_of(where, program, poison):
    """A package whose model and board are called ``poison``."""
    where.mkdir()
    board = replace(load_board("ultra96v2"), title=poison)
    return written(where, program, board, model=poison)


def markdown_blocks(path):
    """What a page is made of: block by block, and what is in its lines besides text."""
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(path.read_text())
    inner = [{c.type for c in t.children} - {"text", "text_special"} for t in tokens if t.children]
    return [(t.type, t.markup) for t in tokens], inner


def check(where, fine):
    """Every file of package ``where`` reads as in ``fine``, and running them does nothing else."""
    for path in sorted(p for p in where.rglob("*") if p.is_file()):
        twin = fine / path.relative_to(where)
        if path.read_bytes() == twin.read_bytes():
            continue  # no name is in it
        if path.suffix == ".py":
            ast.parse(path.read_text())
        elif path.suffix in (".h", ".c"):
            compiler = shutil.which("gcc") or shutil.which("g++")
            command = [compiler, "-fsyntax-only", "-x", "c", "-I", path.parent, path]
            subprocess.run(command, check=True)
        elif path.suffix == ".md":
            assert markdown_blocks(path) == markdown_blocks(twin)
        elif path.suffix == ".ipynb":
            for cell in json.loads(path.read_text())["cells"]:
                if cell["cell_type"] == "code":
                    ast.parse("".join(cell["source"]))
        elif path.suffix == ".json":
            json.loads(path.read_text())
        elif path.name == "Makefile" or path.suffix == ".sh":
            pytest.fail(f"a name is in {path.name}: no test here reads that language")
    if shutil.which("tclsh"):
        assert run_script(where, "ultra96v2").error == ""
    assert not list(where.rglob("OWNED*"))


@pytest.mark.parametrize("poison", [*POISON, "".join(POISON), "".join(NASTY), ""])
def test_a_models_and_a_boards_name_stay_names(tmp_path, digits, poison):
    fine = package_of(tmp_path / "fine", digits[1], FINE)
    where = package_of(tmp_path / "poisoned", digits[1], poison)

    assert json.loads((where / "manifest.json").read_text())["model"] == poison
    check(where, fine)


@pytest.mark.parametrize("script", ["example.py", "selftest.py"])
def test_a_script_of_a_poisoned_package_runs_as_far_as_the_missing_board(tmp_path, digits, script):
    where = package_of(tmp_path / "poisoned", digits[1], "".join(POISON))

    command = [sys.executable, script, "x.png"]
    done = subprocess.run(command, cwd=where, capture_output=True, text=True, check=False)

    assert done.returncode != 0
    assert "SyntaxError" not in done.stderr
    assert not list(where.rglob("OWNED*"))


def test_names_of_nodes_and_tensors_stay_names(tmp_path, digits):
    fine = package_of(tmp_path / "fine", digits[1], FINE)
    model = onnx.load(MODELS / "trained_digits_tiny.onnx")
    renamed = {}

    def name(old):
        return renamed.setdefault(old, f"{POISON[len(renamed) % len(POISON)]}{len(renamed)}")

    graph = model.graph
    for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
        value.name = name(value.name)
    for node in graph.node:
        node.name = name(node.name)
        node.input[:] = [name(x) if x else x for x in node.input]
        node.output[:] = [name(x) for x in node.output]
    imported = load_onnx(model)
    int8 = quantize(run_passes(imported.graph), random_samples((1, 8, 8, 1), 0))
    program = schedule(int8.graph, PRESETS["small"])

    (tmp_path / "poisoned").mkdir()
    where = written(tmp_path / "poisoned", program, listing=program_text(program))

    manifest = json.loads((where / "manifest.json").read_text())
    assert 'open("OWNED", "w")' in manifest["input"]["tensor"]
    check(where, fine)
