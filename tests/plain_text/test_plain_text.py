"""Whoever wrote a text, it steers no terminal."""

from accelgen.errors import ModelError
from accelgen.plain_text import printable


def test_names_are_text():
    assert printable("a/b é ü") == "a/b é ü"
    assert printable("a\x1b[2J\n") == "a\\x1b[2J\\x0a"
    assert printable(b"mu\xe0") == "mu\\xe0"
    assert printable("a\u202eb") == "a\\u202eb"


def test_sentences_of_errors_are_plain_text():
    error = ModelError("node 'a\x1b[2J' (Conv): it is \u202ewrong; mend it")

    assert str(error) == "node 'a\\x1b[2J' (Conv): it is \\u202ewrong; mend it"
    assert (error.reason, error.way_out) == ("it is \\u202ewrong", "mend it")
