"""What a package takes of the part, and that it keeps the rules of accelgen.synthesis.timing.

The default design is mapped whole and flat, which takes five minutes of one core; what was mapped
before comes from the cache of :func:`accelgen.synthesis.mapped_modules`. So one test looks at all
of it: two would map it twice, side by side.
"""

import pytest

from accelgen.estimate.resources import total_resources
from accelgen.pipeline import target
from accelgen.synthesis import TOP, mapped_modules
from accelgen.synthesis.count import count_blocks
from accelgen.synthesis.netlist import flatten
from accelgen.synthesis.timing import violations

pytest.importorskip("pyosys")

#: Of the ZU3EG's 70,560 LUT, 141,120 FF, 216 BRAM36 and 360 DSP.
MOST = {"lut": 62_000, "ff": 120_000, "bram36": 216, "dsp": 360, "uram": 0}
#: Share by which the estimate may be off; DSP, block RAM and UltraRAM are counted.
BAND = {"lut": 0.10, "ff": 0.10, "bram36": 0, "dsp": 0, "uram": 0}


def broken_rules(modules):
    return [f"{v.rule} {v.value} {' > '.join(v.where)}" for v in violations(flatten(modules, TOP))]


@pytest.mark.slow
def test_the_default_design_fits_keeps_its_clocks_and_is_what_the_estimate_says():
    hardware = target("ultra96v2")
    modules = mapped_modules(hardware, flat=True)

    used = count_blocks(modules, TOP)[TOP]
    estimated = total_resources(hardware.arch)
    assert list(modules) == [TOP]
    for kind, most in MOST.items():
        count = getattr(used, kind)
        assert count <= most, f"{count} {kind}"
        assert getattr(estimated, kind) == pytest.approx(count, rel=BAND[kind], abs=0), kind
    assert broken_rules(modules) == []


@pytest.mark.slow
def test_the_design_of_one_clock_keeps_its_rules_block_by_block():
    assert broken_rules(mapped_modules(target("ultra96v2", preset="ultra96"))) == []
