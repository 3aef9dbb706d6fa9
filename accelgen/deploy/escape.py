"""Text that becomes part of a program in another language: one filter per language.

Names of models, tensors and files, and all that a board file says, come from strangers. A filter
turns such a value into something that the language reads as that value and as nothing else. What a
filter returns is marked with its language, and templates (``deploy/templates.py``) write nothing
that is not.

| filter | gives | use it |
|---|---|---|
| ``tcl`` | a quoted word | as a word or in a comment, not inside other quotes |
| ``py`` | a literal: text, number, list, dict | as an expression, in a comment or docstring |
| ``c`` | a string literal | as an expression or in a comment |
| ``md`` | plain text on one line | in text or a table's cell, not in a code span |
| ``make`` | a word of few characters; others are refused | anywhere |
| ``sh`` | a quoted word | as a word |
| ``json`` | a literal | as a value (after ``py``: a line of Python in a notebook) |
| ``number("spec")`` | ``format(value, spec)`` of a finite number | anywhere |
| ``identifier`` | a name of letters, digits, underscores; others are refused | anywhere |
"""

from __future__ import annotations

import json as json_format
import math
import re
import shlex
from collections.abc import Callable
from typing import Any

from accelgen.errors import OutputError

__all__ = ["ANY", "FILTERS", "Escaped"]

#: Language of what is safe everywhere.
ANY = "any"


class Escaped(str):
    """Text that has been through the filter of ``language``. Whatever changes it makes plain text
    of it again."""

    __slots__ = ("language",)
    language: str

    def __new__(cls, text: str, language: str) -> Escaped:
        escaped = super().__new__(cls, text)
        escaped.language = language
        return escaped


def tcl(value: Any) -> Escaped:
    """A word in double quotes, in which Tcl finds nothing to substitute."""
    # Beyond 16 bits, Vivado's Tcl has no way to write a character.
    return Escaped(f'"{_numbered(str(value), _TCL_PLAIN, _tcl_number)}"', "tcl")


def py(value: Any) -> Escaped:
    """A literal in ASCII on one line, without double quotes, so that it cannot end a docstring."""
    return Escaped(_python(value), "py")


def c(value: Any) -> Escaped:
    """A string literal of the value's UTF-8 bytes.

    ``*`` and ``?`` are written as numbers too: they would end a comment, or begin a trigraph.
    """
    as_bytes = str(value).encode("utf-8", "backslashreplace").decode("latin-1")
    return Escaped(f'"{_numbered(as_bytes, _C_PLAIN, _c_number)}"', "c")


def md(value: Any) -> Escaped:
    """Plain text on one line: what Markdown would act upon has a backslash before it."""
    line = " ".join(str(value).split())
    shown = "".join(x if x.isprintable() else "\N{REPLACEMENT CHARACTER}" for x in line)
    inner = _MD_SPECIAL.sub(r"\\\g<0>", shown)
    return Escaped(_MD_FIRST.sub(r"\2\\\1\3", inner), "md")


def make(value: Any) -> Escaped:
    """A word that means itself to Make and to the shell after it."""
    return _if_it_is(value, _MAKE_WORD, "make", "in a Makefile")


def sh(value: Any) -> Escaped:
    """A word in single quotes. A NUL is refused: no argument can hold it."""
    if "\0" in str(value):
        raise OutputError(f"{value!r} cannot be an argument of a command: it holds a NUL")
    return Escaped(shlex.quote(str(value)), "sh")


def json(value: Any) -> Escaped:
    """A literal in ASCII. What JSON does not have is refused."""
    try:
        return Escaped(json_format.dumps(value, allow_nan=False), "json")
    except (TypeError, ValueError) as error:
        raise OutputError(f"{value!r} has no literal in JSON: {error}") from error


def number(value: Any, spec: str = "") -> Escaped:
    """A finite number as ``format(value, spec)``; anything else is refused."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise OutputError(f"{value!r} is not a number")
    return Escaped(format(value, spec), ANY)


def identifier(value: Any) -> Escaped:
    """A name of letters, digits and underscores; another is refused."""
    return _if_it_is(value, _IDENTIFIER, ANY, "as a name")


#: What templates may use. All raise OutputError for what they refuse.
FILTERS: dict[str, Callable[..., Escaped]] = {
    f.__name__: f for f in (tcl, py, c, md, make, sh, json, number, identifier)
}

# Characters that mean themselves wherever the filter's result may stand.
_TCL_PLAIN = re.compile(r"[A-Za-z0-9 _.,:/+=@%*'()<>!?&|^~-]")
_PY_PLAIN = re.compile(r"[A-Za-z0-9 _.,:;/+=@%*()<>!?&|^~$`#{}\[\]-]")
_C_PLAIN = re.compile(r"[A-Za-z0-9 _.,:;/+=@%'()<>!&|^~$`#{}\[\]-]")
_MAKE_WORD = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./+-]*")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# Inside a word an underscore is one; lists, headings and quotes only begin a line.
_MD_SPECIAL = re.compile(r"[\\`*{}\[\]<>|&$~!]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_MD_FIRST = re.compile(r"^([#+=:-])|^(\d+)([.)])(?=\s|$)")


def _numbered(text: str, plain: re.Pattern[str], write: Callable[[int], str]) -> str:
    return "".join(x if plain.fullmatch(x) else write(ord(x)) for x in text)


def _tcl_number(code: int) -> str:
    return f"\\u{code if code < 0x10000 else 0xFFFD:04x}"


def _c_number(code: int) -> str:
    return f"\\{code:03o}"


def _python_number(code: int) -> str:
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _python(value: Any) -> str:
    if isinstance(value, str):
        return f"'{_numbered(value, _PY_PLAIN, _python_number)}'"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_python(k)}: {_python(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        inside = "".join(f"{_python(x)}, " for x in value)
        return f"({inside.rstrip()})" if isinstance(value, tuple) else f"[{inside[:-2]}]"
    if value is None or isinstance(value, int):
        return repr(value)
    if isinstance(value, float) and math.isfinite(value):
        return repr(value)
    raise OutputError(f"{value!r} has no literal in Python")


def _if_it_is(value: Any, what: re.Pattern[str], language: str, where: str) -> Escaped:
    if not what.fullmatch(str(value)):
        raise OutputError(f"{value!r} cannot stand {where}: only {what.pattern} may")
    return Escaped(str(value), language)
