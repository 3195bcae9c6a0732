"""One device: what it draws for what it does, heat, its meter, its way to the collector, and what it is."""

from typing import Any, Final

from .. import queries as q
from .. import rates
from ..model import Dashboard, Panel
from ..panels import BLUE, Ask, Look, Steps, bars, column_unit, placed, section, series, stat, table
from ..variables import BETWEEN, TAG, variables
from .parts import COUNT, COVERED, GRAMS, NONE_IS_BETTER, PER_S, RATIO, WORDS, simulated, yes_no

NOW: Final = "5m"
BY: Final = ("device",)
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
            section("Is the meter well?", *_meter()),
            section("Does everything arrive?", *_delivery()),
            section("What is it?", *_birth()),
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
        ),
        _state(
            "Last heard",
            "Seconds between the device's last message and the collector's latest report in the time range.",
            'LAST("last_seen_age_s")',
            Look("s", ((None, "green"), (120, "orange"), (600, "red")), no_value="never"),
        ),
        _state(
            "Is its meter connected?",
            "What the agent's latest health record in the time range says of the serial line.",
            'LAST("meter_connected")',
            Look(COUNT, mappings=yes_no("connected", "not connected"), no_value="unknown"),
        ),
        simulated(),
    ]


def _state(title: str, description: str, expression: str, look: Look) -> Panel:
    """Return a stat on what the collector last reported about the device."""
    return stat(title, description, [Ask(q.over_range(expression, by=BY, of=q.DEVICES), "$tag_device")], look)


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
            Look("watt"),
            stacked=True,
        ),
        bars(
            "Energy per inference by model",
            "Mean power over mean rate while it ran the model, idle power included.",
            [Ask(rates.j_per_inference(by=("model",)), "$tag_model")],
            Look("joule"),
            w=12,
        ),
    ]


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
            "The chip's highest temperature in the time range.",
            [Ask(q.over_range('MAX("soc_temp_max_c")'), "chip")],
            Look("celsius", ((None, "green"), (70, "orange"), (80, "red")), decimals=0, no_value="unknown"),
            w=6,
            h=6,
        ),
    ]


THROTTLED_BARS: Final[dict[str, Any]] = {
    "custom.axisPlacement": "right",
    "custom.drawStyle": "bars",
    "custom.fillOpacity": 50,
}


def _meter() -> list[Panel]:
    return [
        series(
            "Where are gaps?",
            "Seconds of each step that no sample covers, within windows. No joule is invented for them.",
            [Ask(q.over_time(q.GAP_S, by=BY), "gap")],
            Look("s", minimum=0),
            w=8,
        ),
        series(
            "How many frames are damaged or lost?",
            "Frames that failed their checksum or form, and samples that the meter's numbering says did not arrive.",
            [
                Ask(q.over_time('SUM("frame_error_count")', by=BY), "damaged frames"),
                Ask(q.over_time('SUM("lost_count")', by=BY), "lost samples"),
            ],
            Look(COUNT, minimum=0),
            w=8,
        ),
        series(
            "How far apart can meter and host clock be?",
            "The bound on the offset between both clocks that each window states, the largest of each step. Against a "
            "window's length it bounds how much energy lies on the wrong side of its edges.",
            [Ask(q.over_time('MAX("sync_residual_s")', by=BY), "offset at most")],
            Look("s", minimum=0),
            w=8,
        ),
        _wide_state(
            "How often did the meter come back?",
            "Reconnections of the meter since the agent began, in its health records.",
            [('MAX("meter_reconnects")', "reconnections")],
        ),
        _wide_state(
            "How many damaged frames since the agent began?",
            "All frame errors of all kinds that the agent's health records count.",
            [('MAX("meter_frame_errors")', "frame errors")],
        ),
        stat(
            "Metered part of this time",
            "Seconds with samples over the seconds of the time range.",
            [Ask(q.over_range('(SUM("duration_s") - SUM("gap_s")) / $__range_s'), "metered")],
            Look(RATIO, COVERED, minimum=0, maximum=1, decimals=1, no_value="unknown"),
            w=8,
            h=6,
        ),
    ]


def _wide_state(title: str, description: str, lines: list[tuple[str, str]], look: Look | None = None) -> Panel:
    """Return a series of what the collector's reports say of the device."""
    asks = [Ask(q.over_time(expression, by=BY, of=q.DEVICES), name) for expression, name in lines]
    return series(title, description, asks, look or Look(COUNT, minimum=0), w=8, h=6, step="1m")


def _delivery() -> list[Panel]:
    ledger: tuple[tuple[str, Steps], ...] = (
        ("sent", BLUE),
        ("stored", BLUE),
        ("dropped", NONE_IS_BETTER),
        ("pending", BLUE),
        ("missing", ((None, "green"), (1, "red"))),
        ("late", BLUE),
    )
    return [
        *(
            stat(
                f"Windows {field}",
                "Over all boots of the device, in the collector's latest report in the time range. sent = stored + "
                "dropped + refused + pending + missing; late ones came long after their end and are stored.",
                [Ask(q.sum_of_latest(field, ("fleet", "device", "collector"), of=q.LEDGER), field)],
                Look(COUNT, steps, no_value="unknown"),
            )
            for field, steps in ledger
        ),
        _wide_state(
            "How full is its outbox?",
            "Windows on the device that the collector has not acknowledged, in the agent's health records.",
            [('MAX("outbox_windows")', "windows")],
        ),
        _wide_state(
            "Is its clock set?",
            "Whether its clock was synchronised at its health records: 1 is yes, 0 is no, the least of each step.",
            [('MIN("clock_synchronised")', "clock")],
            Look(COUNT, minimum=0, maximum=1, decimals=0, mappings=yes_no("set", "not set", bad="orange")),
        ),
        _wide_state(
            "Was it online?",
            "Whether the collector held it for online at its reports, by the time of the last message: 1 is yes, 0 is "
            "no, the least of each step.",
            [('MIN("online")', "online")],
            Look(COUNT, minimum=0, maximum=1, decimals=0, mappings=yes_no("online", "silent")),
        ),
        series(
            "What does measuring itself cost?",
            "Processor cores that the agent used, without its inference and with it, and that all else used.",
            [
                Ask(q.over_time('MEAN("overhead_cpu_ratio")', by=BY), "agent without inference"),
                Ask(q.over_time('MEAN("agent_cpu_ratio")', by=BY), "agent"),
                Ask(q.over_time('MEAN("other_cpu_ratio")', by=BY), "all else"),
            ],
            Look(RATIO, minimum=0),
            w=24,
            h=6,
        ),
    ]


def _birth() -> list[Panel]:
    return [
        _facts(
            "Which hardware and meter?",
            "From the device's birth record and the inventory, in the collector's latest report.",
            ("hardware", "meter_driver", "meter_id", "boundary", "clock_state", "boot_id"),
            by=("device", "fleet", "site", "zone", "device_class"),
        ),
        _facts(
            "Which model and software?",
            "From the device's birth record, in the collector's latest report. Runtimes differ up to tenfold in "
            "energy, so a figure belongs to one of them.",
            ("model_id", "runtime", "agent_version", "python_version", "platform", "window_s", "model_sha256"),
            by=BY,
        ),
    ]


def _facts(title: str, description: str, fields: tuple[str, ...], *, by: tuple[str, ...]) -> Panel:
    """Return a table of one line with what the device says of itself."""
    columns = ", ".join(f'LAST("{field}") AS "{field.replace("_", " ")}"' for field in fields)
    look = Look(WORDS, overrides=(column_unit("window s", "s"),))
    return table(title, description, [q.over_range(columns, by=by, of=q.DEVICES)], look, h=4)
