"""Every block of the hardware has a test of its own name."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# What only declares, or only connects blocks that have their benches.
WITHOUT = {
    "__init__.py",
    "emit.py",
    "layouts.py",
}

BLOCKS = sorted(
    p.relative_to(ROOT / "accelgen" / "rtl")
    for p in (ROOT / "accelgen" / "rtl").rglob("*.py")
    if p.name not in WITHOUT
)


def tests_of_rtl():
    return "\n".join(p.read_text() for p in (ROOT / "tests").rglob("test_*.py"))


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_block_is_named_by_a_test(block):
    module = "accelgen.rtl." + ".".join(block.with_suffix("").parts)

    assert module in tests_of_rtl(), f"no test imports {module}"
