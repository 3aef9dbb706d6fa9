"""Estimates beside simulations of fully connected layers alone: ``python -m
tests.estimator.fully_connected``.

``--layer 25088x4096 --preset small`` (both as often as wanted; by default the layers of VGG-16 and
AlexNet on every preset) makes an ONNX file of one Gemm with seeded weights, compiles it for the PL,
simulates its frame and prints both cycles. Ends with status 1 when a bit or 2 % are missed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import accelgen
from accelgen.arch.presets import PRESETS
from accelgen.flow.runs import ddr_settings
from accelgen.golden.arith import quantize_array
from accelgen.golden.interpret import interpret
from accelgen.inputs.samples import random_samples
from accelgen.simulation.verilated import Task
from tests.estimator.timed import Timed, simulator
from tests.helpers.nets import make_net, node

__all__ = ["LAYERS", "MOST_ERROR", "Layer", "measure"]

#: Of VGG-16: the first, the third, the fourth; of AlexNet: the second, the third, the fourth.
LAYERS = ("25088x4096", "9216x4096", "4096x4096", "4096x1000")
MOST_ERROR = 0.02


@dataclass(frozen=True, kw_only=True)
class Layer(Timed):
    """A layer of ``inputs`` and ``outputs``: its cycles, and whether every bit is right."""

    inputs: int
    outputs: int
    match: bool
    wall_s: float


def gemm(inputs: int, outputs: int) -> bytes:
    """An ONNX model of one Gemm."""
    rng = np.random.default_rng(inputs + outputs)
    weight = rng.standard_normal((outputs, inputs), np.float32) * np.float32((2 / inputs) ** 0.5)
    bias = rng.standard_normal(outputs).astype(np.float32) / 10
    net = make_net(
        [node("Gemm", "x w b", "y", "fc", transB=1)], {"w": weight, "b": bias}, shape=(1, inputs)
    )
    return net.SerializeToString()


def measure(shapes: Sequence[tuple[int, int]], preset: str) -> list[Layer]:
    """Layers of (inputs, outputs) on the PL of a preset."""
    hardware = accelgen.target(preset=preset)
    layers = []
    for inputs, outputs in shapes:
        with tempfile.TemporaryDirectory() as where:
            file = Path(where) / "fc.onnx"
            file.write_bytes(gemm(inputs, outputs))
            compiled = accelgen.compile(file, hardware, fc_on="pl", logits="int8")
        graph, program = compiled.model.graph, compiled.program
        numbers = accelgen.estimate(compiled, hardware)
        sample = random_samples(graph.tensors[graph.input].shape, 0)[:1]
        x = quantize_array(sample, graph.tensors[graph.input].quantization)[0]
        run = simulator(hardware.arch, hardware.family).run_many([
            Task(
                program=program,
                inputs={program.input.tensor: x.reshape(program.input.shape)},
                settings=ddr_settings(hardware.memory, 0, numbers.competing_bytes_per_cycle),
            )
        ])[0]
        golden = interpret(graph, x[None])
        match = not run.fault and all(
            run.tensors[name].tobytes() == golden[name].tobytes() for name in graph.outputs
        )
        layers.append(
            Layer(
                inputs=inputs, outputs=outputs, cycles=run.cycles, estimated=numbers.cycles,
                match=match, wall_s=run.wall_s,
            )
        )  # fmt: skip
    return layers


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.estimator.fully_connected", description=__doc__
    )
    parser.add_argument("--layer", action="append", help="inputs x outputs, as in 4096x1000")
    parser.add_argument("--preset", action="append", choices=[*PRESETS])
    given = parser.parse_args()
    good = True
    for preset in given.preset or PRESETS:
        for name in given.layer or LAYERS:
            inputs, outputs = map(int, name.split("x"))
            (layer,) = measure([(inputs, outputs)], preset)
            good &= layer.match and abs(layer.error) <= MOST_ERROR
            print(
                f"{preset:15}{name:>12}{layer.cycles:11,} simulated{layer.estimated:11,} estimated"
                f" {layer.error:+7.2%}, match: {'yes' if layer.match else 'NO'},"
                f" {layer.wall_s:.0f} s",
                flush=True,
            )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
