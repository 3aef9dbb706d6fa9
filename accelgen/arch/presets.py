"""Named hardware configurations: values, derived from each other."""

from dataclasses import replace

from accelgen.arch.params import ArchParams

__all__ = ["PRESETS"]

_ULTRA96 = ArchParams()

PRESETS: dict[str, ArchParams] = {
    # 512 MAC/cycle in 256 packed DSP48E2, 640 KiB of features: fits the ZU3EG.
    "ultra96": _ULTRA96,
    # 1,024 MAC/cycle in 256 double-pumped DSP48E2, four pixels per cycle behind the engines.
    "ultra96_double": replace(
        _ULTRA96,
        pixels=16,
        chain_pixels=4,
        drain_pixels=8,
        pe_mode="double",
        feature_rows=5120,
        ring_rows=512,
    ),
    # 64 MAC/cycle: quick to build, used by most tests.
    "small": replace(
        _ULTRA96,
        lanes=4,
        pixels=4,
        chain_pixels=1,
        pe_mode="single",
        acc_bits=32,
        feature_rows=32768,
    ),
}
