"""Named hardware configurations: values, derived from each other."""

from dataclasses import replace

from accelgen.arch.params import ArchParams

__all__ = ["PRESETS", "single_clock"]

_ULTRA96 = ArchParams()

PRESETS: dict[str, ArchParams] = {
    # 512 MAC/cycle in 256 packed DSP48E2, 640 KiB of features: fits the ZU3EG.
    "ultra96": _ULTRA96,
    # 1,024 MAC/cycle in 256 double-pumped DSP48E2, four pixels per cycle after the engines. The
    # adder's multipliers are LUTs: their DSPs are the window engine's second taps.
    "ultra96_double": replace(
        _ULTRA96,
        pixels=16,
        chain_pixels=4,
        window_taps=2,
        adder_in="lut",
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


def single_clock(arch: ArchParams) -> ArchParams:
    """``arch`` without double-pumped multipliers: as many in the array, and the same memories,
    after half the pixels; one tap in the window engine. Itself when it has one clock already."""
    if arch.pe_mode != "double":
        return arch
    return replace(
        arch,
        pe_mode="packed",
        pixels=arch.pixels // 2,
        chain_pixels=arch.chain_pixels // 2,
        drain_pixels=0,
        window_pixels=arch.window_pixels // 2,
        window_taps=1,
        adder_in="dsp",
        feature_rows=2 * arch.feature_rows,
        ring_rows=2 * arch.ring_rows,
    )
