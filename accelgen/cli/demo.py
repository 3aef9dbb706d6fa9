"""``make demo``: a trained network from ONNX to a bit-exact simulated frame, step by step."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console

from accelgen.arch.registers import TOP
from accelgen.boards import DEFAULT_BOARD
from accelgen.cli import tables
from accelgen.ends import guarded
from accelgen.errors import ModelError
from accelgen.flow.compiled import Compiled
from accelgen.flow.compiler import compile
from accelgen.flow.packages import build, open_package
from accelgen.flow.runs import simulate
from accelgen.flow.verbs import check, estimate, quantize
from accelgen.quant.accuracy import predict, top1

__all__ = ["main"]

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "tests" / "models" / "trained_fmnist_effse.onnx"
DATA = MODEL.with_name("trained_fmnist_effse_test.npz")

_console = Console(width=None if os.isatty(1) else 130, highlight=False, markup=False)


def main(out: Path = ROOT / "build" / "demo") -> int:
    """Run the demo; packages go to ``out``. Returns 0 when everything matched."""
    os.environ.setdefault("AMARANTH_USE_YOSYS", "builtin")
    began = time.monotonic()
    if not MODEL.exists():
        raise ModelError(f"{MODEL} is missing: the demo runs in a checkout")
    out.mkdir(parents=True, exist_ok=True)

    _title(f"check: {MODEL.name}, an EfficientNet in small, trained on Fashion-MNIST")
    reports = check(MODEL).nodes
    for verdict, count in sorted(Counter(r.verdict for r in reports).items()):
        _console.print(f"  {count:3} nodes  {verdict}")

    _title("quantize: INT8, weights per channel, activations calibrated on 200 training images")
    network = out / "network_int8.onnx"
    quantize(MODEL, network, calib=DATA)
    compiled = compile(network, DEFAULT_BOARD, fc_on="pl")
    _console.print(f"  written: {network.relative_to(ROOT)} (QDQ)")
    _accuracy(compiled)

    _title(f"estimate: {DEFAULT_BOARD}, from the schedule alone")
    numbers = estimate(compiled)
    _console.print(tables.estimate_summary(numbers, compiled.hardware.board))

    _title("build: Verilog, program, Vivado project, driver")
    package = out / "package"
    build(compiled, package, calib=DATA)
    lines = (package / "rtl" / f"{TOP}.v").read_text().count("\n")
    _console.print(f"  written: {package.relative_to(ROOT)} ({lines:,} lines of Verilog)")

    _title(
        "simulate: that Verilog, one frame of a test image (building the simulator takes a while)"
    )
    built, verilog = open_package(package)
    result = simulate(built, sample=_images()[:1], verilog=verilog)
    _console.print(tables.simulated_table(built.name, result))
    for line in (f"{time.monotonic() - began:.0f} s in all", *tables.simulated_lines(result)):
        _console.print(line)
    for fault in result.faults:
        _console.print(f"mismatch: {fault}")
    return 0 if result.match else 1


def _title(text: str) -> None:
    _console.print(f"\n== {text}")


def _images() -> npt.NDArray[np.float32]:
    """The 500 test images, NHWC."""
    data = np.load(DATA)
    divisor, mean, std = (float(data[name]) for name in ("divisor", "mean", "std"))
    x = (data["x_uint8"].astype(np.float32) / divisor - mean) / std
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1), np.float32)


def _accuracy(compiled: Compiled) -> None:
    """Top-1 on the test images, beside float and onnxruntime."""
    data = np.load(DATA)
    labels = data["y"]
    rows = (
        ("float", data["float_logits"]),
        ("accelgen INT8 (golden model)", predict(compiled.model.graph, _images())),
        ("onnxruntime INT8 (its own quantizer)", data["ort_int8_pc_logits"]),
    )
    for name, outputs in rows:
        _console.print(f"  {100 * top1(outputs, labels):5.1f} % right of {len(labels)}  {name}")


if __name__ == "__main__":
    guarded(lambda: lambda: sys.exit(main()), "what is done is kept")
