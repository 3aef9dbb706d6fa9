"""The verbs that need no RTL, as functions: check, quantize, estimate, and the zoo's export."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

from accelgen.deploy.output import new_file
from accelgen.display.cells import Rows
from accelgen.display.html import html_table
from accelgen.estimator import Estimate
from accelgen.flow.compiled import Compiled, Offload, estimated
from accelgen.flow.compiler import CompileOptions, as_compiled
from accelgen.flow.hardware import Target, as_target
from accelgen.flow.network import Given, Loaded, load, quantized, source_of, zoo_model
from accelgen.flow.verdicts import CheckReport, check_model
from accelgen.golden.interpret import interpret
from accelgen.inputs.recorded import written_record
from accelgen.inputs.samples import Calibration
from accelgen.ir.wide import wide_nodes
from accelgen.ps.picture import Preprocess
from accelgen.quant import QuantizedModel, write_qdq
from accelgen.quant.tally import Answers

__all__ = ["Quantized", "check", "estimate", "export_zoo", "quantize"]


@dataclass(frozen=True, kw_only=True, repr=False)
class Quantized:
    """An int8 network and the QDQ file it was written to; ``warnings`` are sentences."""

    name: str
    model: QuantizedModel
    out: Path
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<Quantized {self.name}: {len(self.model.report)} layers, {self.out}>"

    def _repr_html_(self) -> str:
        return html_table(repr(self).strip("<>"), self.rows())

    def ties(self) -> tuple[int, int] | None:
        """Of how many samples more than one output is the largest, since the last layer is rounded
        to int8; and of how many of the calibration samples that was counted. None where it is not
        rounded, the network has no single vector of classes, or there are no samples."""
        graph, samples = self.model.graph, self.model.samples
        views = graph.model_outputs()
        sides = [side for side in views[0].shape if side > 1]
        if samples is None or wide_nodes(graph) or len(views) > 1 or len(sides) != 1:
            return None
        if views[0].dtype == "int64":
            return None
        outputs = interpret(graph, samples)[views[0].pieces[0].tensor].reshape(len(samples), -1)
        found = Answers()
        found.add(outputs, outputs)
        return found.tied, len(samples)

    def rows(self) -> Rows:
        """What each layer lost: its scale, and signal to noise against float."""
        columns = ("layer", "op", "scale", "zero", "SQNR dB", "weights dB")
        return Rows(
            columns,
            tuple(
                (
                    row.node,
                    row.op.removeprefix("Q"),
                    f"{row.quantization.scale:.6g}" if row.quantization else None,
                    row.quantization.zero_point if row.quantization else None,
                    row.sqnr_db,
                    row.weight_sqnr_db,
                )
                for row in self.model.report
            ),
        )


def check(
    model: str | Path,
    hardware: Target | str | None = None,
    *,
    fc_on: str = "pl",
    se_on: str = "pl",
) -> CheckReport:
    """Say of every node where it runs, or why it is not supported; and whether all is built.

    Parameters
    ----------
    model : str or Path
        ONNX file, or ``zoo:NAME[@RESOLUTION]``.
    hardware : Target or str
        The compiler is asked for this target, or board; the default board's.
    fc_on, se_on : str
        Where the last fully connected layers, and squeeze-and-excite blocks, are to run: "pl" or
        "ps".

    Raises
    ------
    ModelError
        The file cannot be read at all, or its input has no fixed shape.
    """
    offload = Offload.of(fc_on, se_on)
    hardware = as_target(hardware)
    return check_model(
        source_of(model), name=str(model), arch=hardware.arch, memory=hardware.memory,
        fc_on_ps=offload.fc, se_on_ps=offload.se, layerwise=hardware.layerwise,
    )  # fmt: skip


def quantize(
    model: str | Path,
    out: str | Path,
    *,
    calib: Given = None,
    method: str = "mse",
    technique: str = "auto",
    exclude: str = "",
    logits: str = "wide",
    seed: int = 0,
) -> Quantized:
    """Write ``model`` as QDQ ONNX to ``out``.

    Parameters
    ----------
    model, calib, method, technique, exclude, logits, seed
        As for :func:`~accelgen.flow.compiler.compile`.
    out : str or Path
        File to write; a file there is replaced.

    Raises
    ------
    AccelgenError
        The model or the data cannot be used, or the file cannot be written.
    """
    loaded = load(model)
    int8, warnings = quantized(
        loaded, calib=calib, method=method, technique=technique, exclude=exclude, logits=logits,
        seed=seed,
    )  # fmt: skip
    how = _pictures(loaded, Calibration.of(calib))
    with new_file(Path(out)) as scratch:
        write_qdq(int8, scratch, written_record(how) if how else "")
    warnings = loaded.warnings + warnings
    return Quantized(name=loaded.name, model=int8, out=Path(out), warnings=warnings)


def _pictures(loaded: Loaded, calibration: Calibration) -> Preprocess | None:
    """How pictures become the input, if the options or the file say so."""
    if loaded.imported.graph.more:
        return None
    shape = loaded.imported.graph.tensors[loaded.imported.graph.input].shape
    known = calibration.recalling(loaded.recorded)
    return known.preprocess(shape, loaded.imported.input_layout)


def estimate(
    model: str | Path | Compiled,
    hardware: Target | str | None = None,
    *,
    calib: Given = None,
    seed: int = 0,
    **options: Unpack[CompileOptions],
) -> Estimate:
    """Cycles, frames per second and resources, from the schedule alone: no RTL.

    Parameters
    ----------
    model : str, Path or Compiled
        A file, or ``zoo:NAME[@RESOLUTION]``, is compiled first.
    hardware : Target or str
        A target or a board's name; the default board's. A compiled network has its own.
    calib, seed, **options
        With a file: as for :func:`~accelgen.flow.compiler.compile`.

    Raises
    ------
    AccelgenError
        One sentence on what is not supported, or does not fit, and the way out.
    """
    if not isinstance(model, Compiled):
        options.setdefault("cycles_only", True)
    return estimated(as_compiled(model, hardware, calib=calib, seed=seed, **options))


def export_zoo(name: str, out: str | Path) -> None:
    """Write ``NAME[@RESOLUTION]`` of the zoo as float ONNX."""
    proto = zoo_model(f"zoo:{name.removeprefix('zoo:')}")
    with new_file(Path(out)) as scratch:
        scratch.write_bytes(proto.SerializeToString())
