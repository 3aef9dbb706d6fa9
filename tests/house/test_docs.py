"""Generated pages are fresh, links lead somewhere, and nothing speaks of one machine."""

import re
from pathlib import Path

import pytest

from accelgen.deploy.docs import PAGES

ROOT = Path(__file__).parents[2]
TEXTS = sorted([
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "tests").rglob("*.md"),
    *(ROOT / "rtl_templates").glob("*"),
])


@pytest.mark.parametrize("name", PAGES)
def test_generated_page_is_fresh(name):
    assert (ROOT / "docs" / name).read_text() == PAGES[name](), f"docs/{name}: run `make docs`"


@pytest.mark.parametrize("path", TEXTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_to_files_exist(path):
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text()):
        assert (path.parent / link).exists(), f"{path.name} links to {link}"


@pytest.mark.parametrize("path", TEXTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_paths_of_one_machine(path):
    assert not re.search(r"/(work|home|root|tmp)/\w", path.read_text())
