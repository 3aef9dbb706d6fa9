"""published.toml: the figures of others and the targets, as data."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

__all__ = [
    "PublishedLayer", "PublishedNetwork", "published_layer", "published_network", "size_sources",
    "sources",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class PublishedLayer:
    """What NNgen takes for a layer; ``efficiency`` in percent of its multipliers' peak, or of the
    ideal cycles where it uses none."""

    ideal_cycles: int
    cycles: int
    efficiency: float
    multipliers: int | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class PublishedNetwork:
    """Frames per second: accelgen's target, and the best on a device with at most 360 DSPs; None
    where there is none. ``source`` is a name of :func:`sources`.

    ``macs`` (1e9) and ``parameters`` (1e6) have the digits they were published with, by one of
    :func:`size_sources`, at the zoo's resolution or that of ``macs_at``. ``counted`` is what their
    counter took for a MAC: ``conv`` convolutions and fully connected layers, ``all`` also two of
    each element that BatchNormalization makes, and one of each of an activation or addition."""

    target_fps: float | None = None
    best_fps: float | None = None
    source: str = ""
    macs: str = ""
    parameters: str = ""
    size_source: str = ""
    macs_at: int | None = None
    counted: Literal["conv", "all"] = "conv"


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("published.toml").read_text())


def sources() -> dict[str, str]:
    """Short names and what they stand for."""
    return dict(_data()["source"])


def size_sources() -> dict[str, str]:
    """Whose MACs and parameters they are."""
    return dict(_data()["size_source"])


def published_layer(key: str) -> PublishedLayer:
    """NNgen's figures for layer ``key``."""
    return PublishedLayer(**_data()["layer"][key])


def published_network(name: str) -> PublishedNetwork:
    """Figures for network ``name`` of the zoo; empty where nothing is known."""
    return PublishedNetwork(**_data()["network"].get(name, {}))
