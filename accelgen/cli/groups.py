"""Options that belong together are one parameter of a verb: a dataclass, its fields the options."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

from accelgen.boards import DEFAULT_BOARD
from accelgen.cli import options
from accelgen.inputs.pictures import Pictures
from accelgen.inputs.samples import Calibration

if TYPE_CHECKING:
    from accelgen.flow.hardware import Target

__all__ = ["Configuration", "Hardware", "Samples", "StalledHardware", "grouped"]


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """Options that choose a board and its configuration."""

    board: options.BoardName = DEFAULT_BOARD
    preset: options.Preset = None
    config: options.Config = None

    def target(self, **more: Any) -> Target:
        """As :func:`accelgen.flow.hardware.target` of these options; ``more`` go before them."""
        from accelgen.flow.hardware import target

        return target(**{**{f.name: getattr(self, f.name) for f in fields(self)}, **more})


@dataclass(frozen=True, kw_only=True)
class Hardware(Configuration):
    """The same, with clock and memory."""

    clock_mhz: options.ClockMhz = None
    ddr_bytes_per_cycle: options.DdrBytes = None
    ddr_latency: options.DdrLatency = None

    def over(self, built: Target) -> Target:
        """``built``, with the memory that these options say; what they leave open is its own."""
        given: dict[str, Any] = {
            "bytes_per_cycle": self.ddr_bytes_per_cycle,
            "latency_cycles": self.ddr_latency,
            "stalls": getattr(self, "stalls", None),
        }
        memory = replace(built.memory, **{k: v for k, v in given.items() if v})
        return replace(built, memory=memory)

    @property
    def given(self) -> bool:
        """Whether an option other than the board was used."""
        return any(getattr(self, f.name) != f.default for f in fields(self) if f.name != "board")


@dataclass(frozen=True, kw_only=True)
class StalledHardware(Hardware):
    """The same, with a memory that pauses."""

    stalls: options.Stalls = 0.0


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Options that say what a float model is calibrated on."""

    calib: options.Calib = None
    resize: options.Resize = None
    crop: options.Crop = None
    preprocess: options.Preprocess = None
    mean: options.Mean = None
    std: options.Std = None
    bgr: options.Bgr = False

    @property
    def calibration(self) -> Calibration:
        """The same, as the quantizer takes it."""
        pictures = Pictures(
            resize=self.resize, crop=self.crop, preset=self.preprocess, mean=self.mean,
            std=self.std, bgr=self.bgr,
        )  # fmt: skip
        return Calibration(where=self.calib, pictures=pictures)

    @property
    def given(self) -> bool:
        """Whether one of these options was used."""
        return self != type(self)()


def grouped(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same command, a parameter whose type is a dataclass replaced by the dataclass's fields.

    The fields stand where the parameter stood, with their annotations and defaults, so that the
    command line shows them as options in that order. The command gets the dataclass made of them.

    Raises
    ------
    TypeError
        A name comes twice, or a field has no default.
    """
    hints = typing.get_type_hints(function, include_extras=True)
    shown: dict[str, inspect.Parameter] = {}
    groups: dict[str, type[Any]] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        kind = hints[name]
        if is_dataclass(kind) and isinstance(kind, type):
            groups[name] = kind
            notes = typing.get_type_hints(kind, include_extras=True)
            new = [(f.name, notes[f.name], _default(f)) for f in fields(kind)]
        else:
            new = [(name, kind, parameter.default)]
        for option, note, default in new:
            if option in shown:
                raise TypeError(f"{function.__name__}: {option} comes twice")
            shown[option] = inspect.Parameter(
                option, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=note
            )

    @functools.wraps(function)
    def ungrouped(**values: Any) -> Any:
        for name, kind in groups.items():
            values[name] = kind(**{f.name: values.pop(f.name) for f in fields(kind)})
        return function(**values)

    ungrouped.__annotations__ = {name: p.annotation for name, p in shown.items()}
    ungrouped.__signature__ = inspect.Signature(list(shown.values()))  # type: ignore[attr-defined]
    return ungrouped


def _default(field: Field[Any]) -> Any:
    if field.default is MISSING:
        raise TypeError(f"{field.name} has no default")
    return field.default
