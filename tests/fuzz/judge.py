"""What is right: one case, everything accelgen says of it, and onnxruntime beside it."""

from __future__ import annotations

import contextlib
import tempfile
import traceback
import warnings
from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import onnx

from accelgen.errors import AccelgenError
from accelgen.flow.compiled import Compiled, Offload, estimated
from accelgen.flow.hardware import Target, target
from accelgen.flow.network import read_network
from accelgen.flow.verdicts import check_model
from accelgen.frontend import load_onnx
from accelgen.golden.arith import quantize_array
from accelgen.golden.interpret import interpret, run_node, walk
from accelgen.golden.outputs import model_outputs
from accelgen.inputs.samples import load_samples, random_samples
from accelgen.ir import Graph, Quantization
from accelgen.ir.imported import Imported
from accelgen.ir.ops import Conv2d
from accelgen.quant import QuantizedModel, quantize, quantize_imported
from accelgen.quant.compare_ort import observe
from accelgen.quant.write_qdq import to_qdq
from accelgen.schedule import schedule_parts
from tests.fuzz.cases import ARCHES, Case
from tests.fuzz.compare import (
    FAILURES,
    STEEPEST,
    FaultError,
    Verdict,
    allowed,
    chosen,
    coarse_scales,
    float_tolerance,
    outputs,
    rounding,
    same,
    squares_overflow,
    steepest,
)
from tests.fuzz.programs import check_programs
from tests.fuzz.ties import their_places, with_their_ties
from tests.helpers.nets import conv_relu
from tests.helpers.second_opinion import load_optimized, ort_outputs

__all__ = ["FAILURES", "Verdict", "judge"]

#: Refusals that are for the data to say: check has none.
_OF_DATA = ("becomes NaN or infinite", "scales cover numbers up to")
#: Numbers and products of a model above which nothing is compared: it would take too long.
_MOST_NUMBERS, _MOST_PRODUCTS = 3_000_000, 60_000_000


def judge(case: Case) -> Verdict:
    """Everything accelgen can be asked about ``case``, in this process."""
    try:
        with warnings.catch_warnings(), _quick(case):
            warnings.simplefilter("error")
            # numpy's products say so at random; numbers that are no numbers are looked for below.
            warnings.filterwarnings("ignore", "invalid value encountered in matmul")
            return _JUDGES[case.kind](case)
    except FaultError as fault:
        return fault.verdict
    except MemoryError as error:
        return Verdict("memory", _place(error), "MemoryError")
    except Exception as error:  # every other exception is what is looked for
        said = f"{type(error).__name__}: {str(error)[:300]}"
        return Verdict("traceback", f"{type(error).__name__} {_place(error)}", said)


def _quick(case: Case) -> contextlib.AbstractContextManager[Any]:
    """Without the search for better cuts, which takes most of the time and refuses nothing: only
    the cases that are estimated run it."""
    if case.thorough:
        return contextlib.nullcontext()
    return mock.patch("accelgen.schedule.plan.memory.cut_unevenly", lambda work, tiling, *_: tiling)


def _place(error: BaseException) -> str:
    """The innermost line of accelgen."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if "/accelgen/" in f.filename and "/site-packages/" not in f.filename]
    last = (ours or frames)[-1]
    return f"{'/'.join(Path(last.filename).parts[-2:])}:{last.name}"


def _asked(ask: Callable[[], Any]) -> tuple[Any, str]:
    """What ``ask`` gives, and with which sentence it refuses."""
    try:
        return ask(), ""
    except AccelgenError as error:
        said = str(error)
        if not said or any(not (ch.isprintable()) for ch in said) or len(said) > 2000:
            place = f"{type(error).__name__} {_place(error)}"
            raise FaultError("no sentence", place, repr(said[:300])) from error
        return None, said


# Models.


def _judge_model(case: Case) -> Verdict:
    arch = ARCHES[case.arch]
    how = {"fc_on_ps": case.fc_on_ps, "se_on_ps": case.se_on_ps}
    report, check = _asked(lambda: check_model(case.data, arch=arch, **how))
    check = report.refusal if report else check
    imported, said = _asked(lambda: read_network(case.data))
    if imported is None:
        _agree(check, said, "import")
        return Verdict("refused", said=said)
    if report:
        flagged = [r.name for r in report.nodes if r.verdict in ("not supported", "unknown")]
        if bool(flagged) != bool(check):
            raise FaultError("check disagrees", "nodes", f"{flagged} but {check!r}")
    if _is_too_large(imported.graph):
        return Verdict("refused" if check else "not compared", said=check or "too large")
    x = _input(imported)
    opinion = _Opinion(case.data, imported, x[:1])
    made, said = _asked(lambda: _quantized(imported, x, case.thorough))
    if made is None and any(words in said for words in _OF_DATA):
        return Verdict("not compared", said=said)
    if made is not None:
        _chosen_well(imported, made, x)
        parts, said = _asked(lambda: schedule_parts(made.graph, arch, **how))
        check_programs(parts or ())
        if parts and case.thorough:
            _asked(lambda: estimated(_compiled(made, parts, _TARGETS[case.arch], case)))
    _agree(check, said, "compile")
    if not opinion.wanted:
        _legal(case.data, opinion.refused)
        return Verdict("not compared", said=f"onnxruntime refuses it: {opinion.refused}")
    if squares_overflow(imported.graph, interpret(imported.graph, x[:1])):
        return Verdict("not compared", said="squares leave float32")
    if not imported.quantization:
        _float(imported, opinion, x[:1])
    if made is None:
        return Verdict("refused", said=said)
    _int8(imported, made, opinion, x[:1])
    return Verdict("refused", said=said) if said else Verdict("equal")


def _input(imported: Imported) -> np.ndarray:
    """Two frames."""
    return random_samples(imported.graph.tensors[imported.graph.input].shape, 0)[:2]


_TARGETS: dict[str, Target] = {name: target(arch=arch) for name, arch in ARCHES.items()}


def _compiled(made: QuantizedModel, parts: Any, hardware: Target, case: Case) -> Compiled:
    return Compiled(
        name="case", input_layout="nchw", model=made, hardware=hardware, parts=parts,
        offload=Offload(fc=case.fc_on_ps, se=case.se_on_ps),
    )  # fmt: skip


def _agree(check: str, said: str, where: str) -> None:
    if bool(check) != bool(said):
        said = f"check: {check!r}; {where}: {said!r}"
        raise FaultError("check disagrees", f"{where} {'accepts' if check else 'refuses'}", said)


def _is_too_large(graph: Graph) -> bool:
    numbers = sum(prod(graph.tensors[name].shape) for name in graph.activations())
    products = sum(
        prod(graph.tensors[n.output].shape) * prod(graph.constants[n.inputs[1]].shape[1:])
        for n in graph.nodes
        if isinstance(n.op, Conv2d)
    )
    return numbers > _MOST_NUMBERS or products > _MOST_PRODUCTS


def _quantized(imported: Imported, x: np.ndarray, thorough: bool) -> QuantizedModel:
    if not imported.quantization:
        return quantize(imported.graph, x, "mse" if thorough else "minmax")
    # The best scale cuts rare values off: then nothing could be said of the difference.
    return quantize_imported(imported, x, "minmax")


def _chosen_well(imported: Imported, made: QuantizedModel, x: np.ndarray) -> None:
    """Raise where a scale that was chosen is coarser than its numbers need."""
    values = dict(walk(imported.graph, x, imported.quantization))
    coarse = coarse_scales(imported.graph, made.quantization, imported.quantization, values)
    if coarse:
        raise FaultError("int8 differs", "scale", f"coarser than needed: {', '.join(coarse)}")


class _Opinion:
    """What onnxruntime makes of the model itself: ``wanted`` by output, or why not."""

    def __init__(self, data: bytes, imported: Imported, x: np.ndarray) -> None:
        self.model = onnx.load_from_string(data)
        self.wanted: dict[str, np.ndarray] = {}
        self.places: dict[str, np.ndarray] = {}
        self.refused = ""
        try:
            self.wanted = ort_outputs(self.model, self._fed(imported, x))
            self.places = their_places(data, self._fed(imported, x))
        except Exception as error:  # whatever onnxruntime raises
            self.refused = str(error)[:300]

    def _fed(self, imported: Imported, x: np.ndarray) -> np.ndarray:
        constants = {t.name for t in self.model.graph.initializer}
        place = next(i for i in self.model.graph.input if i.name not in constants).type.tensor_type
        if place.elem_type in (onnx.TensorProto.UINT8, onnx.TensorProto.INT8):
            steps = quantize_array(x, imported.quantization[imported.graph.input])
            x = steps.astype(np.int16) + 128 * (place.elem_type == onnx.TensorProto.UINT8)
        y = x if imported.input_layout == "nhwc" else x.transpose(0, 3, 1, 2)
        if len(place.shape.dim) != 4:
            y = y.reshape(1, *(d.dim_value for d in place.shape.dim[1:]))
        kind = onnx.helper.tensor_dtype_to_np_dtype(place.elem_type)
        return np.ascontiguousarray(y).astype(kind)


#: What onnx's checker says of graphs that are no graphs of operators: other complaints are about
#: declarations that nothing depends on (an output without shape, a model without version).
_ILLEGAL = ("Bad node spec", "topologically sorted", "SSA", "Unrecognized attribute")


def _legal(data: bytes, why: str) -> None:
    """Raise if onnx's checker has something against the nodes of what onnxruntime refuses."""
    try:
        onnx.checker.check_model(data)
    except Exception as error:  # ValidationError, or whatever it stumbles on
        text = " ".join(str(error).split())
        if any(words in text for words in _ILLEGAL):
            raise FaultError("illegal accepted", text[:60], f"{text[:200]}; {why}") from error


def _float(imported: Imported, opinion: _Opinion, x: np.ndarray) -> None:
    """The float graph against onnxruntime."""
    values = interpret(imported.graph, x)
    atol = float_tolerance(imported.graph, values)
    values = with_their_ties(imported.graph, values, opinion.places, atol)
    got, of = model_outputs(imported.graph, values), chosen(imported.graph, values)
    same("float differs", got, opinion.wanted, atol, 1e-4, indices=of, ties="zeros")


def _int8(imported: Imported, made: QuantizedModel, opinion: _Opinion, x: np.ndarray) -> None:
    """The int8 graph against the QDQ file we write and, if the model has scales, the model."""
    file = to_qdq(made)
    # As docs/numerics.md says: fed with the same integers a layer differs by 1 at most.
    layers = _layers(made, file, x, "nchw")
    try:
        wanted = ort_outputs(file, np.ascontiguousarray(x.transpose(0, 3, 1, 2)))
        load_optimized(file)
    except Exception as error:
        raise FaultError("int8 differs", "file", f"onnxruntime: {str(error)[:300]}") from error
    got, of = outputs(made, layers)
    same("int8 differs", got, wanted, rounding(made), 1e-5, "of our file", indices=of)
    again, said = _asked(lambda: quantize_imported(load_onnx(file)))
    if again is None:
        raise FaultError("int8 differs", "read back", said)
    ours, read = (model_outputs(m.graph, interpret(m.graph, x)) for m in (made, again))
    same("int8 differs", read, ours, 0, 0, "read back")
    if imported.quantization:
        _of_the_model(imported, made, opinion, x)


def _of_the_model(
    imported: Imported, made: QuantizedModel, opinion: _Opinion, x: np.ndarray
) -> None:
    """The int8 graph against a model that has scales, some or all of them."""
    # Whose weights are no integers in the file.
    convs = {n.name: n.inputs[1] for n in imported.graph.nodes if isinstance(n.op, Conv2d)}
    rounded = {n for n, weight in convs.items() if weight not in imported.integer_weights}
    layers = _layers(made, opinion.model, x, imported.input_layout, rounded)
    got, of = outputs(made, layers)
    # Of an index: of the numbers that it chooses among.
    sizes = opinion.wanted | {name: one.values for name, one in of.items()}
    loose = {n: 0.06 * float(np.abs(a).max(initial=0)) for n, a in sizes.items()}
    steep = steepest(made.graph)
    # What is rounded here, and not in the file, is a step off where a table reads it.
    lacks = set(made.quantization) - set(imported.quantization)
    steps = rounding(made, max(6, steep) if lacks else 6)
    loose = {n: max(v, steps.get(n, 0)) for n, v in loose.items()}
    if steep > STEEPEST:
        return
    meant = [(got, opinion.wanted)]
    if lacks:
        # As the file's scales round it; and the whole network, as those that were chosen beside
        # them do: `got` has the file's own numbers wherever it has some.
        read, too = (_as_read(imported, x, q.quantization) for q in (imported, made))
        meant.append((got, read))
        if _fault(read, opinion.wanted, loose, of) is None:
            meant.append((outputs(made, interpret(made.graph, x))[0], too))
    faults = [_fault(ours, wanted, loose, of) for ours, wanted in meant]
    if None not in faults:
        raise faults[0]


def _as_read(imported: Imported, x: np.ndarray, scales: Mapping[str, Quantization]) -> dict:
    """The float network, each tensor that has one of ``scales`` rounded for all its readers. In the
    file a scale may stand before one of them (docs/numerics.md)."""
    return model_outputs(imported.graph, dict(walk(imported.graph, x, scales)))


def _fault(got: dict, wanted: dict, atol: dict, indices: dict) -> FaultError | None:
    """What is wrong with ``got``, made of a model that has scales."""
    try:
        same("int8 differs", got, wanted, atol, 0, "of the model", indices=indices, ties="none")
    except FaultError as fault:
        return fault
    return None


def _layers(
    quantized: QuantizedModel, model: onnx.ModelProto, x: np.ndarray, layout: str, rounded=()
) -> dict:
    """Every tensor, as onnxruntime has it; a layer that differs by more than is ``allowed`` is a
    fault, of those whose weights are ``rounded`` for the first time by more than 6 % of its range.
    """
    graph = quantized.graph
    try:
        (values,) = observe(graph, model, x, layout)
    except Exception as error:
        raise FaultError("int8 differs", "file", f"onnxruntime: {str(error)[:300]}") from error
    theirs = set(values)
    for node in graph.nodes:
        made = run_node(graph, node, values)
        wanted = values.setdefault(node.output, made)
        activations = set(node.inputs) - set(graph.constants)
        if made.dtype == np.int8 and node.output in theirs and activations <= theirs:
            error = int(np.abs(made.astype(np.int16) - wanted).max(initial=0))
            if error > (15 if node.name in rounded else allowed(quantized, node)):
                said = f"{node.name}: {error} steps"
                raise FaultError("int8 differs", type(node.op).__name__, said)
    return values


# Files beside the model.


def _judge_npz(case: Case) -> Verdict:
    with tempfile.TemporaryDirectory(prefix="accelgen-fuzz-") as folder:
        file = Path(folder) / "calib.npz"
        file.write_bytes(case.data)
        samples, said = _asked(lambda: load_samples(file, shape=(1, 8, 8, 3)))
    if samples is None:
        return Verdict("refused", said=said)
    if samples.dtype != np.float32 or samples.shape[1:] != (8, 8, 3):
        raise FaultError("int8 differs", "samples", f"{samples.dtype} {samples.shape}")
    graph = read_network(conv_relu(shape=(1, 3, 8, 8))).graph
    _, said = _asked(lambda: quantize(graph, samples))
    return Verdict("refused", said=said) if said else Verdict("equal")


def _judge_toml(case: Case) -> Verdict:
    with tempfile.TemporaryDirectory(prefix="accelgen-fuzz-") as folder:
        file = Path(folder) / "board.toml"
        file.write_bytes(case.data)
        if b"[clock]" in case.data:
            hardware, said = _asked(lambda: target(str(file)))
        else:
            hardware, said = _asked(lambda: target(preset="small", config=file))
    if hardware is None:
        return Verdict("refused", said=said)
    imported = read_network(conv_relu(shape=(1, 3, 8, 8)))
    made = quantize(imported.graph, random_samples((1, 8, 8, 3), 0)[:1])
    _, said = _asked(
        lambda: estimated(
            _compiled(made, schedule_parts(made.graph, hardware.arch), hardware, case)
        )
    )  # fmt: skip
    return Verdict("refused", said=said) if said else Verdict("equal")


_JUDGES = {
    "drawn": _judge_model, "fields": _judge_model, "bytes": _judge_model, "npz": _judge_npz,
    "toml": _judge_toml,
}  # fmt: skip
