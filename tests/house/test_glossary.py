"""The glossary stays small, and says each word once."""

import re
from pathlib import Path

GLOSSARY = Path(__file__).parents[2] / "docs" / "glossary.md"


def _terms() -> list[str]:
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", GLOSSARY.read_text(), re.MULTILINE)
    names = [name for name, _ in rows if name not in {"term", "---"}]
    return [re.sub(r" \(.*\)", "", one) for name in names for one in name.split(", ")]


def test_at_most_forty_terms():
    assert 30 <= len(_terms()) <= 40


def test_each_term_once():
    assert sorted(set(_terms())) == sorted(_terms())
