"""No board is slower than a smaller one: what has more of everything loses nothing by its defaults.

One network here, that which suffers most from a small feature memory. All of the zoo's (ten minutes):
``ZOO=all python -m pytest tests/boards/test_order.py``.
"""

import os

import pytest

from accelgen import pipeline, zoo

#: By multipliers, then by DDR.
ORDER = ("pynq-z2", "ultra96v1", "ultra96v2", "aup-zu3", "kv260", "zcu104")
NETWORKS = zoo.names() if os.environ.get("ZOO") == "all" else ("squeezenet1_1",)


def frames_per_second(loaded, int8, board):
    hardware = pipeline.target(board)
    return pipeline.estimate(pipeline.scheduled(loaded, int8, arch=hardware.arch), hardware).fps


def test_every_board_is_in_the_order():
    known = {name: pipeline.target(name).board for name in ORDER}

    from accelgen.boards import board_names

    assert sorted(ORDER) == sorted(board_names())
    sizes = [(b.budget.dsp, b.ddr.peak_gbs) for b in known.values()]
    assert sizes == sorted(sizes)


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS)
def test_no_board_is_slower_than_a_smaller_one(network):
    loaded = pipeline.load(f"zoo:{network}")
    int8, _ = pipeline.quantized(loaded)
    # Both Ultra96 are the same but for their names.
    fps = {b: frames_per_second(loaded, int8, b) for b in ORDER if b != "ultra96v1"}

    for smaller, board in zip(fps, list(fps)[1:], strict=False):
        # A thousandth: cuts and bands are searched for, not proved.
        assert fps[board] >= 0.999 * fps[smaller], f"{board} is slower than {smaller}: {fps}"
