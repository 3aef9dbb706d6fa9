"""Every test asserts something, in itself or by a helper whose name begins with ``assert_``."""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
FILES = sorted(TESTS.rglob("*.py"))
#: Calls that fail a test: pytest's own, and those of ``tests.helpers.simulate``: benches assert.
FAILS = {"raises", "warns", "fail", "simulate", "simulate_all", "simulate_archs"}


def functions(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def called(node):
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def asserts(function):
    return any(
        isinstance(node, ast.Assert)
        or (
            isinstance(node, ast.Call)
            and (called(node) in FAILS or called(node).startswith("assert_"))
        )
        for node in ast.walk(function)
    )


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(TESTS)))
def test_what_says_that_it_asserts_does(path):
    silent = [
        f.name
        for f in functions(path)
        if f.name.startswith(("test_", "assert_")) and not asserts(f)
    ]

    assert silent == []


def test_a_silent_test_is_seen():
    (silent, loud) = ast.parse(
        "def test_a():\n    run()\n\ndef test_b():\n    assert_equal(run(), 1)"
    ).body

    assert not asserts(silent)
    assert asserts(loud)
