"""What a package takes of the part, and that it keeps the rules of accelgen.synthesis.timing.

The default design's text is counted and held to the rules whole and flat, which takes six minutes
of one core. ``ultra96`` is held to them block by block: what was mapped before comes from the cache
of :func:`accelgen.synthesis.mapped_modules`, only blocks that have changed are mapped again.
"""

import pytest

from accelgen.estimator.resources import total_resources
from accelgen.flow.hardware import target
from accelgen.synthesis import TOP, mapped_modules
from accelgen.synthesis.count import count_blocks
from accelgen.synthesis.netlist import flatten
from accelgen.synthesis.timing import violations

pytest.importorskip("pyosys")

#: Of the ZU3EG's 70,560 LUT, 141,120 FF, 216 BRAM36 and 360 DSP.
MOST = {"lut": 56_000, "ff": 120_000, "bram36": 216, "dsp": 360, "uram": 0}
#: Share by which the estimate may be off; DSP, block RAM and UltraRAM are counted.
BAND = {"lut": 0.10, "ff": 0.10, "bram36": 0, "dsp": 0, "uram": 0}


def assert_no_rule_is_broken(modules):
    found = violations(flatten(modules, TOP))

    assert not found, "\n".join(f"{v.rule} {v.value} {' > '.join(v.where)}" for v in found)


@pytest.mark.slow
def test_the_default_design_whole_and_flat_fits_and_keeps_the_rules_of_the_clocks():
    hardware = target("ultra96v2")

    modules = mapped_modules(hardware, flat=True)

    assert_no_rule_is_broken(modules)
    used = count_blocks(modules, TOP)[TOP]
    estimated = total_resources(hardware.arch)
    assert list(modules) == [TOP]
    for kind, most in MOST.items():
        count = getattr(used, kind)
        assert count <= most, f"{count} {kind}"
        assert getattr(estimated, kind) == pytest.approx(count, rel=BAND[kind], abs=0), kind


@pytest.mark.slow
def test_no_rule_of_the_clocks_is_broken_block_by_block_without_double_pumping():
    assert_no_rule_is_broken(mapped_modules(target("ultra96v2", preset="ultra96")))
