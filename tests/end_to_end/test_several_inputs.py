"""Networks with several inputs: the generated RTL, and a package's own driver on it."""

import numpy as np
import pytest

import accelgen
from accelgen.flow import driven, packages
from tests.helpers.cli import run
from tests.helpers.several_inputs import MODELS, gated, given, save_given


@pytest.mark.slow
@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_a_frame_is_bit_exact(tmp_path, make):
    """On inputs of a file, and on random ones from the command line."""
    net, calib = save_given(make(), tmp_path)

    result = accelgen.simulate(net, accelgen.target(preset="small"), calib=calib, shown=calib)
    shown = run("simulate", net, "--frame", "--preset", "small", "--calib", calib, "--seed", "3")

    assert result.match, result.faults
    assert sum(layer.elements for layer in result.layers) > 0
    assert shown.status == 0, shown.err
    if make is not MODELS["late"]:
        alone = accelgen.simulate(
            net, accelgen.target(preset="small"), calib=calib, layers="all", frame=False
        )
        assert alone.match


@pytest.mark.slow
def test_the_driver_on_the_bench(tmp_path):
    net, calib = save_given(gated(), tmp_path)
    where = tmp_path / "package"
    packages.build(net, where, accelgen.target(preset="small"), calib=calib)
    x = {name: v.transpose(0, 2, 3, 1) for name, v in given(gated(), 3, seed=5).items()}

    result = driven.drive(where, inputs=x)
    own = run("simulate", where)

    assert (result.frames, result.faults) == (3, ())
    assert own.status == 0, own.err
    with np.load(where / "expected.npz") as stored:
        assert {"input_0", "input_1", "input_float_0", "input_float_1"} <= set(stored.files)
