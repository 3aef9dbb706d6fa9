"""What is right: one case, everything accelgen says of it, and onnxruntime beside it."""

from __future__ import annotations

import contextlib
import tempfile
import traceback
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
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
from accelgen.golden.arith import dequantize_array, quantize_array
from accelgen.golden.interpret import interpret, run_node
from accelgen.golden.outputs import model_outputs
from accelgen.inputs.samples import load_samples, random_samples
from accelgen.ir import Graph
from accelgen.ir.imported import Imported
from accelgen.ir.ops import Conv2d
from accelgen.quant import QuantizedModel, quantize, quantize_imported
from accelgen.quant.compare_ort import observe
from accelgen.quant.write_qdq import to_qdq
from accelgen.schedule import schedule_parts
from tests.fuzz.cases import ARCHES, Case
from tests.helpers.nets import conv_relu
from tests.helpers.second_opinion import load_optimized, ort_outputs

__all__ = ["FAILURES", "Verdict", "judge"]

#: What a case may be beside equal and refused.
FAILURES = (
    "traceback", "hang", "memory", "died", "float differs", "int8 differs", "check disagrees",
    "illegal accepted", "no sentence",
)  # fmt: skip
#: Numbers and products of a model above which nothing is compared: it would take too long.
_MOST_NUMBERS, _MOST_PRODUCTS = 3_000_000, 60_000_000


@dataclass(frozen=True)
class Verdict:
    """``kind``: "equal", "refused", "not compared" or one of FAILURES. ``where`` tells causes of
    one kind apart; ``said`` is for the reader."""

    kind: str
    where: str = ""
    said: str = ""

    @property
    def failed(self) -> bool:
        """Whether something is wrong with accelgen."""
        return self.kind in FAILURES

    def to_dict(self) -> dict[str, str]:
        """For a line of JSON."""
        return asdict(self)


class _FaultError(Exception):
    """A verdict that ends the judging."""

    def __init__(self, kind: str, where: str, said: str) -> None:
        super().__init__(said)
        self.verdict = Verdict(kind, where, said)


def judge(case: Case) -> Verdict:
    """Everything accelgen can be asked about ``case``, in this process."""
    try:
        with warnings.catch_warnings(), _quick(case):
            warnings.simplefilter("error")
            # numpy's products say so at random; numbers that are no numbers are looked for below.
            warnings.filterwarnings("ignore", "invalid value encountered in matmul")
            return _JUDGES[case.kind](case)
    except _FaultError as fault:
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
            raise _FaultError("no sentence", place, repr(said[:300])) from error
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
            raise _FaultError("check disagrees", "nodes", f"{flagged} but {check!r}")
    if _is_too_large(imported.graph):
        return Verdict("refused" if check else "not compared", said=check or "too large")
    x = _input(imported)
    opinion = _Opinion(case.data, imported, x[:1])
    made, said = _asked(lambda: _quantized(imported, x, case.thorough))
    if made is None and "becomes NaN or infinite" in said:
        return Verdict("not compared", said=said)  # that is for the data to say
    if made is not None:
        parts, said = _asked(lambda: schedule_parts(made.graph, arch, **how))
        if parts and case.thorough:
            _asked(lambda: estimated(_compiled(made, parts, _TARGETS[case.arch], case)))
    _agree(check, said, "compile")
    if not opinion.wanted:
        _legal(case.data, opinion.refused)
        return Verdict("not compared", said=f"onnxruntime refuses it: {opinion.refused}")
    if not imported.quantization:
        _float(imported, opinion, x[:1])
    if made is None:
        return Verdict("refused", said=said)
    _int8(imported, made, opinion, x[:1])
    return Verdict("refused", said=said) if said else Verdict("equal")


def _input(imported: Imported) -> np.ndarray:
    """Two frames that saturate nothing: scales the file lacks are chosen without its own."""
    x = random_samples(imported.graph.tensors[imported.graph.input].shape, 0)[:2]
    known = imported.quantization.get(imported.graph.input)
    return x if known is None else dequantize_array(quantize_array(x, known), known)


_TARGETS: dict[str, Target] = {name: target(arch=arch) for name, arch in ARCHES.items()}


def _compiled(made: QuantizedModel, parts: Any, hardware: Target, case: Case) -> Compiled:
    return Compiled(
        name="case", input_layout="nchw", model=made, hardware=hardware, parts=parts,
        offload=Offload(fc=case.fc_on_ps, se=case.se_on_ps),
    )  # fmt: skip


def _agree(check: str, said: str, where: str) -> None:
    if bool(check) != bool(said):
        said = f"check: {check!r}; {where}: {said!r}"
        raise _FaultError("check disagrees", f"{where} {'accepts' if check else 'refuses'}", said)


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


class _Opinion:
    """What onnxruntime makes of the model itself: ``wanted`` by output, or why not."""

    def __init__(self, data: bytes, imported: Imported, x: np.ndarray) -> None:
        self.model = onnx.load_from_string(data)
        self.wanted: dict[str, np.ndarray] = {}
        self.refused = ""
        try:
            self.wanted = ort_outputs(self.model, self._fed(imported, x))
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
            y = y.reshape(1, -1)
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
            raise _FaultError("illegal accepted", text[:60], f"{text[:200]}; {why}") from error


def _float(imported: Imported, opinion: _Opinion, x: np.ndarray) -> None:
    """The float graph against onnxruntime.

    Sums come in another order: errors are relative to the largest number on the way.
    """
    values = interpret(imported.graph, x)
    finite = [v[np.isfinite(v)] for v in values.values()]
    largest = max((float(np.abs(v).max(initial=0)) for v in finite), default=0.0)
    atol = 2e-6 * max(largest, 1e-3) * (len(imported.graph.nodes) + 2)
    _same("float differs", model_outputs(imported.graph, values), opinion.wanted, atol, 1e-4)


def _same(kind: str, got: dict, wanted: dict, atol, rtol: float, of: str = "") -> None:
    """Names, order, shapes, values. ``atol``: one number, or by output."""
    of = f" {of}" if of else ""
    if list(got) != list(wanted):
        raise _FaultError(kind, f"names{of}", f"{list(got)}, onnxruntime {list(wanted)}")
    for name, want in wanted.items():
        if got[name].shape != want.shape:
            raise _FaultError(kind, f"shapes{of}", f"{name}: {got[name].shape}, {want.shape}")
        if not np.isfinite(want.astype(np.float64)).all():
            continue
        most = atol[name] if isinstance(atol, dict) else atol
        error = np.abs(got[name].astype(np.float64) - want.astype(np.float64))
        if not (error <= most + rtol * np.abs(want.astype(np.float64))).all():
            largest = np.abs(want.astype(np.float64)).max()
            said = f"{name}: up to {error.max():g}; {most:g} are allowed; largest {largest:g}"
            raise _FaultError(kind, f"values{of}", said)


def _int8(imported: Imported, made: QuantizedModel, opinion: _Opinion, x: np.ndarray) -> None:
    """The int8 graph against the QDQ file we write and, if the model has scales, the model."""
    file = to_qdq(made)
    # As docs/numerics.md says: fed with the same integers a layer differs by 1 at most.
    layers = _layers(made.graph, file, x, "nchw")
    try:
        wanted = ort_outputs(file, np.ascontiguousarray(x.transpose(0, 3, 1, 2)))
        load_optimized(file)
    except Exception as error:
        raise _FaultError("int8 differs", "file", f"onnxruntime: {str(error)[:300]}") from error
    got = _outputs(made, layers)
    _same("int8 differs", got, wanted, _rounding(made), 1e-5, "of our file")
    again, said = _asked(lambda: quantize_imported(load_onnx(file)))
    if again is None:
        raise _FaultError("int8 differs", "read back", said)
    ours, read = (model_outputs(m.graph, interpret(m.graph, x)) for m in (made, again))
    _same("int8 differs", read, ours, 0, 0, "read back")
    if imported.quantization:
        layers = _layers(made.graph, opinion.model, x, imported.input_layout)
        got = _outputs(made, layers)
        rounding = _rounding(made, 6)
        loose = {n: 0.06 * float(np.abs(a).max(initial=0)) for n, a in opinion.wanted.items()}
        loose = {n: max(v, rounding.get(n, 0)) for n, v in loose.items()}
        if set(made.quantization) - set(imported.quantization):
            # Chosen of the float graph: what saturates on the way may leave their ranges.
            largest = max(256 * q.scale for q in made.quantization.values())
            loose = {n: max(v, 0.06 * largest) for n, v in loose.items()}
        _same("int8 differs", got, opinion.wanted, loose, 0, "of the model")


def _rounding(made: QuantizedModel, steps: float = 0.01) -> dict[str, float]:
    """What each output may be off: ``steps`` of its own; a step, if it was rounded afterwards."""
    found = {}
    for view in made.graph.model_outputs():
        names = [p.tensor for p in view.pieces]
        own = [q.scale for n in names if (q := made.graph.tensors[n].quantization)]
        after = [q.scale for n in names if not own and (q := made.quantization.get(n))]
        found[view.name] = max([1e-4, *(steps * s for s in own), *(1.01 * s for s in after)])
    return found


def _outputs(made: QuantizedModel, values: dict) -> dict:
    """The model's outputs. A QuantizeLinear behind a Softmax is not applied by the host: here it
    is, so that the two can be compared."""
    for name in {p.tensor for view in made.graph.model_outputs() for p in view.pieces}:
        known = made.quantization.get(name)
        if known is not None and made.graph.tensors[name].quantization is None:
            x = dequantize_array(quantize_array(values[name], known), known)
            values = {**values, name: x}
    return model_outputs(made.graph, values)


def _layers(graph: Graph, model: onnx.ModelProto, x: np.ndarray, layout: str) -> dict:
    """Every tensor, as onnxruntime has it; a layer that differs by more than 1 is a fault."""
    try:
        (values,) = observe(graph, model, x, layout)
    except Exception as error:
        raise _FaultError("int8 differs", "file", f"onnxruntime: {str(error)[:300]}") from error
    theirs = set(values)
    for node in graph.nodes:
        made = run_node(graph, node, values)
        wanted = values.setdefault(node.output, made)
        activations = set(node.inputs) - set(graph.constants)
        if made.dtype == np.int8 and node.output in theirs and activations <= theirs:
            error = int(np.abs(made.astype(np.int16) - wanted).max(initial=0))
            if error > 1:
                said = f"{node.name}: {error} steps"
                raise _FaultError("int8 differs", type(node.op).__name__, said)
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
        raise _FaultError("int8 differs", "samples", f"{samples.dtype} {samples.shape}")
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
