"""Generated pages are fresh, links lead somewhere, and nothing speaks of one machine."""

import re
from pathlib import Path

import pytest

from accelgen.flow.docs import PAGES

ROOT = Path(__file__).parents[2]
TEXTS = sorted([
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "tests").rglob("*.md"),
    *(ROOT / "rtl_templates").glob("*"),
])
#: Columns of a page's lines.
WIDTH = 120
#: Templates, whose lines are filled in later, and a table that a command makes.
LONG = {"operators.md", "package_readme.md.j2", "vivado_section.md.j2"}
#: Pages of others that ours speak of, and templates.
ELSEWHERE = {"cortex-a53.md", "arm-a53-a55-dual-issue.md", "package_readme.md", "vivado_section.md"}
SOURCES = sorted(
    path
    for folder in ("accelgen", "sim", "examples")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in {".py", ".c", ".h", ".sv"}
)


@pytest.mark.parametrize("name", PAGES)
def test_generated_page_is_fresh(name):
    assert (ROOT / "docs" / name).read_text() == PAGES[name](), f"docs/{name}: run `make docs`"


@pytest.mark.parametrize("path", TEXTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_to_files_exist(path):
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text()):
        assert (path.parent / link).exists(), f"{path.name} links to {link}"


@pytest.mark.parametrize("path", TEXTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_lines_fit_the_page(path):
    lines = path.read_text().splitlines() if path.suffix == ".md" and path.name not in LONG else []

    assert [n for n, line in enumerate(lines, 1) if len(line) > WIDTH] == []


@pytest.mark.parametrize("path", [*TEXTS, *SOURCES], ids=lambda p: str(p.relative_to(ROOT)))
def test_pages_that_are_named_exist(path):
    """In sentences too, not in links alone."""
    for name in re.findall(r"(?<![\w/.:*{}<>-])(?:\.\./)?[\w./-]*\w\.md\b", path.read_text()):
        places = (ROOT / name, ROOT / "docs" / name, path.parent / name)
        assert Path(name).name in ELSEWHERE or any(p.exists() for p in places), f"no page {name}"


@pytest.mark.parametrize("path", [*TEXTS, *SOURCES], ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_outside_the_repository_is_meant(path):
    assert "../shared" not in path.read_text()


@pytest.mark.parametrize("path", TEXTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_paths_of_one_machine(path):
    assert not re.search(r"/(work|home|root|tmp)/\w", path.read_text())
