"""Fully connected layers alone: as long as estimated, and right, at edges of what is counted."""

import pytest

from accelgen.arch.presets import PRESETS
from tests.estimator.fully_connected import MOST_ERROR, measure


def edges(arch):
    """Inputs around what the weight ring holds of one output group, around 8,192, and around the
    4,095 words per output group that commands once could count."""
    held, counted = arch.weight_words * arch.lanes, 4095 * arch.lanes
    inputs = {held - 1, held, held + 1, 8192, 8193, counted, counted + 1, 25088}
    return sorted(inputs)


@pytest.mark.slow
@pytest.mark.parametrize("preset", PRESETS)
def test_layers_at_the_edges_and_the_last_of_alexnet(preset):
    arch = PRESETS[preset]
    shapes = [(inputs, 8 * arch.lanes) for inputs in edges(arch)]

    layers = measure([*shapes, (4096, 1000)], preset)

    assert all(layer.match for layer in layers)
    assert not [layer for layer in layers if abs(layer.error) > MOST_ERROR]
