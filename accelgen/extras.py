"""Packages that only some commands need: an extra of pyproject.toml has them, or one sentence."""

from __future__ import annotations

import importlib.util

from accelgen.errors import ToolError

__all__ = ["EXTRAS", "require"]

#: What each extra is for, and the modules by which its packages are known.
EXTRAS = {
    "rtl": ("writing Verilog and packages", ("amaranth", "jinja2")),
    "simulate": ("simulating", ("amaranth", "cocotb", "cocotb_tools", "jinja2")),
    "reference": ("comparing with onnxruntime", ("onnxruntime",)),
}


def require(extra: str) -> None:
    """Return if all modules of ``extra`` are installed.

    Raises
    ------
    ToolError
        One is not; the sentence says what to install.
    """
    purpose, modules = EXTRAS[extra]
    for module in modules:
        if not _is_installed(module):
            raise ToolError(
                f"{purpose} needs {module}, which is not installed: pip install 'accelgen[{extra}]'"
            )


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ImportError:
        return False
