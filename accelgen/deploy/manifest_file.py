"""manifest.json read back: of a package that somebody else may have made, or edited."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from accelgen.deploy.manifest import FORMAT, FORMAT_SEVERAL
from accelgen.deploy.output import GENERATOR
from accelgen.errors import AccelgenError, ModelError
from accelgen.untrusted import Schema, read_json, typed

__all__ = ["NAME", "Manifest", "Owned", "read_manifest", "read_owned"]

NAME = "manifest.json"

#: A file of the package: below it, and nowhere else.
Inside = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][\w.-]*)*$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Crc = Annotated[int, Field(ge=0, lt=1 << 32)]
Clock = Annotated[float, Field(ge=1, le=2000)]


class Owned(Schema):
    """What every manifest of ours has had since there are any: enough to write the package anew."""

    model_config = ConfigDict(extra="allow")

    generator: str
    files: dict[Inside, Digest]
    board: str | None = None
    part: str | None = None
    clock_mhz: Clock | None = None
    config_crc: Crc | None = None
    interface_crc: Crc | None = None
    verilog: Digest | None = None


class _Input(Schema):
    model_config = ConfigDict(extra="allow")

    map: Annotated[list[Annotated[int, Field(ge=1, le=1 << 20)]], Field(min_length=3, max_length=3)]
    layout: Literal["nchw", "nhwc"]


class _Offload(Schema):
    fc: bool | Annotated[int, Field(ge=0, le=1 << 16)]
    se: bool


class _Hardware(Schema):
    board: dict[str, Any]
    clock_mhz: Clock
    memory: dict[str, Any]
    ps_threads: Annotated[int, Field(ge=1, le=64)]
    layerwise: bool = False


class Manifest(Owned):
    """What accelgen reads of a package's manifest; the rest is the driver's."""

    format: int
    model: str
    board: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    part: str
    clock_mhz: Clock
    config: dict[str, Any]
    versions: dict[str, str]
    fc_on: Literal["pl", "ps"]
    offload: _Offload
    input: _Input
    inputs: Annotated[list[_Input], Field(min_length=2)] | None = None
    kept: list[Any]
    ps_steps: list[Any]
    hardware: _Hardware
    planned_for: _Hardware | None = None


def read_owned(where: Path) -> dict[str, Any]:
    """Manifest of the package at ``where``, of any format; empty when accelgen did not make it."""
    try:
        values = read_json(where / NAME, "manifest", ModelError)
        typed(Owned, values, NAME, ModelError)
    except AccelgenError:
        return {}
    return dict(values) if values["generator"] == GENERATOR else {}


def read_manifest(where: Path) -> dict[str, Any]:
    """Manifest of the package at ``where``, as :class:`Manifest` says.

    Raises ModelError when there is none, or it is of another format or damaged.
    """
    values = read_json(where / NAME, "manifest", ModelError)
    if not isinstance(values, dict) or values.get("generator") != GENERATOR:
        raise ModelError(f"{where} is not a package made by accelgen build")
    known = FORMAT_SEVERAL if "inputs" in values else FORMAT
    if values.get("format") != known:
        raise ModelError(
            f"{where} has manifest format {str(values.get('format'))[:40]}, this accelgen reads "
            f"{known}: build it again"
        )
    typed(Manifest, values, f"manifest {where / NAME}", ModelError)
    return values
