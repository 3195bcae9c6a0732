"""Panels of the fleet's dashboard on what needs somebody: the budget, devices that stand out, what is not measured."""

from typing import Any, Final

from msgspec.structs import replace

from .. import queries as q
from .. import rates, reports
from ..model import Panel
from ..panels import Ask, Look, bars, column_unit, ranked, series, stat, table
from ..variables import TO_DEVICE_FROM_TABLE
from .parts import (
    CLASS,
    COUNT,
    COVERED,
    GRAMS,
    NO_CLASS,
    NONE_IS_BETTER,
    PER_S,
    RATIO,
    TOGETHER,
    WORDS,
    coloured,
    linked,
    to_board,
    yes_no,
)

TO_TRUST: Final = to_board("edgejoule-trust", "The ledger")
METERED: Final = '(SUM("duration_s") - SUM("gap_s")) / $__range_s'
"""Seconds with samples over seconds of the time range."""
BUDGETS: Final = {
    "budget_gco2e": "budget",
    "used_gco2e": "used",
    "operational_gco2e": "of that operational",
    "embodied_gco2e": "of that embodied",
    "projected_gco2e": "by the month's end",
    "unknown_windows": "windows unknown",
}
STATE: Final = {
    "meter_connected": "meter",
    "clock_synchronised": "clock",
    "outbox_windows": "waiting",
    "dropped_windows": "dropped",
    "meter_reconnects": "reconnects",
    "meter_frame_errors": "frame errors",
    "agent_version": "agent",
}
"""Fields and what their columns are called."""
BY_ROW: Final = ("device", "fleet", "site", "device_class")
_IN_ORDER: Final = ("J/inference", "carbon per 1,000", "power", "inferences", "idle", "energy", "coverage")
COSTS: Final = {"device": "device", "fleet": "fleet", "site": "site", "device_class": "class"} | {
    name: name for name in _IN_ORDER
}


def budget() -> list[Panel]:
    """Return the panels on carbon budgets."""
    return [
        replace(
            bars(
                "How fast is the budget used?",
                "Grams of this UTC month over the part of the budget that belongs to the time elapsed: 100 % is on "
                "plan, 200 % uses up a month's budget in half a month.",
                [Ask(q.over_range('LAST("burn_ratio")', by=("fleet",), of=q.BUDGET), "$tag_fleet")],
                Look(
                    RATIO,
                    ((None, "green"), (1, "orange"), (1.2, "red")),
                    minimum=0,
                    maximum=2,
                    decimals=0,
                    no_value="no budget",
                ),
                w=6,
                h=6,
            ),
            time_from="now/M",
        ),
        replace(
            series(
                "How far is the month's budget used up?",
                "Known grams of the hourly sums, operational and embodied, added up since the first of the month in "
                "your browser's time zone, and the budget. A fleet without [[budget]] in the collector's "
                "configuration has no budget line.",
                [
                    Ask(_used_so_far(), "$tag_fleet used"),
                    Ask(q.over_time('LAST("budget_gco2e")', by=("fleet",), of=q.BUDGET), "$tag_fleet budget"),
                ],
                Look(GRAMS, minimum=0),
                w=18,
                h=6,
                step="1h",
            ),
            time_from="now/M",
        ),
        replace(
            table(
                "Where does the month's budget lead?",
                "This UTC month's budget, what is used of it, and where that leads by the month's end at the mean "
                "pace since the month's first day, too low for a fleet that began later. Windows whose grams are "
                "unknown are not in it: with them it is used up faster.",
                [q.over_range(_columns(BUDGETS), by=("fleet",), of=q.BUDGET)],
                Look(
                    GRAMS,
                    overrides=(
                        column_unit("fleet", WORDS),
                        column_unit("windows unknown", COUNT, **coloured(NONE_IS_BETTER)),
                    ),
                    no_value="no budget",
                ),
                h=5,
            ),
            time_from="now/M",
        ),
    ]


def _used_so_far() -> str:
    each = (
        'SELECT SUM("operational_gco2e") + SUM("embodied_gco2e") AS "gco2e" '  # noqa: S608  all words are our own
        f'FROM {q.source(q.HOURS)} GROUP BY time($__interval), "fleet" fill(0)'
    )
    return f'SELECT CUMULATIVE_SUM("gco2e") FROM ({each}) WHERE $timeFilter GROUP BY "fleet"'  # noqa: S608


def devices() -> list[Panel]:
    """Return the panels that compare devices."""
    grams = rates.gco2e_per_inference(by=BY_ROW, per_count=1000, name="carbon per 1,000")
    idle = q.per('SUM("energy_j") - SUM("net_energy_j")', q.ENERGY_J, by=BY_ROW, where=rates.NET_KNOWN, name="idle")
    return [
        table(
            "Which devices pay most for an inference?",
            "Every device with windows in the time range, the dearest inference first: mean power over mean rate, "
            "idle power included. Carbon: operational and embodied grams per 1,000 inferences. Coverage: metered "
            "seconds over the seconds of the time range. An empty cell is unknown.",
            [
                q.over_range(f'{q.ENERGY_J} / 3600 AS "energy", {METERED} AS "coverage"', by=BY_ROW),
                rates.j_per_inference(by=BY_ROW, name="J/inference"),
                rates.power_w(by=BY_ROW, name="power"),
                rates.inferences_per_s(by=BY_ROW, name="inferences"),
                idle,
                grams,
            ],
            Look(
                WORDS,
                overrides=(
                    linked("device", TO_DEVICE_FROM_TABLE),
                    column_unit("energy", "watth"),
                    column_unit("coverage", RATIO, decimals=1),
                    column_unit("J/inference", "joule"),
                    column_unit("power", "watt"),
                    column_unit("inferences", PER_S),
                    column_unit("idle", RATIO, decimals=1),
                    column_unit("carbon per 1,000", GRAMS),
                ),
            ),
            h=10,
            transformations=TOGETHER,
            columns=COSTS,
            sort_by="J/inference",
        ),
        table(
            "Which devices need somebody?",
            "What the collector last reported of each device in the time range, the longest silent first. An empty "
            "cell was never said. Waiting windows are still on the device; dropped ones are lost and declared so.",
            [reports.heard(), q.over_range(_columns(STATE), by=("device", "fleet"), of=q.DEVICES)],
            Look(
                COUNT,
                overrides=(
                    linked("device", TO_DEVICE_FROM_TABLE),
                    column_unit("last heard", "s", **coloured(((None, "green"), (120, "orange"), (600, "red")))),
                    column_unit("online", COUNT, mappings=yes_no("online", "silent"), **IN_COLOUR),
                    column_unit("meter", COUNT, mappings=yes_no("connected", "not connected"), **IN_COLOUR),
                    column_unit("clock", COUNT, mappings=yes_no("set", "not set", good=None), **IN_COLOUR),
                    column_unit("dropped", COUNT, **coloured(NONE_IS_BETTER)),
                    column_unit("frame errors", COUNT, **coloured(NONE_IS_BETTER)),
                    column_unit("agent", WORDS),
                ),
            ),
            h=10,
            transformations=TOGETHER,
            sort_by="last heard",
        ),
    ]


IN_COLOUR: Final[dict[str, Any]] = {"custom.cellOptions": {"type": "color-text"}}
"""The colour of a mapped value, on its word."""


def _columns(names: dict[str, str]) -> str:
    """Return the latest value of each field, in a column of that name."""
    return ", ".join(f'LAST("{field}") AS "{name}"' for field, name in names.items())


def coverage() -> list[Panel]:
    """Return the panels on what is not measured or not there."""
    return [
        ranked(
            "The ten devices that are metered least",
            "Seconds with samples over the seconds of the time range. What lacks is time without windows, or gaps of "
            "the meter within them; a device that began later also lacks what was before. One without any window is "
            "not among them.",
            q.most(
                f'{METERED} AS "one", {q.COUNT} AS "windows"',
                'WHERE "windows" > 0',
                q.source(q.WINDOWS),
                by=rates.DEVICE,
                name="metered",
                least=True,
            ),
            Look(RATIO, COVERED, maximum=1, decimals=1, links=(TO_DEVICE_FROM_TABLE,)),
            h=8,
        ),
        series(
            "How many devices are metered at a time?",
            "Seconds with samples over the seconds of each step, added up over the devices of a class, stacked. A "
            "window counts where it begins, so the first and the last step are not whole.",
            [Ask(rates.metered_devices(by=("device_class",)), CLASS)],
            Look("short", minimum=0, decimals=1, overrides=(NO_CLASS,)),
            w=10,
            stacked=True,
            step="5m",
        ),
        stat(
            "Windows stored of those sent",
            "Windows in the collector's journal over the sequence numbers that devices assigned, ever. The rest is "
            "still on a device, or was declared dropped or refused: see the dashboard on trust.",
            [Ask(reports.stored_ratio(), "stored")],
            Look(RATIO, COVERED, minimum=0, maximum=1, decimals=2, links=(TO_TRUST,), no_value="unknown"),
            w=6,
            h=8,
        ),
    ]
