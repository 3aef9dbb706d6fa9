"""`python -m tests.cases CHECKOUT`: what the command line of a checkout does with every case.

CHECKOUT is a folder with an ``accelgen`` package (a worktree of an older commit, or `.`). Each
file of ``tests/models/cases`` (and calibration files that ``--also`` names) goes through ``check``,
``estimate`` and ``quantize``, each in its own process, within 60 s and 6 GB. What ``quantize``
writes is run by onnxruntime beside the model: names, order, shapes, and more than 10 dB of signal
to noise. Prints a line of a table per file; ``--json FILE`` keeps all.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx

CASES = Path(__file__).parents[1] / "models" / "cases"
VERBS = ("check", "estimate", "quantize")
SECONDS, MEMORY = 60, 6 << 30
#: Files that are no models: calibration data of this net.
NET = CASES.parent / "trained_digits_tiny.onnx"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.cases", description=__doc__)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    files = given.files or sorted(CASES.glob("*.onnx"))
    found = {}
    for file in files:
        found[file.stem] = judged(given.checkout.resolve(), file.resolve())
        print(f"| {file.stem} | {said(found[file.stem])} |", flush=True)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


def said(results: dict[str, str]) -> str:
    """All verbs in one cell; what they agree on once."""
    if len(set(results.values())) == 1:
        return next(iter(results.values()))
    return "; ".join(f"{verb}: {result}" for verb, result in results.items())


def judged(checkout: Path, file: Path) -> dict[str, str]:
    """What each verb does with ``file``."""
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "q.onnx"
        for verb in VERBS:
            command = [sys.executable, "-m", "accelgen", verb]
            if file.suffix == ".npz":
                if verb == "check":
                    continue
                command += [str(NET), "--calib", str(file)]
            else:
                command += [str(file)]
            if verb == "quantize":
                command += ["-o", str(written)]
                if file.suffix != ".npz" and (samples := _samples(file, Path(folder))):
                    command += ["--calib", str(samples)]
            results[verb] = _run(command, checkout)
        if results.get("quantize") == "done" and file.suffix != ".npz":
            results["quantize"] = _compared(file, written)
    return results


def _run(command: list[str], checkout: Path) -> str:
    """One process: "done", the sentence, "traceback X", "hangs" or "memory"."""

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))

    environment = {**os.environ, "PYTHONPATH": str(checkout), "COLUMNS": "2000"}
    try:
        done = subprocess.run(
            command, cwd="/", env=environment, preexec_fn=limited, timeout=SECONDS, text=True,
            capture_output=True, errors="replace",
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"over {SECONDS} s"
    if "Traceback" in done.stderr:
        return f"traceback {done.stderr.strip().splitlines()[-1][:90]}"
    if done.returncode < 0:
        return f"died of signal {-done.returncode}"
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
        return f"refused ({done.returncode}): {lines[-1][:160] if lines else ''}"
    return "done"


def _samples(file: Path, folder: Path) -> Path | None:
    """Noise that the model takes."""
    try:
        shape, kind = _input(onnx.load(file, load_external_data=False))
    except Exception:  # a damaged file: the command says so
        return None
    if kind != np.float32 or np.prod(shape) > 1 << 24:
        return None
    x = np.random.default_rng(0).standard_normal((4, *shape[1:])).astype(np.float32)
    np.savez(folder / "x.npz", x=x)
    return folder / "x.npz"


def _input(model: onnx.ModelProto) -> tuple[list[int], type]:
    constants = {tensor.name for tensor in model.graph.initializer}
    value = next(v for v in model.graph.input if v.name not in constants).type.tensor_type
    kind = onnx.helper.tensor_dtype_to_np_dtype(value.elem_type).type
    return [d.dim_value or 1 for d in value.shape.dim], kind


def _compared(file: Path, written: Path) -> str:
    """onnxruntime's outputs of the model and of the file that was written."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)
    shape, kind = _input(onnx.load(file))
    rng = np.random.default_rng(1)
    x = rng.standard_normal(shape).astype(np.float32)
    if kind != np.float32:
        x = rng.integers(0, 256, shape).astype(kind)
    try:
        wanted = _outputs(str(file), x)
        got = _outputs(str(written), x)
    except Exception as error:  # whatever onnxruntime raises
        return f"wrote a file onnxruntime refuses: {str(error).splitlines()[0][:90]}"
    if list(got) != list(wanted):
        return f"wrong: outputs {list(got)}, not {list(wanted)}"
    for name, want in wanted.items():
        if got[name].shape != want.shape:
            return f"wrong: {name} is {got[name].shape}, not {want.shape}"
        noise = float(np.square(got[name].astype(float) - want).sum())
        signal = float(np.square(want.astype(float)).sum())
        if noise > signal / 10:
            return f"wrong: {name} has {10 * np.log10(signal / noise):.0f} dB"
    return "done"


def _outputs(path: str, x: np.ndarray) -> dict[str, np.ndarray]:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    place = session.get_inputs()[0]
    if "float" in place.type:
        x = x.astype(np.float32)
    if len(place.shape) == 4 != x.ndim or list(place.shape[1:]) != list(x.shape[1:]):
        same = x.ndim == 4 and list(place.shape[1:]) == [x.shape[3], *x.shape[1:3]]
        x = x.transpose(0, 3, 1, 2) if same else x.reshape([d or 1 for d in place.shape])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {place.name: x}), strict=True))


if __name__ == "__main__":
    main()
