"""Failures: shrunk, saved, and judged again."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import onnx

from tests.fuzz.choices import shrink
from tests.fuzz.workers import Job, Limits, Pool, Result, decided

__all__ = ["described", "repeat", "save", "shrunk", "whole"]

#: Attempts at a smaller case; a hang takes its time every time.
ATTEMPTS, ATTEMPTS_AT_HANGS = 150, 8


def whole(result: Result) -> Result:
    """With the decisions of its case, where the worker could not say them any more."""
    if result.taken:
        return result
    case = decided(result.job)
    return replace(result, taken=case.taken, kind=case.kind)


def shrunk(
    result: Result, limits: Limits | None = None, prepare: Callable[[], None] | None = None
) -> Result:
    """The same failure, from fewer and smaller decisions."""
    best = result = whole(result)
    kind = result.kind

    def cause(one: Result) -> tuple[str, str]:
        return one.verdict["kind"], one.verdict["where"].partition(":")[0]

    with Pool(1, limits, prepare) as pool:

        def fails(candidate: list[int]) -> bool:
            nonlocal best
            again = pool.one(Job(result.job.seed, result.job.k, kind, tuple(candidate)))
            if cause(again) != cause(result):
                return False
            best = replace(again, taken=list(again.taken or candidate), kind=kind)
            return True

        slow = result.verdict["kind"] in ("hang", "died", "memory")
        shrink(list(result.taken), fails, ATTEMPTS_AT_HANGS if slow else ATTEMPTS)
    return replace(best, job=result.job)


def save(result: Result, folder: Path) -> Path:
    """The case as a file, and beside it a note; returns the file's path."""
    case = decided(Job(result.job.seed, result.job.k, result.kind, tuple(result.taken)))
    where = folder / "failures"
    where.mkdir(parents=True, exist_ok=True)
    cause = re.sub(r"[^A-Za-z0-9]+", "-", result.verdict["kind"]).strip("-")
    suffix = {"npz": ".npz", "toml": ".toml"}.get(result.kind, ".onnx")
    file = where / f"{cause}-{result.job.seed}-{result.job.k}{suffix}"
    file.write_bytes(case.data)
    said = [f"{key}: {value}" for key, value in result.verdict.items()]
    said += [
        f"case: {result.job.k} of seed {result.job.seed}, {result.kind}", f"arch: {case.arch}",
        f"fc_on_ps: {case.fc_on_ps}", f"se_on_ps: {case.se_on_ps}",
        f"thorough: {case.thorough}", f"taken: {result.taken}",
    ]  # fmt: skip
    if suffix == ".onnx":
        said += ["", described(case.data)]
    file.with_suffix(".txt").write_text("\n".join(said) + "\n")
    return file


def described(data: bytes) -> str:
    """A model, a node per line."""
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except Exception as error:  # whatever protobuf raises
        return f"no model: {error}"
    lines = [f"opset {[o.version for o in model.opset_import]}"]
    for value in (*model.graph.input, *model.graph.output):
        dims = [d.dim_value for d in value.type.tensor_type.shape.dim]
        lines.append(f"{value.name!r} {value.type.tensor_type.elem_type} {dims}")
    lines += [
        f"{t.name!r} = constant {t.data_type} {list(t.dims)}" for t in model.graph.initializer
    ]
    for node in model.graph.node:
        attributes = " ".join(f"{a.name}={str(_shown(a))[:60]!r}" for a in node.attribute)
        lines.append(f"{list(node.output)} = {node.op_type} {list(node.input)} {attributes}")
    return "\n".join(lines)


def _shown(attribute: onnx.AttributeProto) -> object:
    try:
        return onnx.helper.get_attribute_value(attribute)
    except ValueError:
        return "?"


def repeat(files: list[Path]) -> int:
    """Judge saved files again, each for the hardware of its note; 1 if one fails."""
    from tests.fuzz.cases import Case
    from tests.fuzz.judge import judge

    bad = 0
    for file in files:
        note = file.with_suffix(".txt").read_text() if file.with_suffix(".txt").exists() else ""
        said = dict(line.split(": ", 1) for line in note.splitlines() if ": " in line)
        kind = {".npz": "npz", ".toml": "toml"}.get(file.suffix, "drawn")
        verdict = judge(
            Case(
                kind=kind, data=file.read_bytes(), arch=said.get("arch", "small"),
                fc_on_ps=said.get("fc_on_ps") == "True", se_on_ps=said.get("se_on_ps") == "True",
                thorough=said.get("thorough") == "True",
            )
        )  # fmt: skip
        print(f"{file.name}: {verdict.kind} {verdict.where} {verdict.said}")
        bad += verdict.failed
    return int(bad > 0)
