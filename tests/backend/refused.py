"""Which of ONNX's node tests are refused, and the list of them that is kept."""

from __future__ import annotations

from pathlib import Path

from tests.backend.node_cases import judge, node_cases

__all__ = ["REFUSED", "kept", "page", "refusals"]

#: A line per refused case: its name, a tab, the sentence.
REFUSED = Path(__file__).with_name("refused.txt")


def refusals() -> dict[str, str]:
    """Sentences by case. Raises AssertionError on a case that is read and gives other numbers."""
    answers = {case.name: judge(case) for case in node_cases()}
    return {name: answer for name, answer in answers.items() if answer != "equal"}


def page(found: dict[str, str]) -> str:
    """What is kept of ``found``."""
    return "".join(f"{name}\t{sentence}\n" for name, sentence in sorted(found.items()))


def kept() -> dict[str, str]:
    """The refusals that are known."""
    return dict(line.split("\t", 1) for line in REFUSED.read_text().splitlines())
