"""Case k of a seed: a drawn model, or something damaged; and the hardware it is asked for."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random

import numpy as np

from accelgen.arch import PRESETS, ArchParams
from tests.fuzz.blocks import BLOCKS, ENDS
from tests.fuzz.choices import Choices
from tests.fuzz.habits import HABITS, with_qdq
from tests.fuzz.mutate import mutated_bytes, mutated_model
from tests.fuzz.operators import CHANNELS, SIDE
from tests.fuzz.spelling import Model
from tests.helpers.arches import SCANT

__all__ = ["ARCHES", "KINDS", "Case", "draw", "draw_case"]

ROOT = Path(__file__).parents[2]
#: Small memories: much of what is drawn does not fit.
ARCHES: dict[str, ArchParams] = {**PRESETS, "tight": SCANT}
#: Of a hundred cases: half are drawn.
KINDS = {"drawn": 50, "fields": 34, "bytes": 8, "npz": 4, "toml": 4}
#: Of what is drawn: onnxruntime 1.32, which judges it, lacks QuantizeLinear of opset 28.
_NEWEST = 27
_OLDEST = 7
#: Larger models take longer than they tell.
_LARGEST = 120_000


@dataclass(frozen=True, kw_only=True)
class Case:
    """One case. ``data`` is a model, or a ``.npz`` or ``.toml`` file by ``kind``."""

    kind: str
    data: bytes
    arch: str
    fc_on_ps: bool = False
    se_on_ps: bool = False
    thorough: bool = False
    taken: list[int] = field(default_factory=list)


def draw(seed: int, k: int) -> Case:
    """Case ``k`` of ``seed``: it depends on nothing else."""
    random = Random(f"{seed}/{k}")
    kind = random.choices(list(KINDS), list(KINDS.values()))[0]
    return draw_case(kind, Choices(random=random))


def draw_case(kind: str, c: Choices) -> Case:
    """A case of ``kind`` as ``c`` decides."""
    arch = c.one_of(list(ARCHES))
    offload = {"fc_on_ps": c.chance(15), "se_on_ps": c.chance(10)}
    thorough = c.chance(8)
    data = _DATA[kind](c)
    return Case(kind=kind, data=data, arch=arch, thorough=thorough, taken=c.taken, **offload)


def _drawn(c: Choices) -> bytes:
    """A model of all that is supported, as a float file or with scales."""
    opset = _NEWEST - c.below(_NEWEST - _OLDEST + 1) if c.below(2) else 17
    shape = (1, c.between(1, 12), c.between(1, SIDE), c.between(1, SIDE))
    if c.chance(40):
        shape = (1, 3, 8, 8)
    nhwc = c.chance(8)
    m = Model(c, opset, (shape[0], *shape[2:], shape[1]) if nhwc else shape)
    x = m.add("Transpose", ["x"], shape, perm=[0, 3, 1, 2]) if nhwc else "x"
    made = [x]
    for number in range(7):
        if number and c.below(5) == 0:  # a decision of its own each time: so it can be left out
            break
        at = made[-1 - (c.below(min(3, len(made))) if c.chance(20) else 0)]
        made.append(c.one_of(BLOCKS)(m, at) or c.one_of(BLOCKS[:2])(m, at) or at)
        if m.shapes[made[-1]][1] > 2 * CHANNELS:
            break
    ends = [made[-1]]
    if c.chance(45):
        ends = [c.one_of(ENDS)(m, made[-1])]
    if c.chance(10):
        ends += [t for t in made[-3:-1] if t not in ends]
    if ends == ["x"] or "x" in ends:
        ends = [m.add("Relu", ["x"], m.shapes["x"])]
    proto = m.proto(ends)
    if opset >= 10 and c.chance(30):
        try:
            proto = with_qdq(proto, c.one_of(HABITS), c)
        except Exception:  # onnxruntime does not run it: the float model is the case
            return proto.SerializeToString()
    return proto.SerializeToString()


@cache
def _files() -> tuple[bytes, ...]:
    """Models of the repository that damage is done to."""
    models = ROOT / "tests" / "models"
    paths = [*sorted(models.glob("*.onnx")), *sorted((models / "cases").glob("*.onnx"))]
    found = [path.read_bytes() for path in paths if path.stat().st_size < _LARGEST]
    return tuple(data for data in found if _parses(data))


def _parses(data: bytes) -> bool:
    try:
        mutated_model(data, Choices())
    except Exception:  # a file that is damaged already: names that are not UTF-8
        return False
    return True


def _base(c: Choices) -> bytes:
    """A model to damage: drawn, or of the repository."""
    return c.one_of(_files()) if c.below(3) == 0 else _drawn(c)


def _fields(c: Choices) -> bytes:
    return mutated_model(_base(c), c)


def _bytes(c: Choices) -> bytes:
    return mutated_bytes(_base(c), c)


def _npz(c: Choices) -> bytes:
    """Calibration data for a model of 3 x 8 x 8, good, odd, or damaged."""
    rng = np.random.default_rng(c.below(1 << 16))
    arrays: dict[str, object] = {}
    shape = c.one_of([(2, 3, 8, 8), (3, 8, 8), (2, 8, 8, 3), (0, 3, 8, 8), (2, 192), (), (7,)])
    kind = c.one_of([
        np.float32,
        np.float64,
        np.float16,
        np.uint8,
        np.int64,
        bool,
        np.complex64,
        object,
        "U3",
    ])
    x = rng.integers(0, 2, shape) if kind in (bool, np.uint8) else rng.standard_normal(shape)
    arrays[c.one_of(["x", "calib_uint8", "X", "y"])] = np.asarray(x).astype(kind)
    for name in ("divisor", "mean", "std"):
        if c.chance(40):
            arrays[name] = c.one_of([
                np.float32(2), np.float32([1, 2, 3]), np.float32(0), np.float32([np.nan]), "two",
                np.zeros(0), np.ones((2, 2)), np.array([None]),
            ])  # fmt: skip
    if c.chance(10):
        arrays["x"] = np.full((1, 3, 8, 8), c.one_of([np.inf, np.nan, 3e38]), np.float32)
    file = io.BytesIO()
    (np.savez_compressed if c.below(2) else np.savez)(file, **arrays)
    data = file.getvalue()
    return mutated_bytes(data, c) if c.below(2) else data


def _toml(c: Choices) -> bytes:
    """A configuration (knobs) or a board, with keys and values changed."""
    boards = sorted((ROOT / "boards").glob("*/board.toml"))
    if c.below(2):
        text = c.one_of(boards).read_text()
    else:
        text = "".join(f"{k} = {_said(v)}\n" for k, v in PRESETS["small"].to_dict().items())
    lines = text.splitlines()
    for _ in range(c.between(1, 3)):
        at = c.below(len(lines))
        key, equals, _ = lines[at].partition("=")
        way = c.below(6)
        if way < 3 and equals:
            lines[at] = f"{key}= {c.one_of(_VALUES)}"
        elif way == 3:
            del lines[at]
        elif way == 4:
            lines.insert(at, lines[c.below(len(lines))])
        else:
            lines[at] = mutated_bytes(lines[at].encode(), c).decode("utf-8", "replace")
        lines = lines or [""]
    data = "\n".join(lines).encode("utf-8", "replace")
    return mutated_bytes(data, c) if c.chance(15) else data


def _said(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


_VALUES = (
    "0", "1", "-1", "2", "3", "4", "8", "16", "27", "1000", "65536", "9223372036854775807", "-0.0",
    "1e3", "0.5", "1e308", "inf", "nan", "-inf", "true", "false", '""', '"8"', '"small"', "[]",
    "[1, 2]", "{}", "{a = 1}", "1979-05-27", "07:32:00", '"\\u001b[31m"', '"exec rm"', "0x10",
    "999999999999999999999999",
)  # fmt: skip
_DATA = {"drawn": _drawn, "fields": _fields, "bytes": _bytes, "npz": _npz, "toml": _toml}
