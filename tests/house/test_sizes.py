"""Files and functions stay small enough to read."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILE_LINES = 400
FUNCTION_LINES = 60
#: A block diagram takes a line per connection.
ELABORATE_LINES = 80
VAGUE = {"utils", "util", "common", "misc", "base", "helpers"}

SOURCES = sorted((ROOT / "accelgen").rglob("*.py"))


def functions(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def code_lines(node):
    """Lines of a function's body without its docstring: a contract may be as long as it must."""
    first = node.body[0]
    docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    start = first.end_lineno + 1 if docstring else first.lineno
    return node.end_lineno - start + 1


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_file_is_small_and_has_a_name_and_a_docstring(path):
    text = path.read_text()

    assert len(text.splitlines()) <= FILE_LINES
    assert path.stem not in VAGUE
    assert not text.strip() or ast.get_docstring(ast.parse(text)), "no module docstring"


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_functions_fit_a_screen(path):
    for node in functions(path):
        limit = ELABORATE_LINES if node.name == "elaborate" else FUNCTION_LINES

        assert code_lines(node) <= limit, f"{node.name} has {code_lines(node)} lines"
