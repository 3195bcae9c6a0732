"""Panels of one device's dashboard on its parts: meter, way to the collector, and what it is."""

from typing import Final

from .. import queries as q
from .. import reports
from ..model import Panel
from ..panels import BLUE, Ask, Look, Steps, column_unit, series, stat, table
from .parts import COUNT, COVERED, NONE_IS_BETTER, NONE_IS_GOOD, RATIO, REPORTS, WORDS, yes_no

BY: Final = ("device",)


def meter() -> list[Panel]:
    """Return the panels on gaps, frames and clocks of the meter."""
    return [
        series(
            "Where are gaps?",
            "Seconds of each step that no sample covers, within windows. No joule is invented for them.",
            [Ask(q.over_time(q.GAP_S, by=BY), "gap")],
            Look("s", minimum=0),
            w=8,
            soft_max=1,
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
            soft_max=1,
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
            "Metered part",
            "Seconds with samples over the seconds of the time range.",
            [Ask(q.over_range('(SUM("duration_s") - SUM("gap_s")) / $__range_s'), "metered")],
            Look(RATIO, COVERED, minimum=0, maximum=1, decimals=1, no_value="unknown"),
            h=6,
        ),
        stat(
            "Meter connected?",
            "What the agent's latest health record in the time range says of the serial line.",
            [Ask(q.over_range('LAST("meter_connected")', by=BY, of=q.DEVICES), "$tag_device")],
            Look(COUNT, mappings=yes_no("connected", "not connected"), no_value="unknown"),
            h=6,
        ),
    ]


def _wide_state(title: str, description: str, lines: list[tuple[str, str]], look: Look | None = None) -> Panel:
    """Return a series of what the collector's reports say of the device."""
    asks = [Ask(q.over_time(expression, by=BY, of=q.DEVICES), name) for expression, name in lines]
    return series(title, description, asks, look or Look(COUNT, minimum=0), w=8, h=6, step=REPORTS, soft_max=1)


def delivery() -> list[Panel]:
    """Return the panels on the way of the device's windows to the collector."""
    counts: tuple[tuple[str, Steps], ...] = (
        ("sent", BLUE),
        ("stored", BLUE),
        ("dropped", NONE_IS_BETTER),
        ("pending", BLUE),
        ("missing", NONE_IS_GOOD),
        ("late", BLUE),
    )
    return [
        *(
            stat(
                f"Windows {field}",
                "Over all boots of the device, in the collector's latest report in the time range. sent = stored + "
                "dropped + refused + pending + missing; late ones came long after their end and are stored.",
                [Ask(reports.total(field), field)],
                Look(COUNT, steps, no_value="unknown"),
            )
            for field, steps in counts
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
            Look(COUNT, minimum=0, maximum=1, decimals=0, mappings=yes_no("set", "not set", good=None)),
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
            "Processor time that the agent used, without its inference and with it, and that all else used; 100 % is "
            "one core.",
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


def identity() -> list[Panel]:
    """Return the panels on what the device says of itself."""
    return [
        _facts(
            "Which hardware and meter?",
            "From the device's birth record and the inventory, in the collector's latest report.",
            {
                "device": "device",
                "fleet": "fleet",
                "site": "site",
                "zone": "zone",
                "device_class": "class",
                "hardware": "hardware",
                "meter_driver": "meter",
                "meter_id": "unit",
                "boundary": "boundary",
                "simulated": "figures",
            },
            by=("device", "fleet", "site", "zone", "device_class"),
        ),
        _facts(
            "Which model and software?",
            "From the device's birth record, in the collector's latest report. Runtimes differ up to tenfold in "
            "energy, so a figure belongs to one of them.",
            {
                "device": "device",
                "model_id": "model",
                "runtime": "runtime",
                "agent_version": "agent",
                "python_version": "Python",
                "platform": "platform",
                "window_s": "window",
                "clock_state": "clock",
                "boot_id": "boot",
                "model_sha256": "model's SHA-256",
            },
            by=BY,
        ),
    ]


def _facts(title: str, description: str, columns: dict[str, str], *, by: tuple[str, ...]) -> Panel:
    """Return a table of one line with what the device says of itself. ``columns``: words by field or tag."""
    latest = ", ".join(f'LAST("{field}") AS "{field}"' for field in columns if field not in by)
    look = Look(
        WORDS,
        overrides=(
            column_unit("window", "s"),
            column_unit("figures", COUNT, mappings=yes_no("simulated", "measured", good=False)),
        ),
    )
    query = q.over_range(latest, by=by, of=q.DEVICES)
    return table(title, description, [query], look, h=4, columns=columns)
