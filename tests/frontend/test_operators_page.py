"""docs/operators.md: every operator of ONNX once, with where it runs or what to do instead."""

import re

from accelgen.frontend.engines import COSTS, ENGINES
from accelgen.frontend.operators_page import operators, operators_page
from accelgen.frontend.registry import IMPORTERS
from accelgen.frontend.ways_out import WAYS_OUT


def test_every_importer_says_where_its_operator_runs():
    assert ENGINES.keys() == IMPORTERS.keys()
    assert {runs.cost for runs in ENGINES.values()} <= COSTS.keys()


def test_what_is_built_is_not_refused():
    assert not WAYS_OUT.keys() & IMPORTERS.keys()
    assert WAYS_OUT.keys() <= operators().keys()


def test_every_operator_is_there_once():
    rows = re.findall(r"^\| ([A-Z]\w+) \|", operators_page(), re.MULTILINE)

    assert len(rows) == len(set(rows))
    assert operators().keys() - set(rows) == {"Constant", "QLinearConv", "QLinearMatMul"}


def test_opsets_of_an_operator_begin_with_the_one_in_force():
    # Of Softmax 1 is in force at opset 7; of Gelu there is one.
    assert operators()["Upsample"] == (7, 9, 10)
    assert operators()["Softmax"] == (1, 11, 13)
    assert operators()["Gelu"] == (20,)
