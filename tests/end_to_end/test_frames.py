"""Whole frames of real networks: generated RTL == golden model, and the estimate is close.

Of the large networks, ``make test`` simulates each on two presets, undisturbed on one and with
pauses on the other; ``FRAMES=all`` in the environment takes every combination.
"""

import os
from functools import cache
from pathlib import Path

import pytest

import accelgen
from accelgen.flow.compiled import scheduled
from accelgen.flow.network import quantized

MODELS = Path(__file__).parents[1] / "models"
#: Largest error of the estimated frame against the simulated one, without back-pressure: a share
#: of it, or some cycles per step, which is all there is to the smallest network's 1,000.
ESTIMATE_ERROR, CYCLES_PER_STEP = 0.02, 10

SMALL_NETWORKS = ["trained_digits_tiny", "trained_fmnist_dscnn", "trained_fmnist_effse"]
LARGE_NETWORKS = ["trained_squeezenet1_1", "zoo:mobilenet_v2@224", "zoo:efficientnet_b0@224"]
ALL = os.environ.get("FRAMES") == "all"
#: Preset and the chance of a pause.
PLACES = [("ultra96_double", 0.0), ("ultra96", 0.3)]
PLACES += [("ultra96_double", 0.3), ("ultra96", 0.0)] if ALL else []
#: Whose every layer is simulated alone: the second has all kinds that the third has but its gates.
ALONE = LARGE_NETWORKS if ALL else LARGE_NETWORKS[:2]


@cache
def int8(network):
    model = network if network.startswith("zoo:") else MODELS / f"{network}.onnx"
    calib = MODELS / f"{network}_test.npz"
    loaded = accelgen.load(model)
    return loaded, quantized(loaded, calib=calib if calib.exists() else None)[0]


@cache
def compiled(network, preset):
    return scheduled(*int8(network), accelgen.target("ultra96v2", preset=preset))


def assert_frame(network, preset, stalls):
    hardware = accelgen.target("ultra96v2", preset=preset, stalls=stalls)

    result = accelgen.simulate(compiled(network, preset), hardware, seed=1)

    assert result.match, result.faults
    assert all(layer.match for layer in result.layers)
    assert sum(layer.elements for layer in result.layers) > 0
    if not stalls:
        steps = len(compiled(network, preset).program.steps)
        assert result.frame.estimated_cycles == pytest.approx(
            result.frame.cycles, rel=ESTIMATE_ERROR, abs=CYCLES_PER_STEP * steps
        )


@pytest.mark.slow
@pytest.mark.parametrize("stalls", [0.0, 0.3])
@pytest.mark.parametrize("preset", ["small", "ultra96"])
@pytest.mark.parametrize("network", SMALL_NETWORKS)
def test_frame_of_a_trained_network(network, preset, stalls):
    assert_frame(network, preset, stalls)


# The small preset takes six times as long for these: docs/verification.md has it.
@pytest.mark.slow
@pytest.mark.parametrize(("preset", "stalls"), PLACES)
@pytest.mark.parametrize("network", LARGE_NETWORKS)
def test_frame_at_full_size(network, preset, stalls):
    assert_frame(network, preset, stalls)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "preset"),
    [*((n, "small") for n in SMALL_NETWORKS), *((n, "ultra96_double") for n in ALONE)],
)
def test_every_layer_alone(network, preset):
    hardware = accelgen.target("ultra96v2", preset=preset)

    result = accelgen.simulate(compiled(network, preset), hardware, layers="all", frame=False)

    assert result.match, result.faults
    steps = [layer for layer in result.layers if layer.cycles is not None]
    assert len(steps) == len(compiled(network, preset).program.steps)
    assert all(layer.elements > 0 for layer in steps)
