"""The alert rules: what the fleet's operator wants to be told without looking.

Where no series comes, a rule is at rest (``OK``): what is not there has no fault, and a device that says nothing is
the first rule's matter. That rule alone fires without data, since then the collector itself is silent. A query that
fails is an error of its own (``Error``): the data source is away, which is neither good nor bad news of the fleet.
"""

from typing import Any, Final

from . import queries as q
from . import rates
from .alerting import Group, Last, Math, Query, Rule, Threshold
from .queries import Measurement

MINUTE_S: Final = 60
HOUR_S: Final = 3600
DAY_S: Final = 86400
SILENT_S: Final = 300
"""A window is 10 s by default, and health comes about every minute."""
GAP_RATIO: Final = 0.05
THROTTLED_S: Final = 60
WORSE_RATIO: Final = 1.1
"""Energy per inference against the week before: more than the noise of one meter on one device."""
OLD_S: Final = 3 * HOUR_S
"""A source is asked every half hour by default, and each answer makes what it repeats as young as it is."""
OLD_FORECAST_S: Final = 36 * HOUR_S
"""Forecasts may be fetched once a day, and are of use for a day and a half: a day ahead, told the noon before."""
BY_DEVICE: Final = ("fleet", "device")
BY_WORK: Final = ("fleet", "device", "model", "boundary", "meter_driver")


def rule_groups(*, hourly: bool = True) -> list[dict[str, Any]]:
    """Return the groups as the alert provisioning API takes them. ``hourly``: with those that need hourly sums."""
    return [group.for_api() for group in groups(hourly=hourly)]


def provisioning() -> dict[str, Any]:
    """Return the content of the provisioning file."""
    return {"apiVersion": 1, "groups": [group.for_file() for group in groups()]}


def groups(*, hourly: bool = True) -> tuple[Group, ...]:
    """Return every group of rules. ``hourly``: with those that need hourly sums."""
    found = (
        Group("edgejoule devices", MINUTE_S, (_silent(), _ledger(), _gaps(), _throttled())),
        Group("edgejoule carbon", 5 * MINUTE_S, (_old(), _old_forecast(), _fallen_back(), _budget())),
    )
    return (*found, Group("edgejoule energy", 10 * MINUTE_S, (_regressed(),))) if hourly else found


def _silent() -> Rule:
    by_collector = (*BY_DEVICE, "collector")
    latest = _last("last_seen_age_s", q.DEVICES, by_collector, where='"retired" = 0', name="latest")
    # Where several collectors share the messages, the one that heard of the device last knows.
    known = f'SELECT MIN("latest") FROM ({latest}){q.group(BY_DEVICE)}'  # noqa: S608  all words are our own
    return Rule(
        uid="edgejoule-device-silent",
        title="Device silent",
        steps=_above(q.DEVICES, known, SILENT_S),
        shown_by=("device", q.DEVICES, "last_seen_age_s"),
        summary="{{ $labels.device }} says nothing",
        description="Nothing came from {{ $labels.device }} of {{ $labels.fleet }} for more than five minutes. It "
        "keeps its windows and sends them when it is back. Look at its power, its network and the broker; one that "
        "has left service gets retired_on in the inventory. Without a device's name: the collector itself wrote "
        "nothing for ten minutes.",
        severity="critical",
        pending="1m",
        no_data="Alerting",
    )


def _ledger() -> Rule:
    return Rule(
        uid="edgejoule-ledger",
        title="Ledger does not add up",
        steps=_above(q.LEDGER, _last("missing", q.LEDGER, BY_DEVICE), 0),
        shown_by=("trust", q.LEDGER, "missing"),
        summary="Windows of {{ $labels.device }} are in no place",
        description="Windows that {{ $labels.device }} of {{ $labels.fleet }} numbered are neither stored, declared "
        "lost, refused nor pending: {{ $values.B.Value }}. Totals are too low by them. See: edgejoule fleet ledger "
        "--boots",
        severity="critical",
        pending="5m",
    )


def _gaps() -> Rule:
    share = _per('SUM("gap_s")', 'SUM("duration_s")', q.WINDOWS, BY_DEVICE)
    return Rule(
        uid="edgejoule-meter-gaps",
        title="Meter has gaps",
        steps=_above(q.WINDOWS, share, GAP_RATIO, since_s=15 * MINUTE_S),
        shown_by=("device", q.WINDOWS, "gap_s"),
        summary="The meter of {{ $labels.device }} misses {{ humanizePercentage $values.B.Value }} of the time",
        description="For more than 5 % of the last 15 minutes no sample came from the meter of {{ $labels.device }} "
        "of {{ $labels.fleet }}, so its joules are too low by that part. Look at the cable, the port and its frame "
        "errors.",
        pending="5m",
    )


def _throttled() -> Rule:
    query = _select('SUM("duration_s")', q.WINDOWS, BY_DEVICE, where='"throttled" = true')
    return Rule(
        uid="edgejoule-throttling",
        title="Device throttles",
        steps=_above(q.WINDOWS, query, THROTTLED_S),
        shown_by=("device", q.WINDOWS, "throttled"),
        summary="{{ $labels.device }} lowers its clock",
        description="{{ $labels.device }} of {{ $labels.fleet }} lowered its clock for heat or a weak supply during "
        "{{ humanizeDuration $values.B.Value }} of the last ten minutes. Its latency and its joules per inference are "
        "not those of a healthy device.",
        pending="5m",
    )


def _old() -> Rule:
    known = _last("age_s", q.GRID, ("zone", "kind", "source"), where="\"quality\" != 'forecast'")
    return Rule(
        uid="edgejoule-intensity-old",
        title="Grid intensity is old",
        steps=_above(q.GRID, known, OLD_S),
        shown_by=("carbon", q.GRID, "age_s"),
        summary="The {{ $labels.kind }} intensity of {{ $labels.zone }} is {{ humanizeDuration $values.B.Value }} old",
        description="{{ $labels.source }} has not been heard for more than three hours. Grams are assessed again "
        "once it is. See: edgejoule carbon intensity, and the collector's log.",
        pending="10m",
    )


def _old_forecast() -> Rule:
    known = _last("age_s", q.GRID, ("zone", "kind", "source"), where="\"quality\" = 'forecast'")
    return Rule(
        uid="edgejoule-forecast-old",
        title="Grid forecast is old",
        steps=_above(q.GRID, known, OLD_FORECAST_S),
        shown_by=("carbon", q.GRID, "age_s"),
        summary="The forecast in use for {{ $labels.zone }} is {{ humanizeDuration $values.B.Value }} old",
        description="{{ $labels.source }} has not been heard for more than a day and a half; what it forecast for "
        "this hour is in use. Grams are assessed again once it tells more. See: edgejoule carbon intensity, and the "
        "collector's log.",
        pending="10m",
    )


def _fallen_back() -> Rule:
    """Tell of zones without an age: no source tells. A quarter of an hour without points says nothing of the grid.

    Pending for hours: a source that tells an hour only once it has begun leaves each to the yearly average at first.
    """
    counted = (
        'SELECT COUNT("age_s") AS "live", COUNT("quality") AS "told" '  # noqa: S608  all words are our own
        f'FROM "{q.GRID.name}" WHERE $timeFilter GROUP BY time(15m), "zone", "kind" fill(0)'
    )
    by_zone = q.group(("zone", "kind"))
    latest = f'SELECT LAST("live") AS "latest", MAX("live") AS "most" FROM ({counted}) WHERE "told" > 0{by_zone}'  # noqa: S608
    had_one = f'SELECT SUM("latest") FROM ({latest}) WHERE "most" > 0{by_zone}'  # noqa: S608
    return Rule(
        uid="edgejoule-intensity-gone",
        title="No live grid intensity any more",
        steps=(
            Query("A", q.GRID, had_one, DAY_S),
            Last("B", "A"),
            Threshold("C", "B", "lt", 1),
        ),
        shown_by=("carbon", q.GRID, "age_s"),
        summary="No live {{ $labels.kind }} intensity of {{ $labels.zone }} any more",
        description="There was one within the last day; for three hours there is none. Until its source answers "
        "again grams rest on the yearly average, and marginal ones are unknown. See: edgejoule carbon intensity, and "
        "the collector's log.",
        pending="3h",
    )


def _budget() -> Rule:
    burnt = _last("burn_ratio", q.BUDGET, ("fleet",), where='"month_elapsed_ratio" > 0.05')
    return Rule(
        uid="edgejoule-carbon-budget",
        title="Carbon budget burns too fast",
        steps=_above(q.BUDGET, burnt, 1),
        shown_by=("fleet", q.BUDGET, "burn_ratio"),
        summary='{{ $labels.fleet }} uses its carbon budget {{ printf "%.2f" $values.B.Value }} times as fast as the '
        "month goes by",
        description="Operational and embodied carbon of this month (UTC) against the budget's part for the time that "
        "has gone by: above 1 the budget does not last. The first day and a half are not judged.",
        pending="1h",
    )


def _regressed() -> Rule:
    day = _work("time >= now() - 1d", least_hours=6)
    week = _work("time >= now() - 8d AND time < now() - 1d", least_hours=24)
    return Rule(
        uid="edgejoule-energy-regressed",
        title="Energy per inference has grown",
        # The ranges are the queries' own: sent together, both would get that of the first.
        steps=(
            Query("A", q.HOURS, day, 8 * DAY_S),
            Query("B", q.HOURS, week, 8 * DAY_S),
            Last("C", "A"),
            Last("D", "B"),
            Math("E", "$C / $D"),
            Threshold("F", "E", "gt", WORSE_RATIO),
        ),
        shown_by=("models", q.HOURS, "energy_j"),
        summary='{{ $labels.model }} on {{ $labels.device }} takes {{ printf "%.2f" $values.E.Value }} times the '
        "energy of the week before",
        description="Joules per inference of the last day against the seven days before, of the same device, model "
        "and meter: more than 10 % above. A release, throttling, or fewer inferences for the same idle power; the "
        "device's dashboard tells which.",
        pending="1h",
    )


def _above(
    of: Measurement, query: str, limit: float, *, since_s: int = 10 * MINUTE_S
) -> tuple[Query | Last | Threshold, ...]:
    """Return the steps of a rule that fires above ``limit``."""
    return Query("A", of, query, since_s), Last("B", "A"), Threshold("C", "B", "gt", limit)


def _last(field: str, of: Measurement, by: tuple[str, ...], *, where: str = "", name: str = "last") -> str:
    return _select(f'LAST("{field}") AS "{name}"', of, by, where=where)


def _select(what: str, of: Measurement, by: tuple[str, ...], *, where: str = "", when: str = "$timeFilter") -> str:
    conditions = f"{where} AND {when}" if where else when
    return f'SELECT {what} FROM "{of.name}" WHERE {conditions}{q.group(by)}'  # noqa: S608  all words are our own


def _per(over: str, under: str, of: Measurement, by: tuple[str, ...]) -> str:
    inner = _select(f'{over} AS "over", {under} AS "under"', of, by)
    return f'SELECT SUM("over") / SUM("under") FROM ({inner}) WHERE "under" > 0{q.group(by)}'  # noqa: S608


def _work(when: str, *, least_hours: int) -> str:
    """Return joules per inference of each device, model and meter that worked in at least so many hours.

    At mean power, as everywhere: a week with gaps in it is not a week that was cheaper.
    """
    figures = f'{rates.J_PER_INFERENCE}, COUNT("energy_j") AS "hours"'
    inner = _select(figures, q.HOURS, BY_WORK, where='"inference_count" > 0', when=when)
    kept = f'{rates.KNOWN_PER_INFERENCE} AND "hours" >= {least_hours}'
    return f'SELECT SUM("one") FROM ({inner}) {kept}{q.group(BY_WORK)}'  # noqa: S608
