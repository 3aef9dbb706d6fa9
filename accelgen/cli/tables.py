"""Results as tables for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.table import Table

from accelgen.boards import Board
from accelgen.deploy.results import Estimated, Results
from accelgen.estimator import Estimate, LayerEstimate
from accelgen.flow.simulated import Simulated
from accelgen.quant import QuantizedModel

__all__ = [
    "boards_table",
    "check_table",
    "estimate_summary",
    "estimate_table",
    "lost_to",
    "number",
    "percent",
    "ps_table",
    "quantize_table",
    "results_lines",
    "results_table",
    "rows_table",
    "simulated_lines",
    "simulated_table",
    "sources_table",
]


def rows_table(title: str, columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> Table:
    """A table; numbers to the right, texts fold."""
    table = Table(title=title, title_justify="left", header_style="bold")
    content = [list(row) for row in rows]
    for index, name in enumerate(columns):
        numeric = bool(content) and all(
            isinstance(row[index], int | float | None) and not isinstance(row[index], bool)
            for row in content
        )
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in content:
        table.add_row(*(number(value) for value in row))
    return table


def number(value: Any) -> str:
    """A cell: thousands separated, None empty, booleans in words."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.1f}"
    return str(value)


def percent(share: float | None) -> str | None:
    """A share in words; None stays None."""
    return None if share is None else f"{100 * share:.1f} %"


def lost_to(
    losses: Mapping[str, int] | None, cycles: int | None, *, least: float = 0.02
) -> str | None:
    """Causes (``estimator.efficiency.CAUSES``) that take at least that share of ``cycles``, the
    largest first; None without any."""
    if not losses or not cycles:
        return None
    found = sorted(losses.items(), key=lambda item: -item[1])
    return ", ".join(f"{c} {100 * n / cycles:.0f} %" for c, n in found if n >= least * cycles)


def check_table(model: str, reports: Sequence[Any]) -> Table:
    """``accelgen check``."""
    return rows_table(
        model,
        ("node", "op", "where", "why", "rewrite"),
        ((r.name, r.op, r.verdict, r.reason, r.rewrite) for r in reports),
    )


def check_verdict(report: Any, board: str) -> str:
    """``accelgen check``: the last line."""
    if report.builds:
        return f"verdict: builds for {board}; what depends on calibration data was not tried"
    return f"verdict: does not build for {board}: {report.refusal}"


def quantize_table(model: str, int8: QuantizedModel) -> Table:
    """``accelgen quantize``: what each layer lost."""
    return rows_table(
        f"{model}: int8 against float",
        ("layer", "op", "scale", "zero", "SQNR dB", "weights dB"),
        (
            (
                row.node,
                row.op.removeprefix("Q"),
                f"{row.quantization.scale:.6g}" if row.quantization else None,
                row.quantization.zero_point if row.quantization else None,
                row.sqnr_db,
                row.weight_sqnr_db,
            )
            for row in int8.report
        ),
    )


def estimate_table(model: str, numbers: Estimate) -> Table:
    """``accelgen estimate``: the layers."""

    def row(layer: LayerEstimate) -> tuple[Any, ...]:
        cells = (layer.name, layer.op, layer.engine, layer.macs)
        if layer.cycles is None:
            return (*cells, None, None, f"in {layer.step}", None, None)
        use = (percent(layer.efficiency), lost_to(layer.losses, layer.cycles))
        return (*cells, layer.cycles, layer.ddr_bytes, layer.bound, *use)

    return rows_table(
        f"{model} on {numbers.board}, {numbers.clock_mhz:g} MHz (estimated)",
        (
            *("layer", "op", "engine", "MACs", "cycles", "DDR bytes", "bound"),
            *("array", "the rest"),
        ),
        map(row, numbers.layers),
    )


def estimate_summary(numbers: Estimate, board: Board) -> Table:
    """``accelgen estimate``: the whole."""
    used = numbers.resources.to_dict()
    rows: list[tuple[str, str]] = [
        ("cycles per frame", f"{numbers.cycles:,}"),
        (
            "frames per second",
            f"{numbers.fps:,.1f} (PL {numbers.fps_pl:,.1f}, PS {numbers.fps_ps:,.1f})",
        ),
        ("PE array", f"{percent(numbers.efficiency)} of its peak"),
        ("the rest", lost_to(numbers.losses, numbers.cycles, least=0.005) or "nothing"),
        ("DDR bytes per frame", f"{numbers.ddr_bytes:,}"),
    ]
    rows += [
        (name.upper(), f"{count:,} of {getattr(board.budget, name):,}")
        for name, count in used.items()
    ]
    around = numbers.board_design.to_dict()
    rows.append((
        "of these around it",
        ", ".join(f"{count:,} {name.upper()}" for name, count in around.items() if count)
        + " (interconnect and resets of the block design, assumed)",
    ))
    rows.append(("fits", "yes" if numbers.fits else "no: " + "; ".join(numbers.exceeded)))
    return rows_table("", ("estimated", ""), rows)


def results_table(results: Results, estimated: Estimated) -> Table:
    """``accelgen results``: what Vivado made, beside what was estimated."""
    made = results.to_dict()
    rows: list[tuple[str, Any, Any, Any]] = [
        (name.upper(), count, made[name], estimated.budget[name])
        for name, count in estimated.resources.items()
    ]
    rows += [
        ("clock, MHz", estimated.clock_mhz, results.clock_mhz, None),
        ("power, W", None, results.power_w, None),
    ]
    return rows_table(
        f"{estimated.model} on {estimated.board}, Vivado {results.vivado or '(unknown)'}",
        ("", "estimated", "Vivado", "part has"),
        ((name, *(number(v) for v in values)) for name, *values in rows),
    )


def results_lines(results: Results, estimated: Estimated) -> list[str]:
    """``accelgen results``: timing, in words."""

    def ns(slack: float | None) -> str:
        return "unknown" if slack is None else f"{slack:.3f} ns"

    lines = [
        f"slack: setup {ns(results.wns)}, hold {ns(results.whs)}, pulses {ns(results.tpws)}",
        "timing is met"
        if results.timing_met
        else "timing is NOT met: do not use a bitstream of it",
    ]
    if not results.timing_met and results.reachable_mhz:
        lines.append(f"it would pass at about {results.reachable_mhz:g} MHz")
    if results.clock_mhz and results.clock_mhz != estimated.clock_mhz:
        share = results.clock_mhz / estimated.clock_mhz
        lines.append(
            f"the package's frames per second are for {estimated.clock_mhz:g} MHz: a fabric of "
            f"{results.clock_mhz:g} MHz gives at least {100 * share:.0f} % of them"
        )
    return lines


def ps_table(numbers: Estimate) -> Table:
    """``accelgen estimate``: a frame's time on the PL, on the PS and between them."""
    ps = numbers.ps
    kernels, crossings = ps.waits
    rows: list[tuple[str, float | None, str]] = [
        ("PL", 1e3 * ps.pl_seconds, "binds" if ps.bound == "pl" else ""),
        ("PS kernels", 1e3 * ps.kernel_seconds, "binds" if ps.bound == "ps" else ""),
        (
            f"crossings ({len(ps.crossings)})",
            1e3 * ps.crossing_seconds,
            "binds" if ps.bound == "crossing" else "",
        ),
        ("driver itself", 1e3 * ps.driver_seconds, ""),
        ("input, a thread of its own", 1e3 * ps.input_seconds, ""),
        ("PL waits for PS", 1e3 * kernels, ""),
        ("PL waits for crossings", 1e3 * crossings, ""),
        ("frame", 1e3 * ps.period_seconds, f"{numbers.fps:,.1f} per second"),
    ]
    for row in ps.block_costs():
        there, back = row["to_ps_us"], row["to_pl_us"]
        what = f"kernels {row['kernels_us']:,.0f} us, layout {row['layout_us']:,.0f} us, "
        what += f"crossings {there:,.0f} + {back:,.0f} us"
        total = row["kernels_us"] + row["layout_us"] + there + back
        rows.append((f"SE {row['block']}", total / 1e3, what))
    rows += [
        (f"if {name} were {end}", 1e3 * seconds, "frame")
        for name, ends in ps.sensitivity.items()
        for end, seconds in ends.items()
    ]
    texts = ((name, "" if ms is None else f"{ms:,.3f}", note) for name, ms, note in rows)
    return rows_table("time per frame (modelled, not measured)", ("", "ms", ""), texts)


def simulated_table(model: str, result: Simulated) -> Table:
    """``accelgen simulate``: the layers."""
    return rows_table(
        f"{model} on {result.board} (simulated RTL)",
        (
            *("layer", "op", "engine", "MACs", "cycles", "estimated", "elements", "match"),
            *("array", "the rest"),
        ),
        (
            (
                *(x.name, x.op, x.engine, x.macs, x.cycles, x.estimated_cycles),
                *((x.elements, x.match) if x.cycles is not None else (None, None)),
                *(percent(x.efficiency), lost_to(x.losses, x.cycles)),
            )
            for x in result.layers
        ),
    )


def simulated_lines(result: Simulated) -> list[str]:
    """``accelgen simulate``: the whole, in words."""
    lines = []
    wrong = sum(not x.match for x in result.layers)
    if result.layers:
        lines.append(
            f"{wrong} of {len(result.layers)} layers differ from the golden model"
            if wrong
            else f"all {len(result.layers)} layers match the golden model"
        )
    if frame := result.frame:
        rest = lost_to(frame.losses, frame.cycles, least=0.005)
        off = f"{100 * (frame.estimated_cycles / max(1, frame.cycles) - 1):+.1f} %"
        lines += [
            f"{frame.cycles:,} cycles simulated, {frame.estimated_cycles:,} estimated ({off})",
            f"{frame.fps:,.1f} frames per second (simulated), {frame.wall_s:.1f} s to simulate",
            f"PE array: {percent(frame.efficiency)} of its peak; the rest: {rest}",
            f"DDR: {frame.ddr_bytes:,} bytes of the PL, {frame.ps_ddr_bytes:,} of the PS beside it",
            f"frame: {'bit-exact' if frame.match else 'DIFFERS from the golden model'}",
        ]
    return lines


def boards_table(boards: Sequence[Board]) -> Table:
    """``accelgen boards``: what each has."""
    return rows_table(
        "boards",
        (
            *("board", "part", "DSP", "BRAM36", "LUT", "FF"),
            "URAM",
            "MHz",
            "DDR",
            "GB/s",
            "PS",
            "MAC/cycle",
        ),
        (
            (
                *(b.name, b.part, b.budget.dsp, b.budget.bram36, b.budget.lut, b.budget.ff),
                *(b.budget.uram, b.clock.mhz, f"{b.ddr.kind}-{b.ddr.mts} x{b.ddr.width_bits}"),
                f"{b.ddr.peak_gbs:g} x {b.ddr.efficiency:g}",
                *(f"{b.ps.cores} x {b.ps.core} {b.ps.mhz:g}", b.arch.macs_per_cycle),
            )
            for b in boards
        ),
    )


def sources_table(boards: Sequence[Board]) -> Table:
    """``accelgen boards``: where the numbers come from."""
    return rows_table(
        "sources",
        ("board", "of", "source"),
        (
            (b.name, part, source)
            for b in boards
            for part, source in (
                ("part", b.source), ("budget", b.budget.source), ("clock", b.clock.source),
                ("DDR", b.ddr.source), ("ports", b.ports.source), ("PS", b.ps.source),
            )
        ),
    )  # fmt: skip
