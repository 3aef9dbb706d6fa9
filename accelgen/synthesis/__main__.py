"""What Yosys maps a configuration to, beside the estimator's; status 1 if a clock rule breaks."""

import argparse
import sys

from accelgen.boards import DEFAULT_BOARD
from accelgen.ends import guarded
from accelgen.estimator.resources import total_resources
from accelgen.flow.hardware import target
from accelgen.synthesis import TOP, mapped_modules
from accelgen.synthesis.count import count_blocks
from accelgen.synthesis.netlist import flatten
from accelgen.synthesis.timing import print_violations, violations

__all__: list[str] = []

_KINDS = ("lut", "ff", "bram36", "dsp", "uram")


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--board", default=DEFAULT_BOARD)
    parser.add_argument("--preset")
    parser.add_argument("--config", help="a TOML file of knobs, over those of board or preset")
    parser.add_argument(
        "--blocks", action="store_true", help="block by block: quicker where little has changed"
    )
    parser.add_argument("--depth", type=int, default=3, help="levels of the hierarchy to print")
    options = parser.parse_args()
    hardware = target(options.board, preset=options.preset, config=options.config)
    modules = mapped_modules(hardware, flat=not options.blocks)
    print(f"{'':44}{'LUT':>9}{'FF':>9}{'BRAM36':>9}{'DSP':>9}{'URAM':>9}")
    for path, used in sorted(count_blocks(modules, TOP).items()):
        if path.count(".") <= options.depth:
            print(f"{path:44}" + "".join(f"{getattr(used, kind):9g}" for kind in _KINDS))
    estimated = total_resources(hardware.arch)
    print(f"{'estimated':44}" + "".join(f"{getattr(estimated, kind):9.6g}" for kind in _KINDS))
    found = violations(flatten(modules, TOP))
    print_violations(found)
    if found:
        sys.exit(1)


if __name__ == "__main__":
    guarded(lambda: _main)
