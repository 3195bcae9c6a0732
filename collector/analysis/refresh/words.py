"""A refresh in one sentence for each grid."""

from collections.abc import Sequence

from collector.analysis.refresh.answers import GridAnswer, Payback, WaitRow
from collector.carbon.operational import IntensityKind
from collector.numbers import NBSP, percent, si, significant

_SURE_RATIO = 0.95
_OPEN_RATIO = 0.5


def payback_words(payback: Payback) -> str:
    """Return for example ``1.2 years (0.6 to 2.4)``."""
    if payback.low is None:
        return "never"
    middle = "never" if payback.years is None else f"{years_text(payback.years)}{NBSP}years"
    high = "never" if payback.high is None else years_text(payback.high)
    return middle if years_text(payback.low) == high else f"{middle} ({years_text(payback.low)} to {high})"


def grid_name(name: str, kind: IntensityKind) -> str:
    """Return a grid's name, and loudly that its intensities are marginal where they are."""
    return f"{name}, marginal" if kind == "marginal" else name


def flips(grids: Sequence[GridAnswer]) -> tuple[str, ...]:
    """Return a sentence for each zone in which average and marginal intensities ask for another moment."""
    found = []
    for grid in grids:
        other = next((one for one in grids if one.name == grid.name and one.kind == "marginal"), None)
        if grid.kind == "average" and other is not None and other.best_wait_years != grid.best_wait_years:
            found.append(
                f"{grid.name}: average intensities (an inventory) and marginal ones (what a decision changes) ask for "
                "another moment"
            )
    return tuple(found)


def years_text(years: float) -> str:
    """Return years as people read them."""
    return f"{years:,.0f}" if years >= 100.0 else significant(years, 2 if years < 10.0 else 3)


def moment(row: WaitRow, last: WaitRow) -> str:
    """Return what a row asks for."""
    if row is last:
        return "keep them as long as they last" if row.replaced else "keep them to the end"
    if row.wait_years == 0:
        return "replace now"
    return f"keep them {row.wait_years} more year{'s' if row.wait_years > 1 else ''}, then replace"


def verdict_of(name: str, payback: Payback, rows: Sequence[WaitRow], best: WaitRow, lifetime_years: float) -> str:
    """Return what to do on this grid, how sure that is, and what it is about; that it is open where it is."""
    last = rows[-1]
    why = f"pay-back{'' if best is rows[0] else ' if replaced now'}: {payback_words(payback)}"
    if best is not rows[0]:
        why += f", of a life of {years_text(lifetime_years)}{NBSP}years"
    if best.probability_best < _OPEN_RATIO:
        return f"{name}: open: {_open(rows, best)}; {why}"
    sure = f"best in {percent(best.probability_best)} of the drawn worlds"
    if best.probability_best < _SURE_RATIO:
        sure += ", so it is likely, not sure"
    ends = last if best is rows[0] else rows[0]
    against = "keeping them to the end" if ends is last else "replacing now"
    margin = f"; {si(ends.middle_g - best.middle_g, 'g')} less than {against}" if len(rows) > 1 else ""
    return f"{name}: {moment(best, last)}: {why}{margin}; {sure}"


def _open(rows: Sequence[WaitRow], best: WaitRow) -> str:
    """Say what has the least at the medians, what is best most often, and how little lies between all moments."""
    last = rows[-1]
    often = max(rows, key=lambda row: row.probability_best)
    words = f"at the medians the least is to {moment(best, last)} (best in {percent(best.probability_best)})"
    if often is not best:
        words += f", most often the best to {moment(often, last)} ({percent(often.probability_best)})"
    most = max(row.middle_g for row in rows) - best.middle_g
    return f"{words}; no moment takes over {si(most, 'g')} more than the least, {si(best.middle_g, 'g')}"
