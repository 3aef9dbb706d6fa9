"""Text for terminals and files, whoever wrote it: what is no text, or steers one, is escaped."""

from __future__ import annotations

import unicodedata

__all__ = ["printable"]

#: Control characters, and those that turn the direction of text or are unassigned.
_WILD = ("C",)


def printable(name: str | bytes) -> str:
    r"""``name`` with everything escaped that is not plain text: ``\x1b``, ``\u202e``."""
    text = name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else name
    return "".join(
        _escaped(letter) if unicodedata.category(letter).startswith(_WILD) else letter
        for letter in text
    )


def _escaped(letter: str) -> str:
    number = ord(letter)
    if 0xDC80 <= number <= 0xDCFF:  # a byte that is no UTF-8
        number -= 0xDC00
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}"
