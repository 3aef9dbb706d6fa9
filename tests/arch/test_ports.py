"""The list of AXI masters, the hardware and the bench name the same ports and traffic."""

import re
from pathlib import Path

from accelgen.arch import PRESETS
from accelgen.arch.ports import AXI_MASTERS, TRAFFIC
from accelgen.rtl.top import Accelerator

BENCH = (Path(__file__).parents[2] / "sim" / "tb" / "tb.sv").read_text()


def test_the_hardware_has_these_masters_and_no_others():
    top = Accelerator(PRESETS["small"])
    top._MustUse__used = True  # looked at only: Amaranth would warn, whenever it is collected
    names = {name for name in top.signature.members if name[:2] == "m_"}

    assert names == {master.port for master in AXI_MASTERS}


def test_the_bench_has_their_channels():
    addresses = re.findall(r"logic \[39:0\] (m_axi_\w+)_a([rw])addr;", BENCH)

    assert addresses == [
        (master.port, way)
        for master in AXI_MASTERS
        for way, traffic in (("r", master.reads), ("w", master.writes))
        if traffic
    ]


def test_the_bench_counts_their_traffic_in_this_order():
    counters = re.findall(r"assign host_beats_(\w+) = beats\[(\d)\];", BENCH)

    assert counters == [(name, str(n)) for n, name in enumerate((*TRAFFIC, "ps"))]
