"""What a configuration takes of the part, module by module, before any synthesis."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from accelgen.arch import DSP_ACC_BITS, ArchParams, timing
from accelgen.arch.registers import LOG_WORDS

__all__ = ["Resources", "exceeded", "module_resources", "total_resources"]

#: Fitted to Yosys 0.70 on "small", "ultra96" and "ultra96_double" (tests/estimator): what DMA,
#: control and registers take, at all and per byte of a row; and for each ``pe_mode`` the scale
#: (LUT, FF) of the rest, from one design, so that designs of other sizes are further off.
#: What weaving adds per byte of a row is by how much `make synth` grew with it.
_CONTROL_LUT, _CONTROL_FF = (4110, 12.5), (5200, 46)
_WEAVER_LUT, _WEAVER_FF = 16.6, 8.9
_SCALE = {"single": (1.286, 1.634), "packed": (0.926, 0.910), "double": (0.555, 0.895)}
#: Of the adder with `adder_in = "lut"`, what each sum takes more (Yosys, the block alone).
_SUM_LUT, _SUM_FF = 283, 247


@dataclass(frozen=True)
class Resources:
    """Counts of one module or of the whole. ``bram36`` counts halves (RAMB18) as 0.5; ``uram`` are
    UltraRAMs, of 288 Kbit."""

    lut: float = 0
    ff: float = 0
    bram36: float = 0
    dsp: float = 0
    uram: float = 0

    def __add__(self, other: Resources) -> Resources:
        return Resources(
            self.lut + other.lut,
            self.ff + other.ff,
            self.bram36 + other.bram36,
            self.dsp + other.dsp,
            self.uram + other.uram,
        )

    def to_dict(self) -> dict[str, int]:
        """Whole numbers, as in the JSON of ``accelgen estimate``."""
        return {
            "lut": round(self.lut),
            "ff": round(self.ff),
            "bram36": math.ceil(self.bram36),
            "dsp": math.ceil(self.dsp),
            "uram": math.ceil(self.uram),
        }


def total_resources(arch: ArchParams) -> Resources:
    """Sum over all modules."""
    return sum(module_resources(arch).values(), Resources())


def exceeded(used: Resources, budget: Mapping[str, int]) -> list[str]:
    """Sentences, one for each resource of which ``used`` takes more than ``budget`` has."""
    return [
        f"needs {count} {name}, the part has {budget[name]}"
        for name, count in used.to_dict().items()
        if count > budget[name]
    ]


def module_resources(arch: ArchParams) -> dict[str, Resources]:
    """Resources of each part of ``accelgen/rtl``.

    DSP and BRAM follow from the structure. LUT and FF grow with the knobs as the structure says;
    their scale is fitted to whole designs mapped by Yosys (``python -m accelgen.synthesis``), so a
    single part's share is a guess.
    """
    c, p, v, w = arch.lanes, arch.pixels, arch.window_width, arch.chain_pixels
    macs, chain, drain = c * c * p, w * c, arch.array_width * c
    scale_dsp = 1 if arch.acc_bits <= DSP_ACC_BITS else 2
    # Two products of the chain share a multiplier where the fabric's clock is doubled.
    pumped = 2 if arch.pumped else 1
    adding = pumped * timing.add_interval(arch.pumped)
    row_bits, rotator = 8 * c * p, 6.0 * 8 * c * p
    taps = arch.window_taps
    # Of two taps: the larger, and a raster and a ring of its own for the second.
    second = taps - 1
    parts = {
        "pe_array": Resources(lut=9.6 * macs, ff=22 * macs, dsp=macs / arch.pe_pixels),
        "window_lanes": Resources(
            lut=(12 + 20 * second) * v * c, ff=(30 + 30 * second) * v * c,
            dsp=taps * v * c / arch.pe_pixels,
        ),
        "acc_queues": Resources(
            lut=2.2 * (p + v) * c * arch.acc_bits, ff=(chain + drain) * arch.acc_bits
        ),
        "requantizers": Resources(
            lut=240 * (chain + drain), ff=160 * (chain + drain),
            dsp=scale_dsp * (chain + drain) / pumped,
        ),
        "adder": Resources(
            lut=120 * chain, ff=110 * chain,
            dsp=0 if arch.adder_in == "lut" else 2 * chain / adding,
        ),
        "squeeze": Resources(lut=60 * chain + 300, ff=40 * chain + 300, dsp=1),
        "feature_memory": Resources(
            lut=rotator + 3 * row_bits, ff=rotator + 4 * row_bits,
            **_feature_memory(arch),
        ),
        "window_ring": Resources(
            lut=taps * rotator * v / p, ff=taps * rotator * v / p,
            bram36=taps * v * _simple_dual_port(8 * c, arch.ring_rows * p // v),
        ),
        "weights": Resources(
            lut=400, ff=3 * 8 * c * c,
            bram36=_simple_dual_port(8 * c * c, arch.weight_words)
            + _simple_dual_port(9 * c * taps, arch.tap_words // taps),
        ),
        "rasters": Resources(lut=120 * (p + taps * v), ff=90 * (p + taps * v)),
        "rows": Resources(lut=3 * row_bits, ff=6 * row_bits),
    }  # fmt: skip
    lut, ff = _SCALE[arch.pe_mode]
    fitted = {
        name: replace(part, lut=lut * part.lut, ff=ff * part.ff) for name, part in parts.items()
    }
    if arch.adder_in == "lut":
        sums = chain / adding
        fitted["adder"] += Resources(lut=_SUM_LUT * sums, ff=_SUM_FF * sums)
    fitted["weaver"] = Resources(lut=_WEAVER_LUT * arch.row_bytes, ff=_WEAVER_FF * arch.row_bytes)
    fitted["control"] = Resources(
        lut=_CONTROL_LUT[0] + _CONTROL_LUT[1] * arch.row_bytes,
        ff=_CONTROL_FF[0] + _CONTROL_FF[1] * arch.row_bytes,
        # The step log, and what the DMAs of weights and maps have asked for.
        bram36=_simple_dual_port(32, LOG_WORDS)
        + 2 * _simple_dual_port(8 * arch.BUS_BYTES, arch.burst_beats * arch.outstanding),
    )  # fmt: skip
    return fitted


def _feature_memory(arch: ArchParams) -> dict[str, int]:
    """Cells of the banks' true dual ports: 36 bits x 1,024 of block RAM (parity bits are not
    used), or 72 x 4,096 of UltraRAM."""
    bits = 8 * arch.lanes
    if arch.feature_ram == "ultra":
        return {"uram": arch.pixels * math.ceil(bits / 72) * math.ceil(arch.feature_rows / 4096)}
    return {"bram36": arch.pixels * math.ceil(bits / 32) * math.ceil(arch.feature_rows / 1024)}


def _simple_dual_port(bits: int, depth: int) -> float:
    """BRAM36 of a memory with a write and a read port: halves (RAMB18) in their best shape."""
    return 0.5 * min(
        math.ceil(bits / width) * math.ceil(depth / rows)
        for width, rows in ((36, 512), (18, 1024), (9, 2048), (4, 4096))
    )
