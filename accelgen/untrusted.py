"""Structured files that somebody else may have written: read whole and typed, or refused.

Every reader of such a file, and its schema:

=========================  ====================================================================
``--config`` (TOML)        knobs of ``ArchParams``: ``flow.hardware.target``
``board.toml``             ``Board`` and its tables: ``boards.read_board``
``manifest.json``          ``deploy.manifest_file.Manifest``: packages, ``results``, ``build``
``vivado/.../results.json``  ``deploy.results.Results``
kept results of the bench  ``bench.kept``
``.npz``, ``.npy``         ``array_files``: calibration, reproducers, a package's expected.npz
=========================  ====================================================================

Schemas are pydantic's, strict: no number from a text, no integer from a float or a truth value.
"""

from __future__ import annotations

import functools
import json
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from accelgen.errors import AccelgenError

__all__ = ["MOST_BYTES", "Schema", "read_json", "read_text", "read_toml", "schema_of", "typed"]

#: Bytes of the largest file of text that is read.
MOST_BYTES = 32 << 20

Model = TypeVar("Model", bound=BaseModel)
Fault = type[AccelgenError]


class Schema(BaseModel):
    """Base of schemas: strict, and nothing that they do not name."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


def read_text(path: Path, what: str, fault: Fault) -> str:
    """Text of ``path``, which is a ``what`` ("board file").

    Raises ``fault`` when it cannot be read, is no UTF-8 or larger than :data:`MOST_BYTES`.
    """
    try:
        with path.open("rb") as file:  # no size asked first: it may be a pipe, or grow
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise fault(f"{what} {path} has over {MOST_BYTES:,} bytes: it is something else")
        return data.decode()
    except OSError as error:
        raise fault(f"cannot read {what} {path}: {error.strerror}") from error
    except ValueError as error:  # no UTF-8; or a name that no file can have
        raise fault(f"cannot read {what} {path}: {error}") from error


def read_toml(path: Path, what: str, fault: Fault) -> dict[str, Any]:
    """Tables of a TOML file. Raises ``fault`` as :func:`read_text`, or when it is not TOML."""
    return dict(_parsed(tomllib.loads, "TOML", path, what, fault))


def read_json(path: Path, what: str, fault: Fault) -> Any:
    """Content of a JSON file. Raises ``fault`` as :func:`read_text`, or when it is not JSON."""
    return _parsed(json.loads, "JSON", path, what, fault)


def _parsed(parse: Callable[[str], Any], language: str, path: Path, what: str, fault: Fault) -> Any:
    text = read_text(path, what, fault)
    try:
        return parse(text)
    except ValueError as error:  # also of integers with thousands of digits
        raise fault(f"{what} {path} is not {language}: {error}") from error
    except RecursionError:
        raise fault(f"{what} {path} is not {language}: it is nested too deeply") from None


def typed(schema: type[Model], values: Any, where: str, fault: Fault) -> Model:
    """``values`` as ``schema``. Raises ``fault``: ``where``, the key, what it must be, what it is.

    >>> class Size(Schema):
    ...     rows: int
    >>> typed(Size, {"rows": 2.0}, "size.toml", AccelgenError)
    Traceback (most recent call last):
    accelgen.errors.AccelgenError: size.toml: rows must be a valid integer, not 2.0
    """
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise fault(f"{where}: {_sentence(schema, first)}") from None
    except RecursionError:
        raise fault(f"{where}: it is nested too deeply") from None


def _sentence(schema: type[BaseModel], first: Mapping[str, Any]) -> str:
    *tables, last = (str(part) for part in first["loc"]) if first["loc"] else ("the file",)
    key = f"[{'.'.join(tables)}] {last}" if tables else last
    if first["type"] == "missing":
        return f"{key} is missing"
    if first["type"] == "extra_forbidden":
        return f"{_short(key)} is not known; known: {', '.join(_known(schema, tables))}"
    wanted = str(first["msg"]).replace("Input should", "must").replace("String should", "must")
    wanted = wanted.split(" or instance of ")[0]
    return f"{_short(key)} {wanted}, not {_shown(first['input'])}"


def _known(schema: type[BaseModel], tables: list[str]) -> list[str]:
    for table in tables:
        inner = schema.model_fields[table].annotation
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        schema = inner
    return list(schema.model_fields)


def _shown(value: Any) -> str:
    """A value in a sentence."""
    try:
        return _short(repr(value))
    except ValueError:  # integers of thousands of digits have no text
        return "a number too large to write"


def _short(text: str, most: int = 80) -> str:
    text = text if text.isprintable() else repr(text)
    return text if len(text) <= most else f"{text[: most - 3]}..."


@functools.cache
def schema_of(record: type[Any], without: tuple[str, ...] = ()) -> type[BaseModel]:
    """Schema of a dataclass, its fields that are dataclasses included, those of ``without`` not;
    ``Annotated`` with pydantic constraints counts."""
    hints = get_type_hints(record, include_extras=True)
    wanted: dict[str, Any] = {}
    for field in (f for f in fields(record) if f.name not in without):
        kind = hints[field.name]
        kind = schema_of(kind) if is_dataclass(kind) and isinstance(kind, type) else kind
        default = ... if field.default is MISSING else field.default
        wanted[field.name] = (kind, default)
    return create_model(record.__name__, __base__=Schema, **wanted)
