"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

__all__ = [
    "Bgr",
    "BoardName",
    "Calib",
    "ClockMhz",
    "Config",
    "Crop",
    "Csv",
    "DdrBytes",
    "DdrLatency",
    "DriverFrames",
    "Edited",
    "Exclude",
    "FcOn",
    "FcPlace",
    "Force",
    "Json",
    "KeepAll",
    "Labels",
    "Logits",
    "Mean",
    "Method",
    "Model",
    "ModelOrDir",
    "Preprocess",
    "Preset",
    "Processor",
    "ProgramOnly",
    "PsThreads",
    "Resize",
    "Script",
    "SeOn",
    "SePlace",
    "Seed",
    "SimulateToo",
    "Sort",
    "Stalls",
    "Std",
    "Technique",
    "Top",
    "Trace",
    "Wide",
]

Model = Annotated[
    str, typer.Argument(metavar="MODEL", help="ONNX file (float or QDQ), or zoo:NAME[@RESOLUTION].")
]
ModelOrDir = Annotated[
    str,
    typer.Argument(
        metavar="MODEL|DIR",
        help="As MODEL, or a directory made by build, or a run saved by a test (.npz).",
    ),
]
BoardName = Annotated[
    str, typer.Option("--board", metavar="B", help="Board by name, or a path to a board.toml.")
]
Preset = Annotated[
    str | None,
    typer.Option(
        "--preset",
        metavar="NAME",
        help="Configuration instead of the board's; naive: a first design; single-clock.",
    ),
]
Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE.toml", help="Knobs; others stay the board's."),
]
ClockMhz = Annotated[
    float | None,
    typer.Option("--clock-mhz", min=1, max=2000, help="Fabric clock; the board's by default."),
]
DdrBytes = Annotated[
    float | None,
    typer.Option(
        "--ddr-bytes-per-cycle", min=0.1, max=64, help="DDR bandwidth; the board's by default."
    ),
]
DdrLatency = Annotated[
    int | None,
    typer.Option("--ddr-latency", min=3, max=100_000, help="Cycles from read address to data."),
]
Stalls = Annotated[
    float,
    typer.Option(
        "--stalls", min=0.0, max=0.95, help="Chance per cycle that an AXI channel pauses."
    ),
]
Wide = Annotated[
    bool, typer.Option("--wide", help="Every layer and column, wider than 80 columns.")
]
Sort = Annotated[
    Literal["network", "time", "array", "bytes"],
    typer.Option("--sort", help="Order of layers: slowest, least use of the array, most bytes."),
]
Top = Annotated[
    int | None, typer.Option("--top", metavar="N", min=1, help="Only the first N layers.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of everything random.")]
Calib = Annotated[
    Path | None,
    typer.Option(
        "--calib",
        metavar="DIR|FILE",
        help="Calibration samples for a float model: pictures (png, jpg), .npz or .npy.",
    ),
]
Resize = Annotated[
    str | None,
    typer.Option("--resize", metavar="N|HxW", help="Pictures: new short side, or new size."),
]
Crop = Annotated[
    str | None, typer.Option("--crop", metavar="N|HxW", help="Pictures: keep this centre.")
]
Preprocess = Annotated[
    str | None,
    typer.Option(
        "--preprocess", metavar="NAME", help="Pictures: imagenet, tf, caffe or unit, for --mean."
    ),
]
Mean = Annotated[
    str | None,
    typer.Option("--mean", metavar="M,M,M", help="Pictures: (v / 255 - mean) / std, per channel."),
]
Std = Annotated[str | None, typer.Option("--std", metavar="S,S,S", help="Pictures: see --mean.")]
Bgr = Annotated[
    bool, typer.Option("--bgr/--rgb", help="Pictures: the network's order of channels.")
]
Method = Annotated[
    str, typer.Option("--method", metavar="M", help="Calibration: mse, percentile or minmax.")
]
Technique = Annotated[
    str,
    typer.Option(
        "--technique",
        metavar="T",
        help="Better numbers: bias, equalize, minmax, round, by commas; none; auto: what helps.",
    ),
]
Exclude = Annotated[
    str,
    typer.Option(
        "--exclude",
        metavar="NAME,...",
        help="Layers that techniques leave alone: NAME, or TECHNIQUE:NAME for one of them.",
    ),
]
Logits = Annotated[
    str,
    typer.Option(
        "--logits", metavar="wide|int8", help="What last layers leave: their sums, or INT8."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
Force = Annotated[bool, typer.Option("--force", help="Delete what is in the way; it is listed.")]
KeepAll = Annotated[
    bool, typer.Option("--keep-all", help="Store every tensor: slower, and selftest.py sees more.")
]
SimulateToo = Annotated[
    bool, typer.Option("--simulate", help="Then simulate a frame of the package.")
]
Labels = Annotated[
    Path | None, typer.Option("--labels", metavar="FILE", help="Names of classes, one a line.")
]
ProgramOnly = Annotated[
    bool,
    typer.Option(
        "--program-only", help="Program, weights, driver, for a bitstream that is there; no RTL."
    ),
]
FcOn = Annotated[
    str,
    typer.Option("--fc-on", metavar="pl|ps", help="Where the last fully connected layers run."),
]
FcPlace = Annotated[
    str,
    typer.Option(
        "--fc-on",
        metavar="auto|pl|ps",
        help="Where the last fully connected layers run; auto: where the estimate is faster.",
    ),
]
SeOn = Annotated[
    str,
    typer.Option(
        "--se-on", metavar="pl|ps", help="Where squeeze-and-excite runs; ps: a crossing each way."
    ),
]
SePlace = Annotated[
    str,
    typer.Option(
        "--se-on",
        metavar="auto|pl|ps",
        help="Where squeeze-and-excite runs; auto: on the PL, naive: on the PS.",
    ),
]
PsThreads = Annotated[
    int, typer.Option("--ps-threads", min=1, max=4, help="Cores that PS kernels may use.")
]
Processor = Annotated[
    str,
    typer.Option("--ps", metavar="twin|qemu", help="PS steps: portable C, or NEON under qemu."),
]
Trace = Annotated[
    Path | None,
    typer.Option(
        "--trace",
        metavar="FILE",
        help="Chrome trace of the frame to write, for Perfetto.",
    ),
]
Csv = Annotated[
    Path | None,
    typer.Option("--csv", metavar="FILE", help="Layers as CSV: what each is, and what it takes."),
]
DriverFrames = Annotated[
    int,
    typer.Option("--driver", metavar="N", min=0, help="N frames through the package's own driver."),
]
Edited = Annotated[
    bool,
    typer.Option(
        "--edited",
        help="Run a package's code though accelgen did not write it. It can do anything.",
    ),
]
Script = Annotated[
    Path | None,
    typer.Option(
        "--script", metavar="FILE", help="Run this script of the package as on its board."
    ),
]
