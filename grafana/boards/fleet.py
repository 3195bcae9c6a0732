"""The fleet: what it draws, does and emits now, this month against the last, and which devices stand out."""

from typing import Final

from .. import queries as q
from .. import rates, reports
from ..model import Dashboard, Panel
from ..panels import Ask, Look, bars, placed, ranked, section, series, stat
from ..variables import BETWEEN, TAG, TO_DEVICE_FROM_TABLE, variables
from . import fleet_watch, months
from .parts import CLASS, COUNT, GRAMS, NO_CLASS, NONE_IS_BETTER, NONE_IS_GOOD, PER_S, RATIO, simulated, to_board

NOW: Final = "5m"
LATEST: Final = "15m"
"""Long enough for several of the collector's reports."""
TO_CARBON: Final = to_board("edgejoule-carbon", "How the grams come to be")
TO_MODELS: Final = to_board("edgejoule-models", "The models side by side")
BY_CLASS: Final = ("device_class",)
BY_MODEL_AND_CLASS: Final = ("model", "device_class")


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
            section("Will the carbon budget hold?", *fleet_watch.budget()),
            section("Which devices stand out?", *fleet_watch.devices()),
            section("Is all of it measured?", *fleet_watch.coverage()),
        ),
        variables=variables(),
        links=(BETWEEN,),
        time_from="now-6h",
        refresh="1m",
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
            "Inferences now",
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
            [Ask(reports.silent(), "silent")],
            Look(COUNT, NONE_IS_GOOD, no_value="unknown"),
            time_from=LATEST,
        ),
        simulated(),
    ]


def _months() -> list[Panel]:
    return [make(span) for make in (months.energy, months.carbon, months.per_inference) for span in months.SPANS]


def _energy() -> list[Panel]:
    return [
        series(
            "What does each class of device draw?",
            "Joules of each step over its seconds, stacked; gaps of meters are filled at the class's mean power of "
            "the step. A window counts where it begins, so the first and the last step are not whole.",
            [Ask(rates.power_by_step(by=BY_CLASS), CLASS)],
            Look("watt", minimum=0, overrides=(NO_CLASS,)),
            stacked=True,
            step="5m",
        ),
        ranked(
            "The ten devices that draw most",
            "Mean power over covered time, of the ten devices with the most in the time range.",
            q.most(rates.POWER_W, rates.COVERED, q.source(q.WINDOWS), by=rates.DEVICE, name="power"),
            Look("watt", links=(TO_DEVICE_FROM_TABLE,)),
            w=12,
            h=8,
        ),
        bars(
            "Energy per inference by model and device class",
            "Mean power over mean rate of the class's devices while they ran the model, idle power included. Compare "
            "only what is metered at the same boundary. Empty brackets: devices without a class in the inventory.",
            [Ask(rates.j_per_inference(by=BY_MODEL_AND_CLASS), "$tag_model ($tag_device_class)")],
            Look("joule", links=(TO_MODELS,)),
            w=12,
        ),
        bars(
            "Idle share of the energy by device class",
            "The declared idle power over covered time, as a part of all joules, of windows that declare it.",
            [
                Ask(
                    q.per('SUM("energy_j") - SUM("net_energy_j")', q.ENERGY_J, by=BY_CLASS, where=rates.NET_KNOWN),
                    CLASS,
                )
            ],
            Look(RATIO, maximum=1, decimals=1, overrides=(NO_CLASS,)),
            w=12,
        ),
        series(
            "How many inferences does each class do?",
            "Inferences of each step over its seconds, stacked. The first and the last step are not whole.",
            [Ask(rates.inferences_by_step(by=BY_CLASS), CLASS)],
            Look(PER_S, minimum=0, overrides=(NO_CLASS,)),
            stacked=True,
            step="5m",
        ),
        series(
            "Does an inference cost the same all the time?",
            "Joules per inference of each model over all of its devices, idle power included. A line breaks where no "
            "sample or no inference is.",
            [Ask(rates.j_per_inference(by=("model",), timed=True), "$tag_model")],
            Look("joule", minimum=0),
            step="5m",
        ),
    ]


def _carbon() -> list[Panel]:
    operational, embodied = q.over_time(q.OPERATIONAL), q.over_time(q.EMBODIED)
    per_class, embodied_per_class = (
        rates.gco2e_per_inference(by=BY_CLASS, kinds=(kind,), per_count=1000) for kind in ("operational", "embodied")
    )
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
            Look(RATIO, decimals=1, minimum=0, maximum=1, links=(TO_CARBON,), no_value="unknown"),
            w=5,
            h=8,
        ),
        bars(
            "Carbon per 1,000 inferences by device class",
            "Grams over inferences, times a thousand, of windows that have both kinds of grams. Operational by the "
            "grid's average intensity and at mean power, so that a meter's gap hides none.",
            [
                Ask(per_class, f"{CLASS}, operational"),
                Ask(embodied_per_class, f"{CLASS}, embodied"),
            ],
            Look(GRAMS),
            w=13,
        ),
        stat(
            "Windows without operational grams",
            "Windows in the hours of the time range whose grid intensity or place is not known. They count as "
            "unknown, so the grams beside are those of the others.",
            [Ask(q.over_range('SUM("windows") - SUM("operational_windows")', of=q.HOURS), "windows")],
            Look(COUNT, NONE_IS_BETTER, no_value="unknown"),
            w=6,
            h=8,
        ),
    ]
