"""The fleet: what it draws, does and emits now, this month against the last, and which devices stand out."""

from typing import Final

from msgspec.structs import replace

from .. import queries as q
from .. import rates
from ..model import Dashboard, Panel
from ..panels import Ask, Look, bars, column_unit, placed, section, series, stat, table
from ..variables import BETWEEN, TAG, TO_DEVICE, TO_DEVICE_FROM_TABLE, variables
from .parts import (
    COUNT,
    COVERED,
    GRAMS,
    NONE_IS_BETTER,
    NONE_IS_GOOD,
    PER_S,
    RATIO,
    TOGETHER,
    WORDS,
    linked,
    simulated,
)

NOW: Final = "5m"
LATEST: Final = "15m"
"""Long enough for several of the collector's reports."""
BY_CLASS: Final = ("device_class",)
BY_MODEL_AND_CLASS: Final = ("model", "device_class")
BY_ROW: Final = ("device", "fleet", "site", "device_class")
SPANS: Final = (
    ("today", "now/d", None, "since midnight in your browser's time zone"),
    ("this month", "now/M", None, "since the first of the month in your browser's time zone"),
    ("last month up to this day", "now/M", "1M", "over the same part of last month"),
    ("all of last month", "now/M", "1M/M", "over the whole of last month"),
)
"""Words, the panel's own time range, its shift, and how a description says it."""


def board() -> Dashboard:
    """Return the dashboard."""
    return Dashboard(
        uid="edgejoule-fleet",
        title="edgejoule fleet",
        description="Joules per inference, metered at the plug, and the fleet's operational and embodied carbon.",
        tags=(TAG, "energy", "carbon"),
        panels=placed(
            section("What does the fleet draw and do now?", *_now()),
            section("How does this month compare with the last?", *_months()),
            section("Where does the energy go?", *_energy()),
            section("Operational or embodied: where does the carbon come from?", *_carbon()),
            section("Will the carbon budget hold?", *_budget()),
            section("Which devices stand out?", *_devices()),
            section("Is all of it measured?", *_coverage()),
        ),
        variables=variables(),
        links=(BETWEEN,),
        time_from="now-6h",
        refresh="30s",
    )


def _now() -> list[Panel]:
    return [
        stat(
            "Power now",
            "Sum over devices of the mean power of the latest window that began within five minutes. Devices without "
            "such a window are not in it.",
            [Ask(q.sum_of_latest("power_w", rates.EACH), "power")],
            Look("watt", no_value="unknown"),
            time_from=NOW,
        ),
        stat(
            "Inferences per second now",
            "Sum over devices of their inferences over the time of their windows, of the last five minutes.",
            [Ask(rates.inferences_per_s(), "inferences")],
            Look(PER_S, no_value="unknown"),
            time_from=NOW,
        ),
        stat(
            "Energy per inference",
            "Mean power over mean rate in the time range, idle power included, over all devices and models. A gap of "
            "the meter neither takes joules away nor hides inferences.",
            [Ask(rates.j_per_inference(), "energy per inference")],
            Look("joule", no_value="unknown"),
        ),
        stat(
            "Idle share of the energy",
            "The declared idle power over covered time, as a part of all joules, of windows that declare it.",
            [Ask(q.per('SUM("energy_j") - SUM("net_energy_j")', q.ENERGY_J, where=rates.NET_KNOWN), "idle")],
            Look(RATIO, decimals=1, minimum=0, no_value="not declared"),
        ),
        stat(
            "Silent devices",
            "Devices that the collector heard before and now holds for silent, by the time of their last message, in "
            "its latest report within a quarter of an hour. No report at all is unknown, not zero.",
            [Ask(_silent(), "silent")],
            Look(COUNT, NONE_IS_GOOD, no_value="unknown"),
            time_from=LATEST,
        ),
        simulated(),
    ]


def _silent() -> str:
    latest = f'SELECT 1 - LAST("online") AS "silent" FROM {q.source(q.DEVICES)}{q.group(rates.EACH)}'  # noqa: S608
    return f'SELECT SUM("silent") FROM ({latest})'  # noqa: S608  all words are our own


def _months() -> list[Panel]:
    energy = [
        stat(
            f"Energy {words}",
            f"Joules of the hourly sums {how}; gaps of the meters are not in it.",
            [Ask(q.over_range(f"{q.ENERGY_J} / 3600", of=q.HOURS), "energy")],
            Look("watth", no_value="no windows"),
            w=6,
            time_from=time_from,
            time_shift=shift,
        )
        for words, time_from, shift, how in SPANS
    ]
    carbon = [
        stat(
            f"Carbon {words}",
            f"Hourly sums {how}: metered joules times the grid's average intensity of their time, and the hardware's "
            "share of its own making. Windows whose grams are unknown are not in it.",
            [
                Ask(q.over_range(q.OPERATIONAL, of=q.HOURS), "operational"),
                Ask(q.over_range(q.EMBODIED, of=q.HOURS), "embodied"),
            ],
            Look(GRAMS, no_value="unknown"),
            w=6,
            time_from=time_from,
            time_shift=shift,
        )
        for words, time_from, shift, how in SPANS
    ]
    return [*energy, *carbon]


def _energy() -> list[Panel]:
    return [
        series(
            "What does each class of device draw?",
            "Sum over the class's devices of mean power over covered time, stacked. A device without samples in a "
            "step is not in that step.",
            [Ask(rates.power_w(by=BY_CLASS, timed=True), "$tag_device_class")],
            Look("watt", minimum=0),
            stacked=True,
            step="1m",
        ),
        series(
            "Which device draws how much?",
            "Mean power over covered time. A line breaks where no sample is.",
            [Ask(rates.power_w(by=("device",), timed=True), "$tag_device")],
            Look("watt", minimum=0, links=(TO_DEVICE,)),
            step="1m",
        ),
        bars(
            "Energy per inference by model and device class",
            "Mean power over mean rate of the class's devices while they ran the model, idle power included. Compare "
            "only what is metered at the same boundary.",
            [Ask(rates.j_per_inference(by=BY_MODEL_AND_CLASS), "$tag_model on $tag_device_class")],
            Look("joule"),
            w=12,
        ),
        bars(
            "Idle share of the energy by device class",
            "The declared idle power over covered time, as a part of all joules, of windows that declare it.",
            [
                Ask(
                    q.per('SUM("energy_j") - SUM("net_energy_j")', q.ENERGY_J, by=BY_CLASS, where=rates.NET_KNOWN),
                    "$tag_device_class",
                )
            ],
            Look(RATIO, maximum=1, decimals=1),
            w=12,
        ),
        series(
            "How many inferences does each class do?",
            "Sum over the class's devices of inferences per second of the time that windows cover, stacked.",
            [Ask(rates.inferences_per_s(by=BY_CLASS, timed=True), "$tag_device_class")],
            Look(PER_S, minimum=0),
            stacked=True,
            step="1m",
        ),
        series(
            "Does an inference cost the same all the time?",
            "Joules per inference of each model over all of its devices, idle power included. A line breaks where no "
            "sample or no inference is.",
            [Ask(rates.j_per_inference(by=("model",), timed=True), "$tag_model")],
            Look("joule", minimum=0),
            step="1m",
        ),
    ]


def _carbon() -> list[Panel]:
    operational, embodied = q.over_time(q.OPERATIONAL), q.over_time(q.EMBODIED)
    per_class = q.per(f"1000 * ({q.OPERATIONAL})", q.INFERENCES, by=BY_CLASS, where=q.CARBON_KNOWN)
    embodied_per_class = q.per(f"1000 * ({q.EMBODIED})", q.INFERENCES, by=BY_CLASS, where=q.CARBON_KNOWN)
    return [
        series(
            "How much is emitted, and by what?",
            "Grams of each step: joules times the grid's average intensity of their time, and the hardware's making "
            "spread over its service. Windows whose grams are unknown are not in it.",
            [Ask(operational, "operational"), Ask(embodied, "embodied")],
            Look(GRAMS, minimum=0),
            stacked=True,
            step="5m",
        ),
        series(
            "Which part is embodied?",
            "The same grams as shares of their sum.",
            [Ask(operational, "operational"), Ask(embodied, "embodied")],
            Look(GRAMS, minimum=0),
            share=True,
            step="5m",
        ),
        stat(
            "Embodied share",
            "Embodied grams over operational and embodied grams in the time range, of windows that have both.",
            [Ask(q.per(q.EMBODIED, f"{q.OPERATIONAL} + {q.EMBODIED}", where=q.CARBON_KNOWN), "embodied")],
            Look(RATIO, decimals=1, minimum=0, maximum=1, no_value="unknown"),
            h=8,
        ),
        bars(
            "Carbon per 1,000 inferences by device class",
            "Grams over inferences, times a thousand, of windows that have both kinds of grams. Operational by the "
            "grid's average intensity.",
            [
                Ask(per_class, "$tag_device_class, operational"),
                Ask(embodied_per_class, "$tag_device_class, embodied"),
            ],
            Look(GRAMS),
            w=16,
        ),
        stat(
            "Windows without operational grams",
            "Windows in the hours of the time range whose grid intensity or place is not known. They count as "
            "unknown, so the grams beside are those of the others.",
            [Ask(q.over_range('SUM("windows") - SUM("operational_windows")', of=q.HOURS), "windows")],
            Look(COUNT, NONE_IS_BETTER, no_value="unknown"),
        ),
    ]


def _budget() -> list[Panel]:
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
        series(
            "Will the month's budget hold?",
            "Operational and embodied grams of this UTC month so far, where they lead by the month's end at this "
            "pace, and the budget. A fleet without [[budget]] in the collector's configuration has no line.",
            [
                Ask(q.over_time('MAX("used_gco2e")', by=("fleet",), of=q.BUDGET), "$tag_fleet used"),
                Ask(q.over_time('LAST("projected_gco2e")', by=("fleet",), of=q.BUDGET), "$tag_fleet projected"),
                Ask(q.over_time('LAST("budget_gco2e")', by=("fleet",), of=q.BUDGET), "$tag_fleet budget"),
            ],
            Look(GRAMS, minimum=0),
            w=14,
            h=6,
            step="1m",
        ),
        replace(
            stat(
                "Windows that the budget does not see",
                "Windows of this month whose grams are unknown: the budget is used up faster than is shown.",
                [Ask(q.sum_of_latest("unknown_windows", ("fleet",), of=q.BUDGET), "windows")],
                Look(COUNT, NONE_IS_BETTER, no_value="no budget"),
                h=6,
            ),
            time_from="now/M",
        ),
    ]


def _devices() -> list[Panel]:
    grams = q.per(
        f"1000 * ({q.OPERATIONAL} + {q.EMBODIED})",
        q.INFERENCES,
        by=BY_ROW,
        where=q.CARBON_KNOWN,
        name="gCO2e per 1,000",
    )
    idle = q.per('SUM("energy_j") - SUM("net_energy_j")', q.ENERGY_J, by=BY_ROW, where=rates.NET_KNOWN, name="idle")
    return [
        table(
            "Which devices pay most for an inference?",
            "Every device with windows in the time range, the dearest inference first. Energy is metered energy; per "
            "inference it is mean power over mean rate; coverage is metered seconds over the seconds of the time "
            "range. An empty cell is unknown.",
            [
                q.over_range(f'{q.ENERGY_J} / 3600 AS "energy", {METERED} AS "coverage"', by=BY_ROW),
                rates.j_per_inference(by=BY_ROW, name="energy per inference"),
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
                    column_unit("energy per inference", "joule"),
                    column_unit("power", "watt"),
                    column_unit("inferences", PER_S),
                    column_unit("idle", RATIO, decimals=1),
                    column_unit("gCO2e per 1,000", GRAMS),
                ),
            ),
            h=10,
            transformations=TOGETHER,
            sort_by="energy per inference",
        ),
    ]


METERED: Final = '(SUM("duration_s") - SUM("gap_s")) / $__range_s'
"""Seconds with samples over seconds of the time range."""


def _coverage() -> list[Panel]:
    counted = 'SUM("stored") / SUM("sent")'
    latest = (
        f'SELECT LAST("stored") AS "stored", LAST("sent") AS "sent" '  # noqa: S608  all words are our own
        f"FROM {q.source(q.LEDGER)}{q.group(rates.EACH)}"
    )
    return [
        bars(
            "Which part of this time is metered, by device?",
            "Seconds with samples over the seconds of the time range. What lacks is time without windows, or gaps of "
            "the meter within them; a device that began later also lacks what was before.",
            [Ask(q.over_range(METERED, by=("device",)), "$tag_device")],
            Look(RATIO, COVERED, maximum=1, decimals=1, links=(TO_DEVICE,)),
        ),
        series(
            "When was it not metered?",
            "Seconds with samples over the seconds of each step, of each device. A window counts where it begins, so "
            "the first and the last step are not whole.",
            [
                Ask(
                    q.over_time('(SUM("duration_s") - SUM("gap_s")) * 1000 / $__interval_ms', by=("device",)),
                    "$tag_device",
                )
            ],
            Look(RATIO, minimum=0, decimals=1, links=(TO_DEVICE,)),
            step="5m",
        ),
        stat(
            "Windows stored of those sent",
            "Windows in the collector's journal over the sequence numbers that devices assigned, ever. The rest is "
            "still on a device, or was declared dropped or refused: see the dashboard on trust.",
            [Ask(f'SELECT {counted} FROM ({latest}) WHERE "sent" > 0', "stored")],  # noqa: S608
            Look(RATIO, COVERED, minimum=0, maximum=1, decimals=2, no_value="unknown"),
            h=8,
        ),
    ]
