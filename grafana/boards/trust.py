"""Trust: does the ledger add up, what was lost, how sure are the joules, and which factors stand behind the grams?"""

from typing import Final

from .. import queries as q
from .. import rates
from ..model import Dashboard, Panel
from ..panels import BLUE, Ask, Look, Steps, bars, column_unit, placed, section, series, stat, table
from ..variables import BETWEEN, TAG, TO_DEVICE, TO_DEVICE_FROM_TABLE, variables
from .parts import COUNT, NONE_IS_BETTER, NONE_IS_GOOD, RATIO, WORDS, coloured, linked, simulated, yes_no

BY_LEDGER: Final = ("fleet", "device", "collector")
"""Collectors that share the messages each keep their own ledger."""
BY_ROW: Final = ("device", "fleet", "meter_driver", "boundary", "simulated")
LATEST: Final = "15m"
LEDGER: Final[tuple[tuple[str, str, Steps, str], ...]] = (
    ("sent", "Sequence numbers that devices assigned to windows, ever.", BLUE, "unknown"),
    ("stored", "Distinct windows in the collector's journal; one that came twice is stored once.", BLUE, "unknown"),
    ("dropped", "Windows that a device declared dropped, since its outbox was full, say.", NONE_IS_BETTER, "unknown"),
    ("refused", "Windows that came but are not valid; they became dead letters.", NONE_IS_BETTER, "unknown"),
    ("pending", "Windows that devices still hold, or that are on their way.", BLUE, "shared"),
    (
        "missing",
        "Windows that are none of these. More than none means that something was lost.",
        NONE_IS_GOOD,
        "shared",
    ),
)
"""Field, what it means, when it is good, and what is said where it is not known."""


def board() -> Dashboard:
    """Return the dashboard."""
    return Dashboard(
        uid="edgejoule-trust",
        title="edgejoule trust",
        description="Whether windows were lost, how sure the joules are, and which factors the grams rest on.",
        tags=(TAG, "ledger", "uncertainty"),
        panels=placed(
            section("Does the ledger add up?", *_ledger()),
            section("What was not accepted?", *_letters()),
            section("What did the meters lose?", *_samples()),
            section("How sure are the joules?", *_uncertainty()),
            section("What do the grams rest on?", *_factors()),
            section("Has every store what the journal has?", *_stores()),
        ),
        variables=variables(),
        links=(BETWEEN,),
        time_from="now-6h",
        refresh="30s",
    )


def _ledger() -> list[Panel]:
    total = [
        stat(
            f"Windows {field}",
            f"{meaning} Sum over devices of the collector's latest report. sent = stored + dropped + refused + "
            "pending + missing.",
            [Ask(q.sum_of_latest(field, BY_LEDGER, of=q.LEDGER), field)],
            Look(COUNT, steps, no_value=unknown),
        )
        for field, meaning, steps, unknown in LEDGER
    ]
    fields = ", ".join(f'LAST("{field}") AS "{field}"' for field, *_ in LEDGER)
    return [
        *total,
        table(
            "What became of each device's windows?",
            "The collector's latest count for each device, over all of its boots: sent = stored + dropped + refused + "
            "pending + missing. Late windows came long after their end, duplicates came again; both are stored once. "
            "Where collectors share the messages, none of them alone knows what is pending or missing.",
            [
                q.over_range(
                    f'{fields}, LAST("late") AS "late", LAST("duplicates") AS "duplicates"', by=BY_LEDGER, of=q.LEDGER
                )
            ],
            Look(
                COUNT,
                overrides=(
                    linked("device", TO_DEVICE_FROM_TABLE),
                    column_unit("missing", COUNT, **coloured(NONE_IS_GOOD)),
                    column_unit("dropped", COUNT, **coloured(NONE_IS_BETTER)),
                    column_unit("refused", COUNT, **coloured(NONE_IS_BETTER)),
                ),
            ),
            w=24,
            h=9,
            sort_by="missing",
        ),
        series(
            "How many windows still wait on the devices?",
            "Pending windows of each device in the collector's reports, the most within each step.",
            [Ask(q.over_time('MAX("pending")', by=("device",), of=q.LEDGER), "$tag_device")],
            Look(COUNT, minimum=0, links=(TO_DEVICE,)),
            step="1m",
        ),
        series(
            "When did windows go missing?",
            "Missing windows of each device in the collector's reports, the most within each step. Zero is a ledger "
            "that adds up.",
            [Ask(q.over_time('MAX("missing")', by=("device",), of=q.LEDGER), "$tag_device")],
            Look(COUNT, minimum=0, links=(TO_DEVICE,)),
            step="1m",
        ),
    ]


def _letters() -> list[Panel]:
    kinds = (
        ("message", "Messages that could not be read at all: not from an agent, or damaged."),
        ("window", "Single windows of readable messages that are not valid."),
        ("row", "Windows that a store refused for good."),
    )
    return [
        *(
            stat(
                f"Dead letters: {kind}s",
                f"{meaning} In the list now; look with: edgejoule fleet dead-letters list.",
                [Ask(q.sum_of_latest(f"dead_letters_{kind}", ("collector",), of=q.COLLECTOR), f"{kind}s")],
                Look(COUNT, NONE_IS_BETTER, no_value="unknown"),
                w=5,
                h=5,
            )
            for kind, meaning in kinds
        ),
        stat(
            "Dead letters of strangers",
            "Of senders that are no device: something else speaks on the broker, or a device has no birth yet.",
            [Ask(q.sum_of_latest("dead_letters_of_strangers", ("collector",), of=q.COLLECTOR), "letters")],
            Look(COUNT, NONE_IS_BETTER, no_value="unknown"),
            w=5,
            h=5,
        ),
        stat(
            "Dead letters gone for good",
            "Left the list because newer ones needed the room, or somebody threw them away, over all devices, ever.",
            [
                Ask(q.sum_of_latest("letters_evicted", BY_LEDGER, of=q.LEDGER), "pushed out"),
                Ask(q.sum_of_latest("letters_dropped", BY_LEDGER, of=q.LEDGER), "thrown away"),
            ],
            Look(COUNT, NONE_IS_BETTER, no_value="unknown"),
            h=5,
        ),
        table(
            "Whose letters are dead?",
            "Dead letters of each device: in the list now, and those that left it, each counted for ever. Replayed "
            "ones were accepted when they were tried again.",
            [
                q.over_range(
                    'LAST("dead_letters") AS "in the list", LAST("letters_replayed") AS "replayed", '
                    'LAST("letters_evicted") AS "pushed out", LAST("letters_dropped") AS "thrown away"',
                    by=BY_LEDGER,
                    of=q.LEDGER,
                )
            ],
            Look(COUNT, overrides=(linked("device", TO_DEVICE_FROM_TABLE),)),
            h=7,
            sort_by="in the list",
        ),
    ]


def _samples() -> list[Panel]:
    return [
        bars(
            "Which meters lose samples?",
            "Samples that a meter's numbering says were sent and that did not arrive, over all that were sent. A "
            "meter without numbers in its frames loses unseen: its gaps tell.",
            [Ask(q.per(LOST, f'{LOST} + SUM("sample_count")', by=("device",)), "$tag_device")],
            Look(RATIO, ((None, "green"), (0.001, "orange"), (0.01, "red")), links=(TO_DEVICE,)),
        ),
        bars(
            "Which meters have gaps?",
            "Seconds without samples over the seconds of the windows. No joule is invented for them.",
            [Ask(q.per(q.GAP_S, 'SUM("duration_s")', by=("device",)), "$tag_device")],
            Look(RATIO, ((None, "green"), (0.001, "orange"), (0.01, "red")), links=(TO_DEVICE,)),
        ),
        bars(
            "Which meters send damaged frames?",
            "Frames that failed their checksum or form within the windows: cable, ground or baud rate.",
            [Ask(q.over_range('SUM("frame_error_count")', by=("device",)), "$tag_device")],
            Look(COUNT, NONE_IS_BETTER, links=(TO_DEVICE,)),
        ),
    ]


LOST: Final = 'SUM("lost_count")'


def _uncertainty() -> list[Panel]:
    return [
        bars(
            "How uncertain is each device's energy?",
            "Expanded uncertainty (k = 2) of the time range's energy over that energy. Within a device the systematic "
            "parts of all windows add linearly, the others in quadrature (JCGM 100:2008, 5.2.2 and 5.1.2).",
            [Ask(rates.u_ratio(2), "$tag_device")],
            Look(RATIO, ((None, "green"), (0.05, "orange"), (0.1, "red")), decimals=2, links=(TO_DEVICE,)),
            w=12,
        ),
        bars(
            "What does not average out?",
            "Systematic uncertainty (k = 2) of the hours' energy over that energy, by whose error it is: a type of "
            "meter or one calibrated unit. Neither longer time nor more such meters make it smaller.",
            [
                Ask(
                    q.per('2 * SUM("energy_u_systematic_j")', q.ENERGY_J, by=("systematic_id",), of=q.HOURS),
                    "$tag_systematic_id",
                )
            ],
            Look(RATIO, ((None, "green"), (0.05, "orange"), (0.1, "red")), decimals=2),
            w=12,
        ),
        table(
            "Which meter stands behind whose joules?",
            "Windows and metered energy by meter and by where it sits. Figures from different boundaries are not "
            "comparable; simulated ones are no measurement.",
            [q.over_range(f'{q.COUNT} AS "windows", {q.ENERGY_J} / 3600 AS "energy"', by=BY_ROW)],
            Look(
                WORDS,
                overrides=(
                    linked("device", TO_DEVICE_FROM_TABLE),
                    column_unit("windows", COUNT),
                    column_unit("energy", "watth"),
                ),
            ),
            w=16,
        ),
        simulated(),
        stat(
            "Devices whose clock is not set",
            "Devices that stamped by a clock nobody had set, in the collector's latest report. Their windows are "
            "placed by estimate until a clock is set.",
            [Ask(_clocks_not_set(), "devices")],
            Look(COUNT, NONE_IS_BETTER, no_value="unknown"),
        ),
    ]


def _clocks_not_set() -> str:
    latest = (
        f'SELECT 1 - LAST("clock_synchronised") AS "not_set" '  # noqa: S608  all words are our own
        f"FROM {q.source(q.DEVICES)}{q.group(rates.EACH)}"
    )
    return f'SELECT SUM("not_set") FROM ({latest})'  # noqa: S608


def _factors() -> list[Panel]:
    qualities = ("actual", "estimated", "forecast", "yearly")
    return [
        table(
            "Which factors are in use?",
            "Every factor behind the collector's grams, with its range, unit, scope, source, licence and vintage. The "
            "value of a grid intensity that changes with time is that of the time it was last used.",
            [
                q.over_range(
                    'LAST("value") AS "value", LAST("low") AS "low", LAST("high") AS "high", LAST("unit") AS "unit", '
                    'LAST("vintage") AS "vintage", LAST("scope") AS "scope", LAST("source") AS "source", '
                    'LAST("licence") AS "licence"',
                    by=("factor",),
                    of=q.FACTORS,
                )
            ],
            Look(WORDS, overrides=tuple(column_unit(name, COUNT) for name in ("value", "low", "high"))),
            h=9,
        ),
        series(
            "What does the intensity rest on?",
            "Energy of each hour by the quality of the grid intensity that it was assessed with, as a share: actual, "
            "estimated, forecast, or the year's average. Energy of unknown intensity is not in it.",
            [Ask(q.over_time(f'SUM("energy_{one}_j")', of=q.HOURS), one) for one in qualities],
            Look("joule", minimum=0),
            w=16,
            share=True,
            step="1h",
        ),
        stat(
            "Energy of unknown intensity",
            "Joules of the hours in the time range that no grid intensity is known for, over all of their joules.",
            [Ask(q.per(_unknown(qualities), q.ENERGY_J, of=q.HOURS), "unknown")],
            Look(RATIO, ((None, "green"), (0.001, "orange"), (0.05, "red")), decimals=1, no_value="unknown"),
            w=8,
            h=8,
        ),
    ]


def _unknown(qualities: tuple[str, ...]) -> str:
    return " - ".join((q.ENERGY_J, *(f'SUM("energy_{one}_j")' for one in qualities)))


def _stores() -> list[Panel]:
    return [
        series(
            "How far behind is each store?",
            "Seconds since the oldest row that a store has not got yet came in, the most within each step.",
            [Ask(q.over_time('MAX("lag_s")', by=("sink",), of=q.SINKS), "$tag_sink")],
            Look("s", minimum=0),
            step="1m",
        ),
        table(
            "Which store lacks rows?",
            "Rows of the journal that a store has not got yet, and how long the first of them waits.",
            [
                q.over_range(
                    'LAST("lag_rows") AS "rows behind", LAST("lag_s") AS "seconds behind"',
                    by=("sink", "collector"),
                    of=q.SINKS,
                )
            ],
            Look(COUNT, overrides=(column_unit("seconds behind", "s"),)),
            w=8,
            sort_by="rows behind",
        ),
        stat(
            "Is the broker connected?",
            "Whether the collector has its connection to the broker, in its latest report within 15 minutes.",
            [Ask(q.over_range('LAST("broker_connected")', by=("collector",), of=q.COLLECTOR), "$tag_collector")],
            Look(COUNT, mappings=yes_no("connected", "not connected"), no_value="unknown"),
            h=8,
            time_from=LATEST,
        ),
    ]
