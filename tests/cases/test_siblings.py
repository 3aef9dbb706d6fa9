"""Every relative of the cases: onnxruntime's numbers, float, int8 and in the file we write; or one
sentence, from `check` and the compiler alike."""

import pytest

from tests.cases.siblings import SIBLINGS, model_of
from tests.fuzz.cases import Case
from tests.fuzz.judge import judge


@pytest.mark.parametrize("name", SIBLINGS)
def test_sibling(name):
    data = model_of(name).SerializeToString()

    verdict = judge(Case(kind="drawn", data=data, arch="ultra96_double"))

    words = SIBLINGS[name].get("refused", "")
    assert verdict.kind == ("refused" if words else "equal"), verdict
    assert words in verdict.said
