"""Quantizers side by side: the same float network, calibration and pictures, one table.

``python compare_quantizers.py MODEL --calib DIR --data DIR``, and the words on pictures that
``accelgen evaluate`` takes. Each tool runs in a process of its own with a limit of time; what fails
is a row with its reason. Networks are run by onnxruntime without its optimizations (its fused INT8
kernels saturate on processors without VNNI), or by the tool's own executor.
"""

from __future__ import annotations

import json as json_format
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from network_facts import NetworkFacts, network_facts

from accelgen.cli.groups import Samples, grouped
from accelgen.cli.options import Json, Model
from accelgen.cli.outcome import log, verb
from accelgen.errors import ConfigError, QuantizationError
from accelgen.flow.network import Loaded, load, source_of
from accelgen.inputs.shown import Shown, open_shown
from accelgen.quant.compare_ort import OrtModel
from accelgen.quant.tally import Answers, Noise, Ranks

HERE = Path(__file__).parent
#: Tools and the settings that each is asked for; its default comes first.
TOOLS = {
    "accelgen": ("default", "default, logits int8", "no technique", "every technique"),
    "onnxruntime": (
        "default", "per channel, MinMax", "per channel, Entropy", "per channel, Percentile"
    ),
    "nncf": ("default", "accurate"),
    "quark": ("XINT8", "A8W8", "per channel, CLE, AdaRound"),
    "aimet": ("default", "CLE", "AdaRound"),
    "esp_ppq": ("ESP-DL", "onnxruntime's", "onnxruntime's, equalization, LSQ"),
}  # fmt: skip
#: Pictures that are run together.
BATCH = 16
_COLOURS = re.compile(r"\x1b\[[\d;]*m")


@dataclass(frozen=True, kw_only=True)
class Row:
    """A tool with a setting. ``failed`` is why there is nothing else; shares are 0 to 1."""

    tool: str
    setting: str
    version: str = ""
    agreement: float | None = None
    ties: float | None = None
    sqnr_db: float | None = None
    top1: float | None = None
    cpu_seconds: float | None = None
    facts: NetworkFacts | None = None
    run_by: str = ""
    failed: str = ""


@verb
@grouped
def main(
    model: Model,
    data: Annotated[Path, typer.Option("--data", metavar="DIR|FILE", help="As for evaluate.")],
    labels: Annotated[Path | None, typer.Option("--labels", metavar="FILE")] = None,
    *,
    samples: Samples,
    tools: Annotated[
        str, typer.Option(metavar="NAME,...", help="Only these: " + ", ".join(TOOLS))
    ] = ",".join(TOOLS),
    python: Annotated[
        list[str] | None,
        typer.Option(metavar="TOOL=PATH", help="The Python that has a tool; this one without."),
    ] = None,
    pictures: Annotated[int, typer.Option(min=1, help="How many calibrate.")] = 24,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N pictures.")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds for one tool with one setting.")] = 1800,
    json: Json = False,
) -> None:
    """Quantize MODEL with accelgen and other tools, and compare what they make with float."""
    chosen, pythons = _chosen(tools), _pythons(python or [])
    loaded = load(model)
    graph, layout = loaded.imported.graph, loaded.imported.input_layout
    shape = graph.tensors[graph.input].shape
    calibration = samples.calibration.recalling(loaded.recorded)
    calib = calibration.samples(shape, layout)
    if calib is None or loaded.is_quantized:
        raise QuantizationError("a comparison needs --calib and a network of floats")
    shown = open_shown(
        data, shape=shape, layout=layout, pictures=calibration.pictures, labels=labels
    )
    with tempfile.TemporaryDirectory() as folder:
        contest = Contest(loaded, model, Path(folder).resolve(), timeout)
        contest.show(np.asarray(calib[:pictures]), shown, limit)
        rows = []
        for tool in chosen:
            for setting in TOOLS[tool]:
                rows.append(contest.row(tool, setting, pythons.get(tool, sys.executable)))
                log.print(line(rows[-1]), markup=False)
    if json:
        sys.stdout.write(json_format.dumps([asdict(row) for row in rows], indent=1) + "\n")
    else:
        sys.stdout.write("\n".join(markdown(rows)) + "\n")


def _chosen(tools: str) -> list[str]:
    names = [name.strip() for name in tools.split(",")]
    for name in names:
        if name not in TOOLS:
            raise ConfigError(f"there is no tool {name!r}; known: {', '.join(TOOLS)}")
    return names


def _pythons(given: list[str]) -> dict[str, str]:
    found = dict(text.partition("=")[::2] for text in given)
    for name, path in found.items():
        if name not in TOOLS or not Path(path).is_file():
            raise ConfigError(f"--python is TOOL=PATH of a tool and its Python, not {name}={path}")
    # Not resolved: a venv's Python is a link, and knows its venv by that.
    return {name: str(Path(path).absolute()) for name, path in found.items()}


class Contest:
    """One network and its pictures, on which every tool is tried."""

    def __init__(self, loaded: Loaded, model: str, folder: Path, timeout: float) -> None:
        self._layout, self._folder, self._timeout = loaded.imported.input_layout, folder, timeout
        source = source_of(model)
        if not isinstance(source, Path):
            raise ConfigError(f"{model} is no file; the other tools need one")
        self._source = source.resolve()  # each tool works in a folder of its own

    def show(self, calib: np.ndarray, shown: Shown, limit: int | None) -> None:
        """Lay out the pictures for the tools, and compute them in float."""
        count = min(len(shown.names), limit or len(shown.names))
        self._labels = None if shown.labels is None else shown.labels[:count]
        np.save(self._folder / "calib.npy", self._turned(calib))
        first = self._turned(shown.read(0, 1))
        self._data = np.lib.format.open_memmap(
            self._folder / "data.npy", "w+", np.float32, (count, *first.shape[1:])
        )
        network = OrtModel(self._source, self._layout, optimized=True)
        real = []
        for at in range(0, count, BATCH):
            x = shown.read(at, min(at + BATCH, count))
            self._data[at : at + len(x)] = self._turned(x)
            real.append(network.run(x)[0])
        self._real = np.concatenate(real).reshape(count, -1)

    def row(self, tool: str, setting: str, python: str) -> Row:
        """A tool's try."""
        folder = self._folder / f"{tool}, {setting}".replace("/", " ")
        folder.mkdir()
        for name in ("calib.npy", "data.npy"):
            (folder / name).symlink_to(self._folder / name)
        try:
            self._run([python, HERE / "quantize_with.py", tool, setting, self._source, folder])
            return self._scored(tool, setting, folder)
        except Exception as error:  # whatever a tool's network does to whoever reads it
            reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
            return Row(tool=tool, setting=setting, failed=reason[:200])

    def _run(self, command: list[Any]) -> None:
        """Raises RuntimeError with a tool's last words."""
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        with tempfile.TemporaryFile() as words:
            tool = subprocess.Popen(
                [*map(str, command)], stdout=words, stderr=words, cwd=command[-1],
                env=environment, start_new_session=True,
            )  # fmt: skip
            try:
                status = tool.wait(self._timeout)
            except subprocess.TimeoutExpired:
                raise RuntimeError(f"not done after {self._timeout:g} seconds") from None
            finally:
                if tool.poll() is None:
                    os.killpg(tool.pid, signal.SIGKILL)
                    tool.wait()
            if status < 0:
                raise RuntimeError(f"ended by signal {-status}")
            if status:
                words.seek(0)
                said = _COLOURS.sub("", words.read().decode(errors="replace"))
                raise RuntimeError(said or f"status {status}")

    def _scored(self, tool: str, setting: str, folder: Path) -> Row:
        cost = json_format.loads((folder / "facts.json").read_text())
        made, own = folder / "int8.onnx", folder / "outputs.npy"
        outputs = np.load(own) if own.exists() else np.concatenate(list(self._by_ort(made)))
        outputs = outputs.reshape(len(self._real), -1)
        answers, noise, ranks = Answers(), Noise(), Ranks()
        answers.add(self._real, outputs)
        noise.add(self._real, outputs)
        if self._labels is not None:
            ranks.add(outputs, self._labels)
        count = len(outputs)
        return Row(
            tool=tool, setting=setting, version=cost["version"],
            agreement=answers.agreeing / count, ties=answers.tied / count, sqnr_db=noise.sqnr_db,
            top1=ranks.shares(outputs.shape[1])[0], cpu_seconds=round(cost["cpu_seconds"], 1),
            facts=network_facts(made), run_by="itself" if own.exists() else "onnxruntime",
        )  # fmt: skip

    def _by_ort(self, made: Path) -> Iterator[np.ndarray]:
        network = OrtModel(made, "nhwc")  # whatever the model's order: these are turned already
        for at in range(0, len(self._data), BATCH):
            yield network.run(self._data[at : at + BATCH])[0]

    def _turned(self, x: np.ndarray) -> np.ndarray:
        """(n, h, w, c) in the model's order."""
        return x if self._layout == "nhwc" else np.ascontiguousarray(x.transpose(0, 3, 1, 2))


def markdown(rows: list[Row]) -> Iterator[str]:
    """The table, line by line."""
    yield (
        "| tool | setting | agreement | ties | SQNR dB | top-1 | scale per | rounded | logits "
        "| run by | CPU s |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|---|"
    yield from map(line, rows)


def line(row: Row) -> str:
    """A row of the table."""
    name = f"| {row.tool} {row.version} ".replace("  ", " ") + f"| {row.setting} "
    if row.failed or row.facts is None:
        return f"{name}| failed: {row.failed.replace('|', ' ')} |||||||||"
    cells = (
        _percent(row.agreement), _percent(row.ties), f"{row.sqnr_db:.1f}", _percent(row.top1),
        row.facts.weights, _rounded(row.facts), row.facts.logits, row.run_by,
        f"{row.cpu_seconds:.1f}",
    )  # fmt: skip
    return name + "".join(f"| {cell} " for cell in cells) + "|"


def _rounded(facts: NetworkFacts) -> str:
    some = (f"{facts.wide} wide", f"{facts.scaled} per channel")
    return ", ".join([str(facts.rounded), *(text for text in some if text[0] != "0")])


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.2f} %"


if __name__ == "__main__":
    typer.run(main)
