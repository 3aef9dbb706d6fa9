"""What ``evaluate`` found: shares of pictures, and errors of outputs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from accelgen.display.cells import Rows
from accelgen.display.html import html_table
from accelgen.quant.tally import Worst
from accelgen.quant.tally_maps import MapLoss

TYPE_CHECKING = False
if TYPE_CHECKING:  # it needs what simulates
    from accelgen.flow.on_rtl import OnRtl

__all__ = ["Evaluation", "Found", "OutputLoss"]


@dataclass(frozen=True, kw_only=True)
class Found:
    """One way to compute the network. Shares are of pictures, 0 to 1; None where it is not known.

    ``top1``, ``top5``: the label is the winner (of tied ones the first), among the five largest.
    ``agreement``: the winner is the reference's. ``ties``: more than one output is the largest.
    ``sqnr_db``: of the first output against the reference.
    """

    top1: float | None
    top5: float | None
    agreement: float | None = None
    ties: float | None = None
    sqnr_db: float | None = None


@dataclass(frozen=True, kw_only=True)
class OutputLoss:
    """INT8 against the reference, one output: ``max_error`` in its own unit, ``equal`` the share of
    elements without error."""

    name: str
    shape: tuple[int, ...]
    sqnr_db: float
    max_error: float
    equal: float


@dataclass(frozen=True, kw_only=True, repr=False)
class Evaluation:
    """An int8 network's accuracy on pictures.

    ``int8`` is the golden model, to the bit what the accelerator gives; ``onnxruntime`` runs the
    QDQ file. Both are compared with ``float`` (onnxruntime, float32); a file that was quantized
    already has none, and ``int8`` is compared with ``onnxruntime`` then. ``classes`` is None for
    networks whose first output is no vector; they have ``outputs`` alone. ``logits`` is "wide"
    where a last layer leaves its sums, as it does where the PS computes it, else "int8".
    ``maps`` is there where the only output is a map of classes, ``rtl`` where pictures were
    simulated.
    ``ties_int8`` are the ties where the last layer is rounded to int8, whatever ``logits`` is.
    ``warnings`` are sentences.
    """

    name: str
    pictures: int
    labelled: int
    classes: int | None
    float: Found | None
    int8: Found
    onnxruntime: Found
    same_as_onnxruntime: Any
    outputs: tuple[OutputLoss, ...]
    worst: tuple[Worst, ...]
    logits: str = "int8"
    ties_int8: Any = None
    maps: MapLoss | None = None
    rtl: OnRtl | None = None
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        top1 = "" if self.int8.top1 is None else f", top-1 {100 * self.int8.top1:.2f} %"
        return f"<Evaluation {self.name}: {self.pictures} pictures{top1}>"

    def _repr_html_(self) -> str:
        return html_table(repr(self).strip("<>"), self.rows())

    @property
    def reference(self) -> str:
        """What INT8 is compared with."""
        return "float" if self.float else "onnxruntime"

    def to_dict(self) -> dict[str, Any]:
        """For JSON: agreement, ties and SQNR of the golden model also on top."""
        made = asdict(self)
        made["float"] = made["float"] and {k: made["float"][k] for k in ("top1", "top5")}
        made |= {k: made["int8"][k] for k in ("agreement", "ties", "sqnr_db")}
        return {"reference": self.reference, **made}

    def rows(self) -> Rows:
        """The ways side by side, columns that have something in them."""
        ways = (
            ("float", self.float), ("INT8", self.int8), ("onnxruntime INT8", self.onnxruntime)
        )  # fmt: skip
        columns = ("", "top-1", "top-5", "agreement", "ties", "SQNR dB")
        rows = [
            (name, *(_percent(v) for v in (w.top1, w.top5, w.agreement, w.ties)), w.sqnr_db)
            for name, w in ways
            if w is not None
        ]
        known = [i for i in range(len(columns)) if any(row[i] is not None for row in rows)]
        return Rows(
            tuple(columns[i] for i in known),
            tuple(
                tuple(row[i] for i in known)
                for row in rows
                if any(value is not None for value in row[1:])
            ),
        )

    def map_rows(self) -> Rows:
        """Maps of classes: INT8 and onnxruntime against the reference, and all against labels."""
        maps = self.maps
        if maps is None:
            return Rows((), ())
        same = {
            "INT8": (maps.miou, maps.agreement), "onnxruntime INT8": (maps.onnxruntime_miou, None)
        }  # fmt: skip
        keys = {"float": "float", "INT8": "int8", "onnxruntime INT8": "onnxruntime"}
        rows = []
        for name, key in keys.items():
            of = (maps.labels or {}).get(key, {})
            cells = (of.get("miou"), of.get("accuracy"), *same.get(name, (None, None)))
            if any(cell is not None for cell in cells):
                rows.append((name, *map(_percent, cells)))
        against = self.reference
        columns = (
            "", "mIoU, labels", "pixels, labels", f"mIoU, {against}", f"pixels, {against}"
        )  # fmt: skip
        known = [i for i in range(len(columns)) if any(row[i] is not None for row in rows)]
        return Rows(
            tuple(columns[i] for i in known), tuple(tuple(row[i] for i in known) for row in rows)
        )

    def output_rows(self) -> Rows:
        """Every output of the network."""
        columns = ("output", "shape", "SQNR dB", "largest error", "equal")
        return Rows(
            columns,
            tuple(
                (
                    o.name, "x".join(map(str, o.shape)), o.sqnr_db, f"{o.max_error:.4g}",
                    _percent(o.equal),
                )
                for o in self.outputs
            ),
        )  # fmt: skip

    def worst_rows(self) -> Rows:
        """Pictures that lose most."""
        columns = ("picture", "label", self.reference, "INT8", "SQNR dB")
        return Rows(
            columns,
            tuple((w.picture, w.label, w.reference, w.int8, w.sqnr_db) for w in self.worst),
        )


def _percent(share: Any) -> str | None:
    return None if share is None else f"{100 * share:.2f} %"
