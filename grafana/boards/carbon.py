"""Carbon: what the fleet's joules and hardware emitted, under every way to count, and what the grid is like.

Grams come from the hourly sums, which are corrected when an intensity is revised and stay cheap over months.
"""

from typing import Final

from msgspec.structs import replace

from .. import queries as q
from ..model import Dashboard, Panel
from ..panels import Ask, Look, bars, column_unit, placed, section, series, stat, table
from ..variables import BETWEEN, TAG, TO_DEVICE_FROM_TABLE, variables
from .parts import CLASS, GRAMS, NO_CLASS, RATIO, TOGETHER, WORDS, coloured, linked, simulated

HOUR: Final = "1h"
PER_KWH: Final = "suffix:g/kWh"
YEARLY: Final = 'SUM("operational_yearly_gco2e")'
MARGINAL: Final = 'SUM("operational_marginal_gco2e")'
WATER: Final = 'SUM("operational_water_l")'
BOTH: Final = f"{q.OPERATIONAL} + {q.EMBODIED}"
ZONE_AND_KIND: Final = ("zone", "kind")
QUALITIES: Final = ("actual", "estimated", "forecast", "yearly")


def board() -> Dashboard:
    """Return the dashboard."""
    return Dashboard(
        uid="edgejoule-carbon",
        title="edgejoule carbon",
        description="Operational carbon by the grid of its time against yearly averages, average against marginal "
        "intensity, embodied carbon by class and age, the best time to start work, and water.",
        tags=(TAG, "carbon"),
        panels=placed(
            section("How much, and by which way to count?", *_totals()),
            section("Does the time of use matter?", *_over_time()),
            section("What is the grid like, and how well is it known?", *_grid()),
            section("When should work start?", *_what_if()),
            section("What does the hardware weigh?", *_embodied()),
            section("How much water?", *_water()),
        ),
        variables=variables(),
        links=(BETWEEN,),
        time_from="now-7d",
        refresh="1m",
    )


def _totals() -> list[Panel]:
    return [
        stat(
            "Carbon by time of use",
            "Operational: sum of each window's joules times the average intensity of its own hours, g CO2e. Windows "
            "of unknown intensity are not in it.",
            [Ask(_hours(q.OPERATIONAL), "operational")],
            Look(GRAMS, no_value="unknown"),
            w=6,
        ),
        stat(
            "Carbon by year's mean",
            "The same joules times the yearly average of their zone, g CO2e.",
            [Ask(_hours(YEARLY), "by yearly averages")],
            Look(GRAMS, no_value="unknown"),
            w=6,
        ),
        stat(
            "Time of use against year's mean",
            "(By the grid of its time - by yearly averages) / by yearly averages, of hours that have both. Negative: "
            "the work lay in cleaner hours than the year's mean.",
            [
                Ask(
                    q.per(f"{q.OPERATIONAL} - {YEARLY}", YEARLY, where=q.HOURS_YEARLY_KNOWN, of=q.HOURS),
                    "against yearly averages",
                )
            ],
            Look(RATIO, steps=((None, "green"), (0, "orange")), decimals=1, no_value="unknown"),
            w=6,
        ),
        stat(
            "Carbon at the margin",
            "The same joules times the marginal intensity of their time, g CO2e: what one kWh more or less would "
            "change. Another kind of figure than the account; the two are never added.",
            [Ask(_hours(MARGINAL), "marginal")],
            Look(GRAMS, steps=((None, "purple"),), no_value="no marginal source"),
            w=6,
        ),
        stat(
            "Embodied carbon",
            "The part of the making of the hardware that falls into this range, by each device's own policy, g CO2e.",
            [Ask(_hours(q.EMBODIED), "embodied")],
            Look(GRAMS, no_value="unknown"),
            w=8,
        ),
        stat(
            "Embodied share",
            "Embodied / (operational + embodied), of hours in which both are known for every window.",
            [Ask(_share(), "embodied share")],
            Look(RATIO, minimum=0, maximum=1, decimals=1, no_value="unknown"),
            w=8,
        ),
        simulated(w=8, of_hours=True),
    ]


def _over_time() -> list[Panel]:
    ends = ("_low", "_high")
    return [
        series(
            "Operational carbon: grid of its time against yearly average",
            "g CO2e per step, the same joules under both. Where the lines part, the hour of use mattered. The last "
            "step is not over yet.",
            [
                Ask(_hourly(q.OPERATIONAL), "by the grid of its time"),
                Ask(_hourly(YEARLY), "by yearly averages"),
            ],
            Look(GRAMS),
            step=HOUR,
        ),
        series(
            "Average against marginal intensity",
            "g CO2e per step, the same joules under both kinds: average for the account, marginal for what a decision "
            "would change. They answer different questions and are never added.",
            [Ask(_hourly(q.OPERATIONAL), "average"), Ask(_hourly(MARGINAL), "marginal")],
            Look(GRAMS),
            step=HOUR,
        ),
        series(
            "How sure is the operational carbon?",
            "g CO2e per step with P5 and P95 from the meters' uncertainty and the intensities' range. The ends are "
            "added as if all errors had one cause, so that the band is an upper bound.",
            [
                Ask(_hourly(q.OPERATIONAL), "value"),
                *(Ask(_hourly(f'SUM("operational_gco2e{end}")'), f"{end[1:]} end") for end in ends),
            ],
            Look(GRAMS),
            step=HOUR,
        ),
        series(
            "What do the grams rest on?",
            "Share of the energy whose intensity was actual (measured), estimated, forecast or only a yearly average. "
            "Energy of unknown intensity is in none.",
            [Ask(_hourly(f'SUM("energy_{quality}_j")'), quality) for quality in QUALITIES],
            Look("joule"),
            step=HOUR,
            share=True,
        ),
    ]


def _grid() -> list[Panel]:
    latest = ", ".join(
        f'LAST("{field}") AS "{name}"'
        for field, name in (
            ("gco2e_per_kwh", "intensity"),
            ("low_gco2e_per_kwh", "low"),
            ("high_gco2e_per_kwh", "high"),
            ("yearly_gco2e_per_kwh", "yearly average"),
            ("quality", "rests on"),
            ("age_s", "age"),
        )
    )
    by = (*ZONE_AND_KIND, "source")
    return [
        series(
            "How much carbon does a kWh carry?",
            "g CO2e per kWh of each zone, kind and source, as known at that time. The yearly average of the zone "
            "beside it.",
            [
                Ask(q.over_time('MEAN("gco2e_per_kwh")', by=by, of=q.GRID), "$tag_zone $tag_kind ($tag_source)"),
                Ask(q.over_time('MEAN("yearly_gco2e_per_kwh")', by=("zone",), of=q.GRID), "$tag_zone yearly average"),
            ],
            Look(PER_KWH),
            w=24,
            step=HOUR,
        ),
        replace(
            table(
                "Whose intensity is in use, and how old is it?",
                "The latest within an hour of each zone, kind and source, g CO2e per kWh with its range. Age: since "
                "its source last said it; a yearly average has none. Above three hours a source is silent, unless it "
                "is asked less often.",
                [q.over_range(latest, by=by, of=q.GRID)],
                Look(
                    PER_KWH,
                    overrides=(
                        column_unit("age", "s", **coloured(((None, "green"), (10800, "orange")))),
                        column_unit("rests on", WORDS),
                    ),
                ),
                columns={name: name for name in by},
                h=7,
            ),
            time_from="1h",
        ),
    ]


def _what_if() -> list[Panel]:
    latest = ", ".join(
        f'LAST("{field}") AS "{name}"'
        for field, name in (
            ("now_gco2e_per_kwh", "now"),
            ("best_gco2e_per_kwh", "best"),
            ("best_wait_s", "wait"),
            ("horizon_s", "known for"),
            ("saving_ratio", "saving"),
        )
    )
    columns = (
        column_unit("wait", "s"),
        column_unit("known for", "s"),
        column_unit("saving", RATIO, decimals=1),
    )
    return [
        table(
            "When should an hour of steady work start?",
            "Mean g CO2e per kWh over one hour of steady work: started now, and started at the best time that the "
            "forecasts of the next 24 h know. Known for: how far they reach. Saving: against now. Marginal intensity "
            "tells what shifting changes.",
            [q.over_range(latest, by=ZONE_AND_KIND, of=q.WHAT_IF)],
            Look(PER_KWH, overrides=columns),
            columns={name: name for name in ZONE_AND_KIND},
            w=12,
        ),
        series(
            "What would waiting have saved?",
            "Saving of the best start within 24 h against a start at that moment, as the forecasts of that moment had "
            "it. Near zero: waiting is not worth it.",
            [Ask(q.over_time('MEAN("saving_ratio")', by=ZONE_AND_KIND, of=q.WHAT_IF), "$tag_zone $tag_kind")],
            Look(RATIO, minimum=0),
            step=HOUR,
        ),
    ]


def _embodied() -> list[Panel]:
    ages = (
        'LAST("in_service_s") AS "age", LAST("lifetime_s") AS "planned life", '
        'LAST("in_service_s") / LAST("lifetime_s") AS "life spent", LAST("hardware_gco2e") AS "hardware"'
    )
    columns = (
        column_unit("age", "s"),
        column_unit("planned life", "s"),
        column_unit("life spent", RATIO, decimals=0),
        column_unit("embodied share", RATIO, decimals=1),
        linked("device", TO_DEVICE_FROM_TABLE),
    )
    return [
        bars(
            "Embodied share by device class",
            "Embodied / (operational + embodied) of each class, of hours in which both are known for every window.",
            [Ask(_share("device_class"), CLASS)],
            Look(RATIO, minimum=0, maximum=1, decimals=1, overrides=(NO_CLASS,)),
        ),
        series(
            "Which class's hardware is charged how much?",
            "Embodied g CO2e per step, by device class, each device by its own policy.",
            [Ask(_hourly(q.EMBODIED, "device_class"), CLASS)],
            Look(GRAMS, overrides=(NO_CLASS,)),
            w=16,
            stacked=True,
            step=HOUR,
        ),
        table(
            "Embodied carbon by age",
            "Age: since the inventory's first day of service. Hardware: the whole device's embodied g CO2e. Embodied "
            "share: of the emissions in this range. A device past its planned life is charged nothing more.",
            [
                q.over_range(ages, by=("device_class", "device"), of=q.DEVICES),
                _share("device", name="embodied share"),
            ],
            Look(GRAMS, overrides=columns),
            transformations=TOGETHER,
            columns={"device": "device", "device_class": "device class"},
            sort_by="age",
        ),
    ]


def _water() -> list[Panel]:
    return [
        stat(
            "Water behind the energy",
            "Joules times the zone's water factor of power generation, litres consumed. Windows in zones without a "
            "factor are not in it.",
            [Ask(_hours(WATER), "water")],
            Look("litre", no_value="unknown"),
            w=6,
            h=8,
        ),
        series(
            "How much water, and where?",
            "Litres per step by zone: the energy times the zone's yearly water factor, so that it follows the energy.",
            [Ask(_hourly(WATER, "zone"), "$tag_zone")],
            Look("litre"),
            w=12,
            stacked=True,
            step=HOUR,
        ),
        bars(
            "Water per kWh",
            "The latest water factor of each zone, litres consumed per kWh of grid electricity.",
            [Ask(q.over_range('LAST("water_l_per_kwh")', by=("zone",), of=q.GRID), "$tag_zone")],
            Look("suffix:l/kWh", decimals=2),
            w=6,
        ),
    ]


def _hours(expression: str) -> str:
    return q.over_range(expression, of=q.HOURS)


def _hourly(expression: str, *by: str) -> str:
    return q.over_time(expression, by=by, of=q.HOURS)


def _share(*by: str, name: str = "ratio") -> str:
    return q.per(q.EMBODIED, BOTH, by=by, where=q.HOURS_CARBON_KNOWN, of=q.HOURS, name=name)
