"""The ledger as text and tables, for a terminal, Markdown and HTML; its rows as CSV. Pure."""

import csv
import io
from typing import Final

from collector.numbers import NBSP, UNKNOWN, percent, si, si_u, some_of
from edgejoule.bench_report.content import BOUNDARIES
from edgejoule.bench_report.values import Grid, Report, Section
from edgejoule.compute_ledger.values import Energy, Figure, Group, Ledger, Row, Tau

TITLES: Final[dict[Figure, str]] = {
    "macs": "MACs",
    "parameters": "parameters",
    "size_bytes": "size",
    "latency_p50_s": "latency p50",
}
SHOWN_PAIRS: Final = 12
_ROW_HEADINGS: Final = (
    "model, setting",
    "MACs",
    "parameters",
    "size",
    "latency p50",
    "gross J/inf.",
    "net J/inf.",
    "precision",
    "family",
    "benches",
    "sha256",
)
_TAU_LINE: Final = (
    "Kendall's tau-b: 1 where a figure puts all rows into the order of their joules, 0 where it says nothing, -1 "
    "where it reverses it. Below it the 95 % interval: families drawn anew, and joules within their uncertainty, the "
    "meter's error being one for all rows; none for two to four families, and within one family files or rows are "
    "drawn. p: two-sided, by giving the figure's values to other families, files or rows, those of one all together."
)
_CSV_HEADINGS: Final = (
    *("device_id", "boundary", "simulated", "model_id", "model_sha256", "family", "precision", "runtime"),
    *("runtime_version", "delegate", "threads", "macs", "parameters", "size_bytes", "latency_p50_s", "gross_j"),
    *("gross_expanded_u_j", "net_j", "net_expanded_u_j", "rejected", "bench_ids"),
)


def report_of(ledger: Ledger) -> Report:
    """Return the whole ledger as a report."""
    rejected = any(row.rejected for row in ledger.rows)
    badges = ("REJECTED BENCHES INCLUDED",) * rejected + ("SIMULATED METER",) * ledger.simulated
    return Report(
        title=f"Compute ledger of {ledger.device_id}",
        badges=badges,
        headline=headline(ledger),
        reasons=(),
        warnings=tuple(ledger.notes),
        sections=(
            _rows(ledger),
            _taus(ledger, net=False),
            _taus(ledger, net=True),
            _inversions(ledger),
            _spreads(ledger),
            _origin(ledger),
        ),
    )


def headline(ledger: Ledger) -> tuple[str, ...]:
    """Return what it comes to, in two lines."""
    whole = ledger.groups[0]
    taus = ", ".join(f"{TITLES[figure]} {_number(tau)}" for figure, tau in whole.gross.items())
    pairs = "no two rows under one setting differ in MACs"
    if ledger.comparable_pairs:
        share = percent(len(ledger.inversions) / ledger.comparable_pairs)
        pairs = (
            f"fewer MACs, more joules: {len(ledger.inversions)} of {ledger.comparable_pairs} pairs under one setting "
            f"({share})"
        )
    return f"tau-b against gross joules, {_row_count(whole)}: {taus}", pairs


def _rows(ledger: Ledger) -> Section:
    grid = Grid(
        _ROW_HEADINGS, tuple(map(_row, ledger.rows)), frozenset({1, 2, 3, 4, 5, 6, 9}), narrow=(0, 1, 3, 4, 5, 6)
    )
    return Section("Joules per inference ± U (k = 2)", grids=(grid,))


def _row(row: Row) -> tuple[str, ...]:
    runtime, version, delegate, threads = row.setting
    name = (
        f"{row.model_id}{' REJECTED' if row.rejected else ''}\n{runtime} {version}\n"
        f"{delegate}, {threads} thread{'s' if threads != 1 else ''}"
    )
    return (
        name,
        _count(row.macs),
        _count(row.parameters),
        si(row.size_bytes, "B"),
        si(row.latency_p50_s, "s"),
        _joules(row.gross),
        _joules(row.net),
        row.precision or UNKNOWN,
        row.family or UNKNOWN,
        str(len(row.bench_ids)),
        row.model_sha256[:12],
    )


def _taus(ledger: Ledger, *, net: bool) -> Section:
    kind = "net" if net else "gross"
    rows = tuple(
        (_group_name(group), *(_tau(tau) for tau in (group.net if net else group.gross).values()))
        for group in ledger.groups
    )
    grid = Grid(("rows", *TITLES.values()), rows, frozenset(range(1, 1 + len(TITLES))))
    return Section(f"What orders {kind} joules", () if net else (_TAU_LINE,), (grid,))


def _group_name(group: Group) -> str:
    name = "all" if group.kind == "all" else f"{group.kind} {group.name}"
    return f"{name}\n{_row_count(group)}"


def _row_count(group: Group) -> str:
    return "1 row" if group.row_count == 1 else f"{group.row_count} rows"


def _tau(tau: Tau) -> str:
    lines = [_number(tau)]
    if tau.low is not None and tau.high is not None:
        lines.append(f"{tau_text(tau.low)} to {tau_text(tau.high)}")
    if tau.p_value is not None:
        lines.append(f"p {_chance(tau.p_value)}\nby {tau.exchanged}")
    return "\n".join(lines).replace(" ", NBSP)


def _number(tau: Tau) -> str:
    return UNKNOWN if tau.value is None else tau_text(tau.value)


def tau_text(value: float) -> str:
    """Return a tau with two digits; what rounds to zero has no sign."""
    return f"{round(value, 2) + 0.0:.2f}"


def _chance(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _inversions(ledger: Ledger) -> Section:
    rows = tuple(
        (f"{one.lighter}\n{one.heavier}", f"1/{one.macs_ratio:.3g}", _times(one.energy_ratio), one.setting)
        for one in ledger.inversions[:SHOWN_PAIRS]
    )
    if not rows:
        return Section("Fewer MACs, more joules", (_none_found(ledger),))
    more = len(ledger.inversions) - len(rows)
    lines = ["Pairs under one setting that differ by more than U of their difference; --json has all of them."]
    if more:
        lines.append(f"{more} more pairs are not shown here.")
    grid = Grid(("the first, beside the second", "MACs", "joules", "setting"), rows, frozenset({1, 2}))
    return Section("Fewer MACs, more joules", tuple(lines), (grid,))


def _none_found(ledger: Ledger) -> str:
    if not ledger.comparable_pairs:
        return "No two rows under one setting differ in MACs: bench several models alike (edgejoule agent bench-all)."
    return f"In none of {ledger.comparable_pairs} pairs under one setting do fewer MACs cost surely more joules."


def _spreads(ledger: Ledger) -> Section:
    rows = tuple(
        (one.model_id, _times(one.energy_ratio) + ("" if one.sure else " (within U)"), one.least, one.most)
        for one in ledger.spreads[:SHOWN_PAIRS]
    )
    if not rows:
        return Section("The same MACs, other joules", ("No file ran under two settings.",))
    grid = Grid(("model", "joules", "least with", "most with"), rows, frozenset({1}))
    return Section("The same MACs, other joules", grids=(grid,))


def _origin(ledger: Ledger) -> Section:
    tally = ledger.tally
    rows = (
        ("device", f"{ledger.device_id}, {', '.join(ledger.device_classes)}"),
        ("boundary", f"{ledger.boundary}: {BOUNDARIES.get(ledger.boundary, '')}".rstrip(": ")),
        ("meter", some_of(ledger.meters) + (", SIMULATED" if ledger.simulated else "")),
        ("records", f"{tally.read} read, {tally.used} used, {tally.rejected} rejected"),
        ("draws", f"{ledger.draws}, seed {ledger.seed}"),
    )
    return Section("Where it comes from", grids=(Grid(("what", "value"), rows),))


def _joules(energy: Energy | None) -> str:
    return UNKNOWN if energy is None else si_u(energy.value_j, energy.expanded_u_j, "J").replace(" ± ", "\n± ")


def _count(number: int | None) -> str:
    return UNKNOWN if number is None else f"{number:,}"


def _times(ratio: float | None) -> str:
    return UNKNOWN if ratio is None else f"{ratio:.3g} x"


def to_csv(ledger: Ledger) -> str:
    """Return the rows as CSV with a header; an empty cell is not known."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_CSV_HEADINGS)
    for row in ledger.rows:
        writer.writerow(_cells(ledger, row))
    return text.getvalue()


def _cells(ledger: Ledger, row: Row) -> list[object]:
    net = (None, None) if row.net is None else (row.net.value_j, row.net.expanded_u_j)
    return [
        *(ledger.device_id, ledger.boundary, ledger.simulated, row.model_id, row.model_sha256, row.family),
        *(row.precision, row.runtime, row.runtime_version, row.delegate, row.threads, row.macs, row.parameters),
        *(row.size_bytes, row.latency_p50_s, row.gross.value_j, row.gross.expanded_u_j, *net, row.rejected),
        " ".join(row.bench_ids),
    ]
