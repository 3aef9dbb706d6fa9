"""No board is slower than a smaller one.

SqueezeNet depends most on the feature memory of all networks of the zoo: its maps are large for
what it computes. (All networks: ``python -m accelgen.bench --estimate`` for each board.)
"""

import pytest

from accelgen.bench.run_networks import run_networks
from accelgen.pipeline import target

#: From the smallest part on; the Ultra96 has the slowest memory.
BOARDS = ["ultra96v2", "aup-zu3", "kv260", "zcu104"]


@pytest.mark.slow
def test_a_larger_board_is_not_slower():
    rates = [
        result.fps
        for board in BOARDS
        for result in run_networks(
            ["squeezenet1_1"], target(board), simulate=False, progress=False, say=print
        )
    ]

    assert rates == sorted(rates), dict(zip(BOARDS, rates, strict=True))
