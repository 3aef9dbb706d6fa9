"""Accuracy on the terminal: what ``evaluate`` found, and ties that ``quantize`` has seen."""

from __future__ import annotations

from rich.table import Table

from accelgen.cli.tables import NARROW, drawn
from accelgen.flow.evaluation import Evaluation
from accelgen.flow.verbs import Quantized

__all__ = ["evaluate_lines", "evaluate_tables", "tie_lines"]


def evaluate_tables(made: Evaluation, *, width: int = NARROW) -> list[Table]:
    """``accelgen evaluate``: accuracy where there are classes, outputs, worst pictures."""
    tables = [drawn(f"{made.name}: {made.pictures:,} pictures", made.rows(), width)]
    if made.classes is None or len(made.outputs) > 1:
        tables.append(drawn(f"INT8 against {made.reference}", made.output_rows(), width))
    if made.maps:
        tables.append(drawn(f"maps of {made.maps.classes} classes", made.map_rows(), width))
    if made.worst:
        tables.append(drawn("worst pictures", made.worst_rows(), width))
    return tables


def tie_lines(made: Quantized) -> list[str]:
    """``accelgen quantize``: what rounding the last layer does, if it is rounded."""
    found = made.ties()
    if found is None:
        return []
    tied, count = found
    share = f"{tied} of {count} samples have more than one largest output"
    return [f"the last layer is rounded to int8: {share}, the first counts"]


def evaluate_lines(made: Evaluation) -> list[str]:
    """``accelgen evaluate``: in words."""
    lines = []
    if made.classes is not None and not made.labelled:
        lines.append("no labels were given: agreement with float says what is lost")
    if made.float and made.float.top1 is not None and made.int8.top1 is not None:
        lost = 100 * (made.float.top1 - made.int8.top1)
        lines.append(f"INT8 {'loses' if lost >= 0 else 'gains'} {abs(lost):.2f} points of top-1")
    rounded = made.logits == "int8" or (made.rtl is not None and made.rtl.logits == "int8")
    if made.ties_int8 is not None and rounded:
        where = "" if made.logits == "int8" else " in the build that was simulated (--logits int8)"
        lines.append(
            f"the last layer is rounded to int8{where}: {100 * made.ties_int8:.2f} % of the "
            "pictures have more than one largest output, the first counts"
        )
    if made.rtl:
        right = "every layer and output bit-exact" if made.rtl.match else "WRONG"
        lines.append(
            f"the first {made.rtl.pictures} pictures, simulated for {made.rtl.board}: {right}, "
            f"{max(made.rtl.cycles):,} cycles"
        )
    return lines
