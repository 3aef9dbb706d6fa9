"""The resource model against Yosys on whole designs, and its own rules."""

from dataclasses import replace

import pytest

from accelgen.arch import PRESETS, ArchParams
from accelgen.estimator.resources import Resources, exceeded, module_resources, total_resources

#: What `python -m accelgen.synthesis --blocks --preset NAME` printed (Yosys 0.70, pyosys), of the
#: last without `--blocks`: it is mapped flat in tests/synthesis/test_design.py too.
YOSYS = {
    "small": {"lut": 16438, "ff": 19205, "bram36": 142.5, "dsp": 105},
    "ultra96": {"lut": 39224, "ff": 42991, "bram36": 197.5, "dsp": 353},
    "ultra96_double": {"lut": 55266, "ff": 82729, "bram36": 214.5, "dsp": 353},
}
#: Share by which the model may be off.
BAND = {"lut": 0.10, "ff": 0.10, "bram36": 0, "dsp": 0}


@pytest.mark.parametrize("preset", YOSYS)
@pytest.mark.parametrize("kind", BAND)
def test_model_is_close_to_yosys(preset, kind):
    estimated = getattr(total_resources(PRESETS[preset]), kind)

    assert estimated == pytest.approx(YOSYS[preset][kind], rel=BAND[kind], abs=0)


def test_total_is_the_sum_of_the_modules():
    modules = module_resources(ArchParams())

    assert total_resources(ArchParams()).lut == pytest.approx(sum(m.lut for m in modules.values()))


def test_packing_halves_the_arrays_dsps():
    single = module_resources(ArchParams(pe_mode="single"))["pe_array"].dsp
    packed = module_resources(ArchParams(pe_mode="packed"))["pe_array"].dsp

    assert single == 2 * packed == 512


def test_an_adder_in_luts_takes_luts_for_its_dsps():
    dsp, lut = (
        module_resources(replace(PRESETS["ultra96_double"], adder_in=kind))["adder"]
        for kind in ("dsp", "lut")
    )

    assert (dsp.dsp, lut.dsp) == (16, 0)
    # As `synth_xilinx` maps the block alone.
    assert lut.lut - dsp.lut == pytest.approx(2264, rel=0.05)
    assert lut.ff - dsp.ff == pytest.approx(1978, rel=0.05)


def test_more_of_anything_never_takes_less():
    base = total_resources(ArchParams())
    for knob, value in (
        ("pixels", 16), ("chain_pixels", 4), ("feature_rows", 20480), ("ring_rows", 2048),
        ("weight_words", 2048),
    ):  # fmt: skip
        more = total_resources(ArchParams(**{knob: value}))

        assert more != base
        for kind in ("lut", "ff", "bram36", "dsp"):
            assert getattr(more, kind) >= getattr(base, kind)


def test_what_is_exceeded_is_said_with_both_numbers():
    used = Resources(lut=10, ff=10, bram36=4.5, dsp=3, uram=1)

    assert exceeded(used, {"lut": 10, "ff": 9, "bram36": 5, "dsp": 2, "uram": 0}) == [
        "needs 10 ff, the part has 9",
        "needs 3 dsp, the part has 2",
        "needs 1 uram, the part has 0",
    ]


def test_features_in_ultraram_take_no_block_ram():
    block = module_resources(ArchParams(feature_rows=5120))["feature_memory"]
    ultra = module_resources(ArchParams(feature_rows=5120, feature_ram="ultra"))["feature_memory"]

    assert (block.bram36, block.uram) == (8 * 2 * 5, 0)
    assert (ultra.bram36, ultra.uram) == (0, 8 * 2)
