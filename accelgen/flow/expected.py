"""What a frame of a package must leave, from the golden model: expected.npz."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.errors import ModelError, QuantizationError
from accelgen.flow.compiled import Compiled
from accelgen.golden.interpret import enter
from accelgen.golden.outputs import model_outputs
from accelgen.inputs.samples import Calibration
from accelgen.inputs.several import Kinds, calibration_samples, first_sample, random_inputs
from accelgen.ir import Graph
from accelgen.program.records import Program
from accelgen.ps.picture import Preprocess, read_picture
from accelgen.simulation.check import golden_tensors
from accelgen.simulation.compare import tensor_order
from accelgen.streamed import Samples, by_name, in_memory
from accelgen.untrusted import read_text

__all__ = ["Expected", "expected_frame", "read_labels", "shown_sample"]


@dataclass(frozen=True, kw_only=True)
class Expected:
    """One input and all that comes of it.

    ``preprocess`` is how a picture becomes the input, if anybody said so.

    ``arrays``: ``input`` int8 (h, w, c); ``input_float`` in the model's own order; of several
    inputs ``input_i`` and ``input_float_i``, in the model's order; ``tensor_i``
    int8 (h, w, c) as ``order[i]`` (tensor, layers that make it) leaves it in memory; ``output_i``
    the model's outputs, in its order and shapes. ``picture`` are the
    pixels of the file that ``input`` is of, uint8 (h, w, c), or None.
    """

    arrays: dict[str, npt.NDArray[Any]]
    order: tuple[tuple[str, tuple[str, ...]], ...]
    preprocess: Preprocess | None = None
    picture: npt.NDArray[np.uint8] | None = None


def expected_frame(
    parts: Sequence[Program], graph: Graph, calibration: Calibration, *, kinds: Kinds,
    seed: int = 0,
) -> Expected:  # fmt: skip
    """The first calibration sample (a random one when there is none) through the golden model of
    every part of ``graph``'s frame."""
    streamed = calibration_samples(calibration, kinds)
    samples = random_inputs(kinds, seed) if streamed is None else streamed
    preprocess = picture = None
    if len(kinds) == 1:
        (kind,) = kinds.values()
        preprocess = calibration.preprocess(kind.shape, kind.layout)
        file = calibration.picture()
        picture = read_picture(file, preprocess.order) if file and preprocess else None
    real = by_name(in_memory(samples[:1]), graph.inputs)
    values: dict[str, npt.NDArray[Any]] = enter(graph, real)
    given = _given(kinds, real, values)
    order: list[tuple[str, tuple[str, ...]]] = []
    for program in parts:
        inputs = {p.tensor: values[p.tensor] for p in program.inputs or (program.input,)}
        values |= golden_tensors(program, inputs)
        order += ((name, step.nodes if step else ()) for name, step in tensor_order(program))
    arrays = {
        **given,
        **{f"tensor_{i}": values[name][0] for i, (name, _) in enumerate(order)},
        **{f"output_{i}": x for i, x in enumerate(model_outputs(graph, values).values())},
    }
    return Expected(arrays=arrays, order=tuple(order), preprocess=preprocess, picture=picture)


def _given(
    kinds: Kinds, real: Mapping[str, npt.NDArray[Any]], quantized: Mapping[str, npt.NDArray[Any]]
) -> dict[str, npt.NDArray[Any]]:
    """The inputs, as expected.npz has them."""
    found = {}
    for i, (name, kind) in enumerate(kinds.items()):
        end = f"_{i}" if len(kinds) > 1 else ""
        x = real[name]
        found[f"input{end}"] = quantized[name][0]
        found[f"input_float{end}"] = x.transpose(0, 3, 1, 2) if kind.layout == "nchw" else x
    return found


def shown_sample(
    compiled: Compiled, shown: str | Path | Calibration, calib: Calibration
) -> Samples:
    """The first sample of ``shown``, (1, h, w, c) of each input: pictures as it, or ``calib``, or
    else the file that ``compiled`` was read from says. Raises QuantizationError when there is none.
    """
    if not isinstance(shown, Calibration):
        shown = Calibration(where=Path(shown), pictures=calib.pictures)
    if shown.where is None:
        raise QuantizationError("there is nothing to show; --input takes a picture or an array")
    return first_sample(shown.recalling(compiled.recorded), compiled.kinds)


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
