"""Results as tables for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich import box
from rich.table import Table

from accelgen.arch import ArchParams
from accelgen.boards import Board
from accelgen.deploy.results import Estimated, Results
from accelgen.display.cells import Rows, lost_to, number, percent, shortened
from accelgen.estimator import Estimate, LayerEstimate
from accelgen.estimator.board_design import board_design
from accelgen.estimator.resources import exceeded, total_resources
from accelgen.estimator.rows import sort_key, step_rows
from accelgen.flow.simulated import Simulated, layer_rows
from accelgen.flow.verbs import Quantized

__all__ = [
    "boards_table",
    "check_table",
    "drawn",
    "estimate_summary",
    "estimate_table",
    "presets_table",
    "ps_table",
    "quantize_table",
    "results_lines",
    "results_table",
    "rows_table",
    "simulated_lines",
    "simulated_table",
    "sources_table",
]


#: Fewer columns than this take the small form of a table.
NARROW = 120
#: Characters of a name in it.
NAME = 26


def rows_table(
    title: str, columns: Sequence[str], rows: Iterable[Iterable[Any]], *, width: int = NARROW
) -> Table:
    """A table; numbers to the right, texts fold. Of names in the first column only the
    end is there where there are fewer than ``NARROW`` columns."""
    content = [list(row) for row in rows]
    if width < NARROW:
        content = [[shortened(str(name), NAME), *rest] for name, *rest in content]
        table = Table(
            title=title, title_justify="left", header_style="bold", box=box.SIMPLE_HEAD,
            show_edge=False, pad_edge=False, padding=(0, 1, 0, 0),
        )  # fmt: skip
    else:
        table = Table(title=title, title_justify="left", header_style="bold")
    for index, name in enumerate(columns):
        numeric = bool(content) and all(_is_numeric(row[index]) for row in content)
        table.add_column(
            name, justify="right" if numeric else "left", overflow="fold",
            no_wrap=numeric or (index == 0 and width < NARROW),
        )  # fmt: skip
    for row in content:
        table.add_row(*(number(value) for value in row))
    return table


def drawn(title: str, rows: Rows, width: int) -> Table:
    """``rows`` for a terminal of so many columns."""
    return rows_table(title, rows.columns, rows.rows, width=width)


def _is_numeric(value: Any) -> bool:
    """A number, a share, or nothing."""
    if isinstance(value, str):
        return value.removesuffix(" %").replace(".", "").lstrip("+-").isdecimal()
    return isinstance(value, int | float | None) and not isinstance(value, bool)


def check_table(model: str, reports: Sequence[Any], *, width: int = NARROW) -> Table:
    """``accelgen check``."""
    if width >= NARROW:
        columns: tuple[str, ...] = ("node", "op", "where", "why", "rewrite")
        rows = [(r.name, r.op, r.verdict, r.reason, r.rewrite) for r in reports]
        return rows_table(model, columns, rows)
    small = [
        (r.name, shortened(r.op, 14), r.verdict, "; ".join(filter(None, (r.reason, r.rewrite))))
        for r in reports
    ]
    return rows_table(model, ("node", "op", "where", "why"), small, width=width)


def check_verdict(report: Any, board: str) -> str:
    """``accelgen check``: the last line."""
    if report.builds:
        parts = f" in {report.parts} programs with PS work between them" if report.parts > 1 else ""
        return f"verdict: builds for {board}{parts}; what depends on calibration data was not tried"
    return f"verdict: does not build for {board}: {report.refusal}"


def quantize_table(made: Quantized, *, width: int = NARROW) -> Table:
    """``accelgen quantize``: what each layer lost."""
    return drawn(f"{made.name}: int8 against float", made.rows(), width)


def estimate_table(
    model: str, numbers: Estimate, *, sort: str = "network", top: int | None = None,
    wide: bool = False, width: int = NARROW,
) -> Table:  # fmt: skip
    """``accelgen estimate``: the steps; with ``wide`` every layer and column."""
    title = f"{model} on {numbers.board}, {numbers.clock_mhz:g} MHz (estimated)"
    if not wide:
        return drawn(title, step_rows(numbers, sort=sort, top=top), width)

    def row(layer: LayerEstimate) -> tuple[Any, ...]:
        cells = (layer.name, layer.op, layer.engine, layer.macs)
        if layer.cycles is None:
            return (*cells, None, None, f"in {layer.step}", None, None)
        use = (percent(layer.efficiency), lost_to(layer.losses, layer.cycles))
        return (*cells, layer.cycles, layer.ddr_bytes, layer.bound, *use)

    columns = ("layer", "op", "engine", "MACs", "cycles", "DDR bytes", "bound", "array", "the rest")
    layers = sorted(numbers.layers, key=sort_key(sort))[:top]
    return rows_table(title, columns, map(row, layers))


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
    for row in ps.named_costs():
        total = row["kernel_us"] + row["layout_us"] + row["crossing_us"]
        what = f"kernel {row['kernel_us']:,.0f} us, layout {row['layout_us']:,.0f} us, "
        what += f"crossings {row['crossing_us']:,.0f} us"
        rows.append((f"PS: {row['what']} {row['node']}", total / 1e3, what))
    rows += [
        (f"PS: {k.op} {k.node}", 1e3 * k.seconds, f"kernel {1e6 * k.seconds:,.0f} us")
        for k in ps.kernels
        if k.op in ("ArgMax", "ArgMin")
    ]
    rows += [
        (f"if {name} were {end}", 1e3 * seconds, "frame")
        for name, ends in ps.sensitivity.items()
        for end, seconds in ends.items()
    ]
    texts = ((name, "" if ms is None else f"{ms:,.3f}", note) for name, ms, note in rows)
    return rows_table("time per frame (modelled, not measured)", ("", "ms", ""), texts)


def simulated_table(
    model: str, result: Simulated, *, wide: bool = False, width: int = NARROW
) -> Table:
    """``accelgen simulate``: the steps; with ``wide`` every layer and column."""
    title = f"{model} on {result.board} (simulated RTL)"
    if not wide:
        return drawn(title, layer_rows(result), width)
    return rows_table(
        title,
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


def boards_table(boards: Sequence[Board], *, width: int = NARROW) -> Table:
    """``accelgen boards``: what each has."""
    part = ("board", "part", "DSP", "BRAM36", "LUT", "MHz", "MAC/cycle")
    small = [
        (
            *(b.name, b.part, b.budget.dsp, b.budget.bram36, b.budget.lut),
            *(b.clock.mhz, b.arch.macs_per_cycle),
        )
        for b in boards
    ]
    if width < NARROW:
        return rows_table("boards", part, small, width=width)
    rest = ("FF", "URAM", "DDR", "GB/s", "PS")
    more = [
        (
            *(b.budget.ff, b.budget.uram, f"{b.ddr.kind}-{b.ddr.mts} x{b.ddr.width_bits}"),
            f"{b.ddr.peak_gbs:g} x {b.ddr.efficiency:g}",
            f"{b.ps.cores} x {b.ps.core} {b.ps.mhz:g}",
        )
        for b in boards
    ]
    pairs = zip(small, more, strict=True)
    return rows_table("boards", (*part, *rest), (one + other for one, other in pairs))


def presets_table(board: Board, known: Mapping[str, ArchParams]) -> Table:
    """``accelgen presets``: what each takes of ``board``."""

    def row(name: str, arch: ArchParams) -> tuple[Any, ...]:
        used = total_resources(arch) + board_design(board)
        fits = not exceeded(used, asdict(board.budget))
        sizes = (arch.macs_per_cycle, arch.lanes, arch.pixels, arch.pe_mode)
        taken = (round(count) for count in (used.dsp, used.bram36, used.lut))
        return (name, *sizes, *taken, fits)

    return rows_table(
        f"configurations on {board.name} (estimated)",
        ("preset", "MAC/cycle", "lanes", "pixels", "pe_mode", "DSP", "BRAM36", "LUT", "fits"),
        (row(name, arch) for name, arch in known.items()),
        width=NARROW - 1,
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
