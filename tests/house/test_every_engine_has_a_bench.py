"""Every block of the hardware is on a bench: its own, or that of the block it is a part of."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RTL = ROOT / "accelgen" / "rtl"
# What only declares, or connects the whole: whole frames are simulated in tests/simulation.
WITHOUT = {"__init__", "emit", "layouts", "axi4", "axi4lite", "top", "datapath", "core"}

BLOCKS = {
    "accelgen.rtl." + ".".join(p.relative_to(RTL).with_suffix("").parts): p
    for p in sorted(RTL.rglob("*.py"))
    if p.stem not in WITHOUT and not p.stem.endswith("_path")
}
PARTS = {
    name: set(re.findall(r"from (accelgen\.rtl\.[\w.]+) import", path.read_text()))
    for name, path in BLOCKS.items()
}
BENCHES = [path.read_text() for path in (ROOT / "tests" / "rtl").rglob("*.py")]
# tests/helpers/blocks.py makes blocks with a configuration's sizes: functions named like modules.
MADE = {
    alias.name
    for text in BENCHES
    for node in ast.walk(ast.parse(text))
    if isinstance(node, ast.ImportFrom) and node.module == "tests.helpers.blocks"
    for alias in node.names
}
TESTED = {
    name for text in BENCHES for name in re.findall(r"from (accelgen\.rtl\.[\w.]+) import", text)
} | {name for name in BLOCKS if name.rpartition(".")[2] in MADE}


def on_a_bench(name, seen=()):
    """A test imports the block, or a block on a bench has it as a part."""
    if name in TESTED:
        return True
    users = {user for user, parts in PARTS.items() if name in parts} - set(seen)
    return any(on_a_bench(user, (*seen, name)) for user in users)


@pytest.mark.parametrize("name", BLOCKS)
def test_block_is_on_a_bench(name):
    assert on_a_bench(name), f"no test under tests/rtl drives {name}, nor a block that holds it"


def test_a_block_nobody_tests_would_be_seen():
    assert not on_a_bench("accelgen.rtl.window.nothing")
