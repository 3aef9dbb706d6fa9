"""Text that would do something, if it ever were read as a program."""

__all__ = ["NASTY"]

#: Endings, substitutions, escapes and line ends of Tcl, Python, C, Markdown, Make and the shell.
NASTY = (
    'a"""\nimport os; os.abort()\n"""',
    "'''; exit(3) #",
    "]; exit 3; [",
    "[exit 3]",
    "$env(PATH) $(exit 3) ${x} $$ `exit 3`",
    "}; exit 3; {",
    "{ unbalanced",
    '"; exit 3; "',
    "\\u0022 \\x22 \\",
    "line\nexit 3\r\nexit 3",
    "*/ #error ended /* // ??/",
    "tail \\\n",
    "| a | b | <script>x</script> [x](y) ![z](w) **b** _i_ ~~s~~ &amp;",
    "# heading",
    "1. list",
    "- list",
    "nul \0 tab \t end",
    "\u202eright to left \ud800 \U0001f600 \u00e4 \u2028",
    "%s %n {0} {{ 7 * 7 }} {% raw %}",
    "",
)
