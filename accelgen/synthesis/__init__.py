"""Yosys on the text of a package: what a configuration takes of a Xilinx part, and how deep it is.

``python -m accelgen.synthesis --preset small`` prints counts beside the estimator's,
``python -m accelgen.synthesis.timing --preset small`` what would keep it from its clock. Both map
the design whole and flat, or with ``--blocks`` block by block, which takes a new look only at those
that have changed. They need ``pyosys``, of the extra ``synth``, and minutes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from accelgen.arch.registers import TOP
from accelgen.rtl.design import design_verilog
from accelgen.synthesis.yosys import map_modules

if TYPE_CHECKING:
    from accelgen.flow.hardware import Target

__all__ = ["TOP", "map_modules", "mapped_modules"]


def mapped_modules(hardware: Target, *, flat: bool = False) -> dict[str, dict[str, Any]]:
    """Netlists of the blocks of a board's configuration; the whole is ``TOP``, the only one if
    ``flat``."""
    family = hardware.family
    text = design_verilog(hardware.arch, family)
    return map_modules(text, top=TOP, family=family, flat=flat)
