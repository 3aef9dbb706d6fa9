"""The table of what the processor computes: whole, and in step with the library."""

import re

import pytest

from accelgen.ir.traits import Operation
from accelgen.ps.operators import OPERATORS, StepKernel
from accelgen.ps.runner import SOURCES


def kinds(of=Operation):
    for kind in of.__subclasses__():
        yield kind
        yield from kinds(kind)


ONLY_ON_PS = {kind for kind in kinds() if kind.int8 and kind.on_ps}


@pytest.mark.parametrize("kind", sorted(ONLY_ON_PS, key=str), ids=lambda kind: kind.__name__)
def test_what_only_the_ps_computes_it_can(kind):
    assert kind in OPERATORS


def test_kernels_have_the_librarys_numbers():
    text = (SOURCES / "frame.h").read_text()
    body = re.search(r"typedef enum \{(.*?)\} agps_step_kernel", text, re.S)[1]
    names = re.findall(r"AGPS_STEP_(\w+)(?: = 1)?,", body)

    assert names == [kernel.name for kernel in StepKernel]
    assert [kernel.value for kernel in StepKernel] == list(range(1, len(names) + 1))
