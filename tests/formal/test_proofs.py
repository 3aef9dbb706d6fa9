"""Every proof holds; every claim of every check is false when what it is about is broken."""

import pytest
from amaranth.hdl import Fragment

from tests.formal.proofs import PROOFS
from tests.formal.solver import solve

BREAKS = [(proof, claim) for proof in PROOFS for claim in proof.faults]
#: Cycles in which a fault must be seen.
WITHIN = 24


@pytest.mark.parametrize("proof", PROOFS, ids=str)
def test_it_holds(proof):
    answer = solve(proof.make(), cycles=proof.cycles)

    assert answer.proved if proof.cycles is None else answer.method == "bounded"


@pytest.mark.parametrize(("proof", "claim"), BREAKS, ids=lambda part: str(part))
def test_a_fault_is_seen(proof, claim):
    with proof.faults[claim].applied():
        check = proof.make()
        check.only = claim
        answer = solve(check, cycles=proof.cycles or WITHIN)

    assert answer.method == "false"


def test_every_claim_was_broken_once():
    claims, broken = set(), set()
    for proof in PROOFS:
        check = proof.make()
        Fragment.get(check, None).prepare(check.ports)
        claims |= {(type(check).__name__, claim) for claim in check.claims}
        broken |= {(type(check).__name__, claim) for claim in proof.faults}

    assert claims == broken
