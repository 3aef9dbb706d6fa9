"""What each of a network's inputs is given: of one alone pictures and arrays, of several one .npz.

An ``.npz`` for several inputs has an array of each, called after it: floats, samples first, in the
model's own order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from accelgen.array_files import array_names, read_arrays
from accelgen.errors import QuantizationError
from accelgen.inputs.arrays import as_nhwc, check_type
from accelgen.inputs.labels import Labels, labels_in_order
from accelgen.inputs.samples import Calibration, open_samples, random_samples, refuse_blank
from accelgen.inputs.shown import LABELS, Shown, ShownArrays, ShownJoined, labels_beside, open_shown
from accelgen.streamed import Samples, Several, Streamed, check_names

__all__ = [
    "AnyShown", "InputKind", "Kinds", "ShownSeveral", "calibration_samples", "first_sample",
    "open_data", "random_inputs",
]  # fmt: skip


@dataclass(frozen=True)
class InputKind:
    """An input: ``shape`` (1, h, w, c), and in which order the model takes it ("nchw", "nhwc")."""

    shape: tuple[int, ...]
    layout: str


#: Inputs by name, in the model's order.
Kinds = Mapping[str, InputKind]


@dataclass(frozen=True, kw_only=True)
class ShownSeveral:
    """Samples of several inputs by number, as :class:`~.shown.Shown` has those of one."""

    title: str
    parts: Mapping[str, ShownArrays]
    labels: Labels | None = None
    warnings: tuple[str, ...] = ()

    @cached_property
    def names(self) -> Sequence[str]:
        """What each is called."""
        return next(iter(self.parts.values())).names

    def read(self, first: int, last: int) -> Several:
        """Samples ``first`` up to ``last``. Raises QuantizationError naming one that is broken."""
        return Several({name: part.read(first, last) for name, part in self.parts.items()})


#: Of one input, or of several.
AnyShown = Shown | ShownSeveral


def random_inputs(kinds: Kinds, seed: int) -> Samples:
    """Standard normal samples of each input. Good for cycles only."""
    if len(kinds) == 1:
        (kind,) = kinds.values()
        return random_samples(kind.shape, seed)
    return Several({
        name: random_samples(kind.shape, seed + i) for i, (name, kind) in enumerate(kinds.items())
    })


def calibration_samples(calibration: Calibration, kinds: Kinds) -> Samples | None:
    """Samples of each input; None when there are none.

    Raises QuantizationError as :func:`~.samples.open_samples`, and when nothing is to be seen on
    any sample of an input.
    """
    if len(kinds) == 1:
        (kind,) = kinds.values()
        return calibration.samples(kind.shape, kind.layout)
    _refuse_pictures(calibration, kinds)
    if calibration.where is None:
        return None
    samples = _streamed(_opened(calibration, kinds), kinds)
    for x in samples.values():
        refuse_blank(x, calibration.where)
    return Several(samples)


def first_sample(data: Calibration, kinds: Kinds) -> Samples:
    """The first of what there is at ``data``, in memory. Raises QuantizationError."""
    assert data.where is not None
    if len(kinds) > 1:
        return _opened(data, kinds).read(0, 1)
    (kind,) = kinds.values()
    samples = open_samples(data.where, shape=kind.shape, layout=kind.layout, pictures=data.pictures)
    return np.asarray(samples[:1])


def open_data(data: Sequence[Calibration], kinds: Kinds, labels: Path | None = None) -> AnyShown:
    """What a network is judged on: as :func:`~.shown.open_shown` one after the other, or an .npz
    for several inputs, with labels maybe."""
    if len(kinds) > 1:
        if len(data) > 1:
            raise QuantizationError(
                f"the network has {len(kinds)} inputs, and --data is one file then: join the .npz "
                "files"
            )
        return _opened(data[0], kinds, labels)
    (kind,) = kinds.values()
    return ShownJoined.of([
        open_shown(
            one.where, shape=kind.shape, layout=kind.layout, pictures=one.pictures, labels=labels
        )
        for one in data
        if one.where is not None
    ])  # fmt: skip


def _streamed(shown: ShownSeveral, kinds: Kinds) -> dict[str, Streamed]:
    return {
        name: Streamed(part.read, (len(part.names), *kinds[name].shape[1:]))
        for name, part in shown.parts.items()
    }


def _opened(data: Calibration, kinds: Kinds, labels: Path | None = None) -> ShownSeveral:
    file = data.where
    assert file is not None
    _check_file(data, file, kinds)
    beside = tuple(name for name in LABELS if name not in kinds)
    try:
        content = read_arrays(file, (*kinds, *beside))
        check_names((name for name in array_names(file) if name not in beside), tuple(kinds))
    except ValueError as error:
        raise QuantizationError(f"cannot read {file}: {error}") from error
    parts = {}
    for name, kind in kinds.items():
        where = Path(f"{file}: {name}")
        check_type(content[name], where)
        x = as_nhwc(content[name], kind.shape, kind.layout, where)
        parts[name] = ShownArrays(x=x, file=where)
    counts = {name: len(part.x) for name, part in parts.items()}
    count = min(counts.values())
    if len(set(counts.values())) > 1 or not count:
        said = ", ".join(f"{count} of {name!r}" for name, count in counts.items())
        raise QuantizationError(f"{file} holds {said}: give as many samples of each input")
    classes = labels_beside({n: x for n, x in content.items() if n in beside}, file, count)
    if labels is not None:
        if classes is not None:
            raise QuantizationError(f"{file} has labels of its own; leave --labels out")
        classes = labels_in_order(labels, count)
    return ShownSeveral(title=file.name, parts=parts, labels=classes)


def _check_file(data: Calibration, file: Path, kinds: Kinds) -> None:
    """Raise QuantizationError unless ``file`` is what several inputs can come from."""
    _refuse_pictures(data, kinds)
    way_out = _way_out(kinds)
    if not file.exists():
        raise QuantizationError(f"there is no {file}; {way_out}")
    if file.is_dir() or file.suffix.lower() != ".npz":
        raise QuantizationError(f"the network has {len(kinds)} inputs: {way_out}, not {file}")


def _refuse_pictures(data: Calibration, kinds: Kinds) -> None:
    if data.pictures.given:
        raise QuantizationError(
            f"the network has {len(kinds)} inputs, and pictures become one: scale them yourself and"
            f" {_way_out(kinds)}"
        )


def _way_out(kinds: Kinds) -> str:
    wanted = ", ".join(map(repr, kinds))
    return f"give an .npz file with an array of floats for each of its inputs: {wanted}"
