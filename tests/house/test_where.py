"""Every module has a test of its name, or a line in tests/README.md says where it is tested."""

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
MODULES = sorted(
    path.relative_to(ROOT / "accelgen")
    for path in (ROOT / "accelgen").rglob("*.py")
    if not path.name.startswith("__")
)


def lines():
    """Of the page: patterns of modules, and names of tests."""
    for row in re.findall(
        r"^\| (`.*) \| (.*) \|$", (TESTS / "README.md").read_text(), re.MULTILINE
    ):
        yield tuple(re.findall(r"`([^`]+)`", cell) for cell in row)


LINES = list(lines())


def has_its_own(module):
    folder = Path(module.stem) if len(module.parts) == 1 else module.parent
    return (TESTS / folder / f"test_{module.name}").exists()


def is_named(module):
    return any(fnmatch(str(module), p) for patterns, _ in LINES for p in patterns)


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_it_is_said_where_a_module_is_tested(module):
    assert has_its_own(module) or is_named(module), (
        f"write tests/{module.parent}/test_{module.name}, or say in tests/README.md where it is"
    )


def test_the_page_names_tests_that_are_there():
    assert len(LINES) > 50
    for _, names in LINES:
        assert names
        for name in names:
            assert (TESTS / name).is_file(), name


def test_a_module_that_is_named_has_no_test_of_its_own():
    named = {Path(p) for patterns, _ in LINES for p in patterns if "*" not in p}

    own = [str(p) for p in named if has_its_own(p)]
    gone = [str(p) for p in named if p not in MODULES]
    assert (own, gone) == ([], []), "take these lines out of tests/README.md"
