"""All proofs, and how the pages speak of them."""

from itertools import groupby
from textwrap import wrap

from tests.formal import (
    abort,
    arbiter,
    bursts,
    control,
    crossings,
    dma_read,
    dma_write,
    registers,
    sequencer,
    streams,
)  # fmt: skip

__all__ = ["PROOFS", "extent", "markdown"]

_CHECKS = (
    streams,
    bursts,
    dma_read,
    dma_write,
    arbiter,
    registers,
    abort,
    control,
    sequencer,
    crossings,
)
PROOFS = [proof for checks in _CHECKS for proof in checks.PROOFS]


def extent(block: str) -> str:
    """For how long what was proved of a block holds; ``no`` when nothing was."""
    proofs = [proof for proof in PROOFS if proof.block == block]
    if not proofs:
        return "no"
    bounds = sorted({proof.cycles for proof in proofs if proof.cycles is not None})
    ever = ["unbounded"] if any(proof.cycles is None for proof in proofs) else []
    return "; ".join(ever + [f"{bound} cycles" for bound in bounds])


def markdown() -> str:
    """The list in docs/verification.md, in lines that fit the page."""
    lines = []
    for (block, says, cycles), proofs in groupby(PROOFS, lambda p: (p.block, p.says, p.cycles)):
        settings = "; ".join(proof.setting for proof in proofs)
        bound = "none" if cycles is None else f"{cycles} cycles"
        text = f"- `{block}`: {says}. Settings: {settings}. Bound: {bound}."
        lines += wrap(text, 118, subsequent_indent="  ", break_on_hyphens=False)
    return "\n".join(lines)
