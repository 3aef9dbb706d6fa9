"""Every filter's result is read back by its language as the value, and does nothing else."""

import ast
import json
import shutil
import subprocess

import jinja2
import pytest
from jinja2 import nodes
from markdown_it import MarkdownIt

from accelgen.assets import asset
from accelgen.deploy.escape import FILTERS
from accelgen.deploy.templates import LANGUAGES, environment, language_of
from accelgen.errors import OutputError
from tests.helpers.nasty import NASTY

TEMPLATES = sorted(p.name for p in asset("rtl_templates").glob("*.j2"))
#: What nothing that is encoded holds.
ENCODABLE = [text for text in NASTY if "\ud800" not in text]


def rendered(language, source, **values):
    return environment(language).from_string(source).render(values)


@pytest.mark.parametrize("text", NASTY)
def test_python_reads_the_text(text):
    literal = FILTERS["py"](text)

    assert ast.literal_eval(literal) == text
    assert ast.literal_eval(f'"""in a docstring: {literal}"""').startswith("in a docstring: '")
    assert ast.dump(ast.parse(f"x = 1  # {literal}")) == ast.dump(ast.parse("x = 1"))


def test_python_reads_what_is_nested():
    value = {"a": (1, 2.5, None, True, [], ()), "b": [("x'\"",)]}

    assert ast.literal_eval(FILTERS["py"](value)) == value


@pytest.mark.skipif(shutil.which("tclsh") is None, reason="tclsh is not installed")
def test_tcl_reads_the_text(tmp_path):
    script = tmp_path / "read.tcl"
    lines = []
    for text in NASTY:
        word = FILTERS["tcl"](text)
        lines += [f"# {word}", f'puts [lmap x [split {word} ""] {{scan $x %c}}]']
    script.write_text("\n".join(lines))

    done = subprocess.run(["tclsh", script], capture_output=True, text=True, check=True)

    assert done.stderr == ""
    read = [[int(x) for x in line.split()] for line in done.stdout.splitlines()]
    # What takes more than 16 bits becomes the replacement character.
    assert read == [[ord(x) if ord(x) < 0x10000 else 0xFFFD for x in text] for text in NASTY]


def test_c_reads_the_text(tmp_path):
    source = tmp_path / "read.c"
    literals = [FILTERS["c"](text) for text in ENCODABLE]
    source.write_text(
        "#include <stdio.h>\nint main(void) {\n"
        + "".join(
            f"    fwrite({x}, 1, sizeof {x} - 1, stdout); /* {x} */ // {x}\n    putchar(1);\n"
            for x in literals
        )
        + "    return 0;\n}\n"
    )
    compiler = shutil.which("gcc") or shutil.which("g++")
    flags = ["-Wall", "-Wextra", "-Werror", "-trigraphs"]
    subprocess.run([compiler, *flags, "-o", tmp_path / "read", source], check=True)

    read = subprocess.run([tmp_path / "read"], capture_output=True, check=True).stdout

    assert read.split(b"\1")[:-1] == [text.encode() for text in ENCODABLE]


@pytest.mark.parametrize("text", NASTY)
@pytest.mark.parametrize("place", ["%s", "words before %s and behind", "| %s | x |"])
def test_markdown_shows_the_text(text, place):
    shown = " ".join(text.split())
    shown = "".join(x if x.isprintable() else "\ufffd" for x in shown)
    markdown = MarkdownIt("gfm-like", {"linkify": False})
    head = "| a | b |\n|---|---|\n" if "|" in place else ""

    tokens = markdown.parse(head + place % FILTERS["md"](text))

    inlines = [t for t in tokens if t.type == "inline"]
    kinds = {child.type for t in inlines for child in t.children} - {"text_special"}
    assert kinds <= {"text"}
    kinds = {t.type for t in tokens if t.type.endswith("_open")}
    assert kinds <= {"paragraph_open", *(f"{x}_open" for x in TABLE if head)}
    cells = ["".join(c.content for c in t.children) for t in inlines]
    assert [x.strip() for x in cells[2:] or cells] == (
        [shown, "x"] if head else [(place % shown).strip()] * bool(place % shown)
    )


TABLE = ("table", "thead", "tbody", "tr", "th", "td")


def test_the_shell_reads_the_text():
    for text in ENCODABLE:
        if "\0" in text:
            with pytest.raises(OutputError, match="holds a NUL"):
                FILTERS["sh"](text)
            continue
        command = f"printf %s. {FILTERS['sh'](text)}"
        read = subprocess.run(["sh", "-c", command], capture_output=True, check=True).stdout
        assert read.decode() == text + "."


def test_json_reads_the_text():
    for text in NASTY:
        assert json.loads(FILTERS["json"](text)) == text
    with pytest.raises(OutputError, match="no literal in JSON"):
        FILTERS["json"](float("nan"))


@pytest.mark.parametrize("text", NASTY)
@pytest.mark.parametrize("name", ["make", "identifier", "number"])
def test_what_has_no_safe_form_is_refused(name, text):
    with pytest.raises(OutputError, match=r"cannot stand|is not a number"):
        FILTERS[name](text)


def test_what_is_allowed_stays_as_it_is():
    assert FILTERS["make"]("kernels_neon.c") == "kernels_neon.c"
    assert FILTERS["identifier"]("accelgen_top") == "accelgen_top"
    assert FILTERS["number"](70560, ",") == "70,560"
    assert FILTERS["md"]("zoo:mobilenet_v2@224") == "zoo:mobilenet_v2@224"
    assert FILTERS["md"]("0.1.0") == "0.1.0"


@pytest.mark.parametrize("value", [True, float("inf"), float("nan"), None, "1"])
def test_only_finite_numbers_are_numbers(value):
    with pytest.raises(OutputError, match="is not a number"):
        FILTERS["number"](value)


@pytest.mark.parametrize(
    "source",
    [
        "{{ x }}", "{{ x | upper }}", "{{ x | md }}", "{{ x | tcl | upper }}", "{{ x | tcl ~ y }}",
        "{{ 'a' }}", "{{ 7 }}", "{{ x | safe }}", "{{ x | format }}", "{{ [x | tcl] }}",
        "{% set z %}{{ x | tcl }}{% endset %}{{ z }}",
    ],
)  # fmt: skip
def test_what_was_not_escaped_for_the_language_is_an_error(source):
    with pytest.raises(jinja2.TemplateError, match="was not escaped for tcl"):
        rendered("tcl", source, x="[exit]", y="z")


def test_what_was_escaped_is_written():
    assert rendered("tcl", "set x {{ x | tcl }}", x="[e]") == 'set x "\\u005be\\u005d"'
    assert rendered("json", "{{ x | py | json }}", x="a'b") == "\"'a\\\\x27b'\""


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_interpolation_of_a_template_ends_in_a_filter_of_its_language(template):
    language = language_of(template)
    source = (asset("rtl_templates") / template).read_text()
    tree = environment(language).parse(source)
    found = [x for o in tree.find_all(nodes.Output) for x in o.nodes]
    found = [x for x in found if not isinstance(x, nodes.TemplateData)]

    assert found
    for node in found:
        assert isinstance(node, nodes.Filter), f"{template}:{node.lineno}: bare {{{{ }}}}"
        assert node.name in {language, "number", "identifier"}, f"{template}:{node.lineno}"


def test_a_template_of_an_unknown_language_is_refused():
    assert set(LANGUAGES.values()) <= set(FILTERS)
    with pytest.raises(KeyError):
        language_of("script.pl.j2")


def test_make_reads_the_word(tmp_path):
    (tmp_path / "Makefile").write_text(
        f"X := {FILTERS['make']('a-b.c/d+e')}\nall:\n\t@printf %s $(X)\n"
    )
    done = subprocess.run(["make", "-s"], cwd=tmp_path, capture_output=True, check=True)
    assert done.stdout == b"a-b.c/d+e"
