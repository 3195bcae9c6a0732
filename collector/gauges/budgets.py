"""What fleets have used of their carbon budgets this month, from the sums of each hour in the journal."""

import datetime as dt
import math
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from collector.assess import NS_PER_S
from collector.budget_config import BudgetConfig
from collector.carbon.units import G_PER_KG
from collector.sinks import hourly_table
from collector.sinks.hourly import HOUR_NS
from collector.sinks.hourly_sums import COUNTS, FLOATS, HourSums, exact
from collector.sinks.points import CarbonBudgetPoint

_WINDOWS, _OPERATIONAL_WINDOWS, _EMBODIED_WINDOWS = (
    COUNTS.index(name) for name in ("windows", "operational_windows", "embodied_windows")
)
_OPERATIONAL, _EMBODIED = FLOATS.index("operational_gco2e"), FLOATS.index("embodied_gco2e")
_REST: Final = 20.0
"""After a reading that took long, so many times as long nothing is read again: a large fleet's month is large."""

_FOLDED_AT: Final = 10_000


class Used(msgspec.Struct, frozen=True, kw_only=True):
    """What one fleet's windows emitted. Grams are None where no window has such a figure, or nobody heard the fleet.

    ``unknown_windows``: of which one of both figures is missing, at least.
    """

    operational_gco2e: float | None
    embodied_gco2e: float | None
    windows: int
    unknown_windows: int


class _Sums:
    """Of one fleet, added hour by hour."""

    def __init__(self) -> None:
        self.operational: list[float] = []
        self.embodied: list[float] = []
        self.windows = self.unknown_windows = self.operational_windows = self.embodied_windows = 0

    def add(self, sums: HourSums) -> None:
        counts = sums.counts + [0] * (len(COUNTS) - len(sums.counts))
        floats = sums.floats + [()] * (len(FLOATS) - len(sums.floats))
        self.operational = _folded(self.operational, floats[_OPERATIONAL])
        self.embodied = _folded(self.embodied, floats[_EMBODIED])
        known = counts[_OPERATIONAL_WINDOWS], counts[_EMBODIED_WINDOWS]
        self.windows += counts[_WINDOWS]
        self.operational_windows += known[0]
        self.embodied_windows += known[1]
        self.unknown_windows += counts[_WINDOWS] - min(known)

    def used(self, *, heard: bool) -> Used:
        nothing = heard and self.windows == 0
        return Used(
            operational_gco2e=math.fsum(self.operational) if self.operational_windows or nothing else None,
            embodied_gco2e=math.fsum(self.embodied) if self.embodied_windows or nothing else None,
            windows=self.windows,
            unknown_windows=self.unknown_windows,
        )


def used_between(db: sqlite3.Connection, fleets: Iterable[str], first_hour: int, end_hour: int) -> dict[str, Used]:
    """Return what each fleet used from ``first_hour`` up to ``end_hour`` (hours since 1970). Raises sqlite3.Error."""
    sums: dict[str, _Sums] = {name: _Sums() for name in fleets}
    for tags, of_hour in hourly_table.between(db, first_hour, end_hour):
        if tags.get("fleet") in sums:
            sums[tags["fleet"]].add(of_hour)
    heard = {fleet for (fleet,) in db.execute("SELECT DISTINCT fleet FROM devices")}
    return {name: one.used(heard=name in heard) for name, one in sums.items()}


class BudgetGauge:
    """See the module's text. ``now_s``: a steady clock, by which a long reading is seldom repeated."""

    def __init__(self, budgets: Sequence[BudgetConfig], now_s: Callable[[], float]) -> None:
        self._budgets = tuple(budgets)
        self._now_s = now_s
        self._used: dict[str, Used] = {}
        self._month = dt.date.min
        self._read_again_s = -math.inf

    def points(self, db: sqlite3.Connection, now_unix_ns: int, collector: str = "") -> list[CarbonBudgetPoint]:
        """Return one point for each budget. ``db``: a snapshot of the journal. Raises sqlite3.Error."""
        if not self._budgets:
            return []
        month, start_unix_ns, end_unix_ns = month_of(now_unix_ns)
        began_s = self._now_s()
        if began_s >= self._read_again_s or month != self._month:
            fleets = [budget.fleet for budget in self._budgets]
            self._used = used_between(db, fleets, start_unix_ns // HOUR_NS, end_unix_ns // HOUR_NS)
            self._month = month
            self._read_again_s = began_s + _REST * (self._now_s() - began_s)
        elapsed_ratio = (now_unix_ns - start_unix_ns) / (end_unix_ns - start_unix_ns)
        return [_point(budget, self._used[budget.fleet], elapsed_ratio, collector) for budget in self._budgets]


def _folded(values: list[float], more: Iterable[float]) -> list[float]:
    """Return floats whose exact sum is that of both; they never become many."""
    values.extend(more)
    return values if len(values) < _FOLDED_AT else list(exact(values))


def month_of(t_unix_ns: int) -> tuple[dt.date, int, int]:
    """Return the first day of the calendar month (UTC), and the month's start and end in Unix nanoseconds."""
    moment = dt.datetime.fromtimestamp(t_unix_ns // NS_PER_S, tz=dt.UTC)
    first = moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    after = (first + dt.timedelta(days=32)).replace(day=1)
    return first.date(), round(first.timestamp()) * NS_PER_S, round(after.timestamp()) * NS_PER_S


def _point(budget: BudgetConfig, used: Used, elapsed_ratio: float, collector: str) -> CarbonBudgetPoint:
    budget_gco2e = budget.monthly_kgco2e * G_PER_KG
    known = [one for one in (used.operational_gco2e, used.embodied_gco2e) if one is not None]
    used_gco2e = math.fsum(known) if known else None
    rate = None if used_gco2e is None or elapsed_ratio <= 0.0 else used_gco2e / elapsed_ratio
    return CarbonBudgetPoint(
        fleet=budget.fleet,
        collector=collector,
        budget_gco2e=budget_gco2e,
        used_gco2e=used_gco2e,
        operational_gco2e=used.operational_gco2e,
        embodied_gco2e=used.embodied_gco2e,
        month_elapsed_ratio=elapsed_ratio,
        burn_ratio=None if rate is None else rate / budget_gco2e,
        projected_gco2e=rate,
        unknown_windows=used.unknown_windows,
    )
