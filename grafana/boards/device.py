"""One device: what it draws for what it does, heat, its meter, its way to the collector, and what it is."""

from typing import Any, Final

from .. import queries as q
from .. import rates
from ..model import Dashboard, Panel
from ..panels import Ask, Look, bars, column_unit, placed, section, series, stat
from ..variables import BETWEEN, TAG, variables
from . import device_parts, months
from .parts import COUNT, GRAMS, NONE_IS_BETTER, PER_S, RATIO, simulated

NOW: Final = "5m"
BY: Final = ("device",)
BY_MODEL: Final = ("model",)
K: Final = 2
"""Coverage factor of the bands: about 95 % for a normal distribution."""
THROTTLED: Final = '"throttled" = true'
NOT_THROTTLED: Final = '"throttled" = false'


def board() -> Dashboard:
    """Return the dashboard."""
    return Dashboard(
        uid="edgejoule-device",
        title="edgejoule device",
        description="One device: power, energy per inference with its uncertainty, heat, meter, outbox and clock.",
        tags=(TAG, "device"),
        panels=placed(
            section("How is it now?", *_now()),
            section("What does it draw, and for what?", *_energy()),
            section("How fast is it?", *_speed()),
            section("Does heat cost energy?", *_heat()),
            section("Is the meter well?", *device_parts.meter()),
            section("Does everything arrive?", *device_parts.delivery()),
            section("What is it?", *device_parts.identity()),
        ),
        variables=variables(one_device=True),
        links=(BETWEEN,),
        time_from="now-1h",
        refresh="10s",
    )


def _now() -> list[Panel]:
    return [
        stat(
            "Power now",
            "Mean power over the covered time of the latest window that began within five minutes.",
            [Ask(q.sum_of_latest("power_w", BY), "power")],
            Look("watt", no_value="unknown"),
            time_from=NOW,
        ),
        stat(
            "Energy per inference",
            "Mean power over mean rate in the time range, idle power included, over all models that it ran.",
            [Ask(rates.j_per_inference(), "energy per inference")],
            Look("joule", no_value="unknown"),
        ),
        stat(
            "Carbon in this time",
            "Grams of the windows in the time range: joules times the grid's average intensity of their time, and the "
            "hardware's making spread over its service.",
            [Ask(q.over_range(q.OPERATIONAL), "operational"), Ask(q.over_range(q.EMBODIED), "embodied")],
            Look(GRAMS, no_value="unknown"),
            w=8,
        ),
        stat(
            "Last heard",
            "Seconds between the device's last message and the collector's latest report in the time range.",
            [Ask(q.over_range('LAST("last_seen_age_s")', by=BY, of=q.DEVICES), "$tag_device")],
            Look("s", ((None, "green"), (120, "orange"), (600, "red")), no_value="never"),
        ),
        simulated(),
        *(make(span) for make in (months.energy, months.carbon) for span in (months.THIS_MONTH, months.SAME_PART)),
    ]


def _energy() -> list[Panel]:
    upper, lower = f"upper (k = {K})", f"lower (k = {K})"
    edge: dict[str, Any] = {"custom.lineWidth": 0, "color": {"mode": "fixed", "fixedColor": "blue"}}
    band = (
        column_unit(upper, "joule", **edge, **{"custom.fillBelowTo": lower, "custom.fillOpacity": 20}),
        column_unit(lower, "joule", **edge),
    )
    return [
        series(
            "How much power does it draw?",
            "Mean power over covered time, and the declared idle power of the same time. A line breaks where "
            "no sample is.",
            [
                Ask(rates.power_w(by=BY, timed=True), "power"),
                Ask(rates.idle_power_w(by=BY, timed=True), "declared idle"),
            ],
            Look("watt", minimum=0),
        ),
        series(
            "What does an inference cost, and how sure is that?",
            "Mean power over mean rate, idle power included, with its expanded uncertainty (k = 2): within a step the "
            "systematic parts of the windows add linearly, the others in quadrature (JCGM 100:2008).",
            [
                Ask(rates.j_per_inference_edge(K), upper),
                Ask(rates.j_per_inference(by=BY, timed=True), "energy per inference"),
                Ask(rates.j_per_inference_edge(-K), lower),
            ],
            Look("joule", overrides=band),
        ),
        series(
            "How much of it is idle?",
            "The declared idle power and what is drawn above it, stacked, of windows that declare it.",
            [
                Ask(rates.idle_power_w(by=BY, timed=True), "idle"),
                Ask(rates.net_power_w(by=BY, timed=True), "above idle"),
            ],
            Look("watt", minimum=0),
            stacked=True,
        ),
        bars(
            "Energy per inference by model",
            "Mean power over mean rate while it ran the model, idle power included.",
            [Ask(rates.j_per_inference(by=BY_MODEL), "$tag_model")],
            Look("joule"),
            w=6,
        ),
        bars(
            "Carbon per 1,000 inferences by model",
            "Grams over inferences, times a thousand, of windows that have both kinds of grams; the operational ones "
            "by the grid's average intensity of their time and at mean power, so that a gap hides none.",
            [
                Ask(_per_1000("operational"), "$tag_model, operational"),
                Ask(_per_1000("embodied"), "$tag_model, embodied"),
            ],
            Look(GRAMS),
            w=6,
        ),
    ]


def _per_1000(kind: str) -> str:
    return rates.gco2e_per_inference(by=BY_MODEL, kinds=(kind,), per_count=1000)


def _speed() -> list[Panel]:
    return [
        series(
            "How long does an inference take?",
            "Of each step: the median of its windows' medians, the worst of their 95 % quantiles, and the longest "
            "inference. Quantiles of windows can't be averaged to that of a step.",
            [
                Ask(q.over_time('MEDIAN("latency_p50_s")', by=BY), "median"),
                Ask(q.over_time('MAX("latency_p95_s")', by=BY), "worst window's 95 %"),
                Ask(q.over_time('MAX("latency_max_s")', by=BY), "longest"),
            ],
            Look("s", minimum=0),
        ),
        series(
            "How many inferences per second?",
            "Inferences over the time that windows cover, of each model.",
            [Ask(rates.inferences_per_s(by=("model",), timed=True), "$tag_model")],
            Look(PER_S, minimum=0),
            w=6,
        ),
        series(
            "How much of the time is it at work?",
            "Seconds within inferences over the seconds of the windows.",
            [Ask(q.over_time('SUM("busy_s") / SUM("duration_s")', by=BY), "busy")],
            Look(RATIO, minimum=0, maximum=1),
            w=6,
        ),
    ]


def _heat() -> list[Panel]:
    on_the_right = {"custom.axisPlacement": "right"}
    return [
        series(
            "Does an inference cost more when it is hot?",
            "Energy per inference, idle power included (left), and the chip's temperature, the highest of each "
            "step (right).",
            [
                Ask(rates.j_per_inference(by=BY, timed=True), "energy per inference"),
                Ask(q.over_time('MAX("soc_temp_c")', by=BY), "chip temperature"),
            ],
            Look("joule", overrides=(column_unit("chip temperature", "celsius", **on_the_right),)),
        ),
        series(
            "Does it slow its clock?",
            "The processor's clock: lowest, mean and highest of each step (left), and windows in which the firmware "
            "throttled it (right).",
            [
                Ask(q.over_time('MIN("freq_min_mhz") * 1000000', by=BY), "lowest clock"),
                Ask(q.over_time('MEAN("freq_mhz") * 1000000', by=BY), "mean clock"),
                Ask(q.over_time('MAX("freq_max_mhz") * 1000000', by=BY), "highest clock"),
                Ask(q.over_time(q.COUNT, by=BY, where=THROTTLED), "throttled windows"),
            ],
            Look("hertz", minimum=0, overrides=(column_unit("throttled windows", COUNT, **THROTTLED_BARS),)),
        ),
        bars(
            "What does throttling do to an inference?",
            "Energy per inference of the windows that were throttled, and of those that were not; idle power "
            "included. Windows that say neither are in none.",
            [
                Ask(rates.j_per_inference(where=THROTTLED), "throttled"),
                Ask(rates.j_per_inference(where=NOT_THROTTLED), "not throttled"),
            ],
            Look("joule"),
            w=12,
            h=6,
        ),
        stat(
            "Throttled windows",
            "Windows in the time range in which the firmware held the processor back, for heat or low voltage.",
            [Ask(q.over_range(q.COUNT, where=THROTTLED), "windows")],
            Look(COUNT, NONE_IS_BETTER, no_value="none"),
            w=6,
            h=6,
        ),
        stat(
            "Hottest",
            "The chip's highest temperature in the time range: within a window, and the highest of the windows' last "
            "readings, which is all that an older agent says.",
            [Ask(q.over_range('MAX("soc_temp_max_c")'), "peak"), Ask(q.over_range('MAX("soc_temp_c")'), "reading")],
            Look("celsius", ((None, "green"), (70, "orange"), (80, "red")), decimals=0, no_value="unknown"),
            w=6,
            h=6,
        ),
    ]


THROTTLED_BARS: Final[dict[str, Any]] = {
    "custom.axisPlacement": "right",
    "custom.drawStyle": "bars",
    "custom.fillOpacity": 15,
    "custom.lineWidth": 0,
}
