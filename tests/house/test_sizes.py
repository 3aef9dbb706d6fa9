"""Files and functions stay small enough to read."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILE_LINES = 400
FUNCTION_LINES = 60
#: What is longer, and why; up to:
LONG_LINES = 80
#: File: why its ``elaborate`` would be harder to follow in pieces.
LONG = {
    "rtl/array/array_path.py": "a block diagram: a connection a line",
    "rtl/array/array_reader.py": "a pipeline: its cycles read from top to bottom",
    "rtl/control/sequencer.py": "a block diagram of fetch, gate and dispatch",
    "rtl/core.py": "a block diagram: a connection a line",
    "rtl/datapath.py": "a block diagram: a connection a line",
    "rtl/memory/block_ring.py": "pointers of words and blocks that move together",
    "rtl/memory/feature_memory.py": "clients of one port, side by side",
    "rtl/memory/row_reader.py": "one loop over rows and groups, its request and its answer",
    "rtl/requantize/acc_queue.py": "a write side and a read side that share their pointers",
    "rtl/transfer/bursts.py": "a state machine of two cycles",
    "rtl/transfer/dma_read.py": "a burst and its faults in the same cycle",
    "rtl/window/window_ring.py": "a write side and a read side that share their pointers",
    "rtl/window/window_rows.py": "a pipeline of four cycles, one after the other",
}
VAGUE = {"utils", "util", "common", "misc", "base", "helpers"}

SOURCES = sorted((ROOT / "accelgen").rglob("*.py"))
#: Tests that are a program of their own.
FUZZER = sorted((ROOT / "tests" / "fuzz").glob("*.py"))


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


@pytest.mark.parametrize("path", [*SOURCES, *FUZZER], ids=lambda p: str(p.relative_to(ROOT)))
def test_file_is_small_and_has_a_name_and_a_docstring(path):
    text = path.read_text()

    assert len(text.splitlines()) <= FILE_LINES
    assert path.stem not in VAGUE
    assert not text.strip() or ast.get_docstring(ast.parse(text)), "no module docstring"


def is_long(path):
    """Whether it may hold a long ``elaborate``."""
    return path.relative_to(ROOT / "accelgen").as_posix() in LONG


@pytest.mark.parametrize("path", [*SOURCES, *FUZZER], ids=lambda p: str(p.relative_to(ROOT)))
def test_functions_fit_a_screen(path):
    for node in functions(path):
        limit = LONG_LINES if node.name == "elaborate" and is_long(path) else FUNCTION_LINES

        assert code_lines(node) <= limit, f"{node.name} has {code_lines(node)} lines"


def test_a_reason_is_for_a_function_that_is_long():
    long = {
        path.relative_to(ROOT / "accelgen").as_posix()
        for path in SOURCES
        for node in functions(path)
        if code_lines(node) > FUNCTION_LINES
    }

    assert set(LONG) <= long, "take it off the list"
