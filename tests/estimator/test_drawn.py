"""Networks that the model of time was not made with: drawn ones, on every preset."""

import pytest

from accelgen.arch.presets import PRESETS
from tests.estimator.drawn import LEAST_CYCLES, MOST_ERROR, measure


@pytest.mark.slow
@pytest.mark.parametrize("preset", PRESETS)
def test_drawn_networks_take_what_was_estimated(preset):
    # The last of the first kind waits for parameters of steps before it: 10 % off on ultra96 as
    # long as those on their way to the requantizer were not counted.
    frames = [*measure("nets", preset, 17, 5), *measure("banded_nets", preset, 6, 5)]

    assert len(frames) >= 6
    assert all(f.estimated >= LEAST_CYCLES for f in frames)
    assert not [f for f in frames if abs(f.error) > MOST_ERROR]
