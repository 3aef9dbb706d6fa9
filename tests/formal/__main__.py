"""`make prove`: proves everything, prints what holds in which setting, how that is known, seconds.

python -m tests.formal [TEXT]     only proofs whose block or setting has TEXT in it
python -m tests.formal --table    the list in docs/verification.md, without proving anything
"""

import sys
import time

from tests.formal.proofs import PROOFS, markdown
from tests.formal.solver import solve

_METHODS = {
    "induction": "induction",
    "pdr": "invariant found (PDR)",
    "bounded": "{} cycles looked at",
    "false": "FALSE after {} cycles",
}


def main(arguments: list[str]) -> int:
    """Exit status 0 only if everything was proved."""
    if "--table" in arguments:
        print(markdown())
        return 0
    chosen = [proof for proof in PROOFS if all(text in str(proof) for text in arguments)]
    start, false, said = time.monotonic(), 0, ""
    for proof in chosen:
        if said != (said := f"{proof.block}: {proof.says}"):
            print(said)
        answer = solve(proof.make(), cycles=proof.cycles)
        false += answer.method == "false"
        how = _METHODS[answer.method].format(answer.cycles)
        print(f"    {proof.setting:62}{how:28}{answer.seconds:6.1f} s", flush=True)
    print(f"{len(chosen)} proofs, {false} false, {time.monotonic() - start:.0f} seconds")
    return int(false > 0 or not chosen)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
