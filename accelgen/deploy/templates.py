"""render(): a template of rtl_templates/ filled in, each value through the filter of its language.

The language follows from the template's name: ``build.tcl.j2`` is Tcl. A ``{{ value }}`` that did
not go through one of that language's filters (``deploy/escape.py``) is an error, whatever the
value: a number wants ``number``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from accelgen.assets import asset
from accelgen.deploy.escape import ANY, FILTERS, Escaped
from accelgen.extras import require

if TYPE_CHECKING:
    import jinja2

__all__ = ["LANGUAGES", "environment", "language_of", "render"]

#: Ending of a template's name (without .j2), or the whole name: language.
LANGUAGES = {
    ".tcl": "tcl", ".xdc": "tcl", ".py": "py", ".h": "c", ".c": "c", ".md": "md",
    ".sh": "sh", ".ipynb": "json", ".json": "json", "Makefile": "make",
}  # fmt: skip


def render(template: str, values: Mapping[str, Any]) -> str:
    """``template`` filled in.

    Raises
    ------
    jinja2.UndefinedError
        A name has no value.
    jinja2.TemplateRuntimeError
        A value was not escaped for the template's language.
    OutputError
        A filter refused a value.
    """
    return environment(language_of(template)).get_template(template).render(values)


def language_of(template: str) -> str:
    """Of a template's name. Raises KeyError when its ending is not known."""
    name = PurePath(template.removesuffix(".j2"))
    return LANGUAGES[name.suffix or name.name]


@functools.cache
def environment(language: str) -> jinja2.Environment:
    """Jinja for templates that become ``language``."""
    require("rtl")
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(asset("rtl_templates")),
        undefined=jinja2.StrictUndefined,
        finalize=functools.partial(_checked, language),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        # HTML's rules are none of these languages'; _checked sees to it that each has its own.
        autoescape=False,
    )
    made.filters.update({name: _of_a_value(filter_) for name, filter_ in FILTERS.items()})
    return made


def _of_a_value(filter_: Callable[..., Escaped]) -> Callable[..., Escaped]:
    """``filter_``, behind a look whether the name has a value at all."""

    @functools.wraps(filter_)
    def filtered(value: Any, *spec: str) -> Escaped:
        import jinja2

        if isinstance(value, jinja2.Undefined):
            str(value)  # raises, with the name
        return filter_(value, *spec)

    return filtered


def _checked(language: str, value: Any) -> str:
    import jinja2

    if isinstance(value, Escaped) and value.language in (language, ANY):
        return value
    if isinstance(value, jinja2.Undefined):
        return str(value)  # raises: the name has no value
    raise jinja2.TemplateRuntimeError(
        f"{value!r} was not escaped for {language}: write {{{{ value | {language} }}}}, or "
        "number, or identifier"
    )
