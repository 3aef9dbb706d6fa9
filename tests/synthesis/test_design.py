"""The whole design keeps the rules of accelgen.synthesis.timing; the default one the part's limits.

Mapped blocks come from the cache of :func:`accelgen.synthesis.mapped_modules`, which everything
that looks at a configuration shares: only a block that changed is mapped again.
"""

import pytest

from accelgen.pipeline import target
from accelgen.synthesis import TOP, mapped_modules
from accelgen.synthesis.count import count_blocks
from accelgen.synthesis.netlist import flatten
from accelgen.synthesis.timing import violations

pytest.importorskip("pyosys")


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["ultra96", "ultra96_double"])
def test_no_rule_of_the_clocks_is_broken(preset):
    modules = mapped_modules(target("ultra96v2", preset=preset))

    found = violations(flatten(modules, TOP))

    assert not found, "\n".join(f"{v.rule} {v.value} {' > '.join(v.where)}" for v in found)


@pytest.mark.slow
def test_it_leaves_room_on_the_part():
    modules = mapped_modules(target("ultra96v2", preset="ultra96_double"))

    used = count_blocks(modules, TOP)[TOP]

    assert used.dsp <= 360
    assert used.bram36 <= 216
    assert used.lut <= 60_000
    assert used.ff <= 120_000
