"""What a frame of a package must leave, from the golden model: expected.npz."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.errors import ModelError, QuantizationError
from accelgen.flow.compiled import Compiled
from accelgen.golden.arith import quantize_array
from accelgen.golden.outputs import model_outputs
from accelgen.inputs.samples import Calibration, open_samples, random_samples
from accelgen.ir import Graph
from accelgen.program.records import Program
from accelgen.ps.picture import Preprocess, read_picture
from accelgen.simulation.check import golden_tensors
from accelgen.simulation.compare import tensor_order
from accelgen.untrusted import read_text

__all__ = ["Expected", "expected_frame", "read_labels", "shown_sample"]


@dataclass(frozen=True, kw_only=True)
class Expected:
    """One input and all that comes of it.

    ``preprocess`` is how a picture becomes the input, if anybody said so.

    ``arrays``: ``input`` int8 (h, w, c); ``input_float`` in the model's own order; ``tensor_i``
    int8 (h, w, c) as ``order[i]`` (tensor, layers that make it) leaves it in memory; ``output_i``
    the model's outputs, in its order and shapes. ``picture`` are the
    pixels of the file that ``input`` is of, uint8 (h, w, c), or None.
    """

    arrays: dict[str, npt.NDArray[Any]]
    order: tuple[tuple[str, tuple[str, ...]], ...]
    preprocess: Preprocess | None = None
    picture: npt.NDArray[np.uint8] | None = None


def expected_frame(
    parts: Sequence[Program], graph: Graph, calibration: Calibration, *, layout: str, seed: int = 0
) -> Expected:
    """The first calibration sample (a random one when there is none) through the golden model of
    every part of ``graph``'s frame."""
    kind = graph.tensors[graph.input]
    assert kind.quantization is not None
    preprocess = calibration.preprocess(kind.shape, layout)
    file = calibration.picture()
    picture = read_picture(file, preprocess.order) if file and preprocess else None
    streamed = calibration.samples(kind.shape, layout)
    samples = random_samples(kind.shape, seed) if streamed is None else streamed
    real = np.asarray(samples[:1])
    x = quantize_array(real, kind.quantization)
    values: dict[str, npt.NDArray[Any]] = {graph.input: x}
    order: list[tuple[str, tuple[str, ...]]] = []
    for program in parts:
        given = {p.tensor: values[p.tensor] for p in program.inputs or (program.input,)}
        values |= golden_tensors(program, given)
        order += ((name, step.nodes if step else ()) for name, step in tensor_order(program))
    arrays = {
        "input": x[0],
        "input_float": real.transpose(0, 3, 1, 2) if layout == "nchw" else real,
        **{f"tensor_{i}": values[name][0] for i, (name, _) in enumerate(order)},
        **{f"output_{i}": x for i, x in enumerate(model_outputs(graph, values).values())},
    }
    return Expected(arrays=arrays, order=tuple(order), preprocess=preprocess, picture=picture)


def shown_sample(
    compiled: Compiled, shown: str | Path | Calibration, calib: Calibration
) -> npt.NDArray[np.float32]:
    """The first sample of ``shown``, (1, h, w, c): pictures as it, or ``calib``, or else the file
    that ``compiled`` was read from says. Raises QuantizationError when there is none."""
    if not isinstance(shown, Calibration):
        shown = Calibration(where=Path(shown), pictures=calib.pictures)
    if shown.where is None:
        raise QuantizationError("there is nothing to show; --input takes a picture or an array")
    shape = compiled.model.graph.tensors[compiled.model.graph.input].shape
    pictures = shown.recalling(compiled.recorded).pictures
    samples = open_samples(
        shown.where, shape=shape, layout=compiled.input_layout, pictures=pictures
    )
    return np.asarray(samples[:1])


def read_labels(path: Path, graph: Graph) -> list[str]:
    """Names of classes, one a line.

    Raises ModelError when it cannot be read, or are not as many as the network has outputs.
    """
    lines = read_text(path, "labels", ModelError).splitlines()
    labels = [line.strip() for line in lines if line.strip()]
    sizes = {view.name: int(np.prod(view.shape)) for view in graph.model_outputs()}
    if len(sizes) != 1 or len(labels) not in sizes.values():
        outputs = ", ".join(f"{name!r} with {size:,} values" for name, size in sizes.items())
        raise ModelError(f"{path} has {len(labels)} labels; the network has output {outputs}")
    return labels
