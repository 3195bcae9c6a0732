"""Trust: does the ledger add up, what was lost, how sure are the joules, and which factors stand behind the grams?"""

from typing import Final

from .. import queries as q
from .. import reports
from ..model import Dashboard, Panel
from ..panels import BLUE, Ask, Look, Steps, column_unit, placed, section, series, stat, table
from ..variables import BETWEEN, TAG, TO_DEVICE_FROM_TABLE, variables
from . import trust_figures
from .parts import COUNT, NONE_IS_BETTER, NONE_IS_GOOD, REPORTS, TOGETHER, coloured, linked, yes_no

LATEST: Final = "15m"
SUMMED: Final = "10m"
"""A step of what is added up over devices: finer ones take a server long where devices are many."""
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


COUNTS: Final = (*(field for field, *_ in LEDGER), "late", "duplicates")
LETTERS: Final = {
    "dead_letters": "in the list",
    "letters_replayed": "replayed",
    "letters_evicted": "pushed out",
    "letters_dropped": "thrown away",
}


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
            section("What did the meters lose?", *trust_figures.samples()),
            section("How sure are the joules?", *trust_figures.uncertainty()),
            section("What do the grams rest on?", *trust_figures.factors()),
            section("Has every store what the journal has?", *_stores()),
        ),
        variables=variables(),
        links=(BETWEEN,),
        time_from="now-6h",
        refresh="1m",
    )


def _ledger() -> list[Panel]:
    total = [
        stat(
            f"Windows {field}",
            f"{meaning} Sum over devices of the collector's latest report. sent = stored + dropped + refused + "
            "pending + missing.",
            [Ask(reports.total(field), field)],
            Look(COUNT, steps, no_value=unknown),
        )
        for field, meaning, steps, unknown in LEDGER
    ]
    return [
        *total,
        table(
            "What became of each device's windows?",
            "The collector's latest count for each device, over all of its boots: sent = stored + dropped + refused + "
            "pending + missing. Late windows came long after their end, duplicates came again; both are stored once. "
            "Where collectors share the messages, none of them alone knows what is pending or missing.",
            reports.each_of_devices({name: name for name in COUNTS}),
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
            transformations=TOGETHER,
            columns={"device": "device", "fleet": "fleet"} | {name: name for name in COUNTS},
            sort_by="missing",
        ),
        series(
            "How many windows still wait on the devices?",
            "Pending windows of each fleet in the reports: the sum of the most that each device had within "
            "a step. The table above says whose they are.",
            [Ask(reports.over_devices("pending"), "$tag_fleet")],
            Look(COUNT, minimum=0),
            step=SUMMED,
            soft_max=1,
        ),
        series(
            "When did windows go missing?",
            "Missing windows of each fleet in the reports: the sum of the most that each device had within "
            "a step. Zero is a ledger that adds up; the table above says whose they are.",
            [Ask(reports.over_devices("missing"), "$tag_fleet")],
            Look(COUNT, minimum=0),
            step=SUMMED,
            soft_max=1,
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
                f"Dead {kind}s",
                f"{meaning} In the list now; look with: edgejoule collector dead-letters list.",
                [Ask(q.sum_of_latest(f"dead_letters_{kind}", ("collector",), of=q.COLLECTOR), f"{kind}s")],
                Look(COUNT, NONE_IS_BETTER, no_value="unknown"),
                w=4,
                h=4,
            )
            for kind, meaning in kinds
        ),
        stat(
            "Dead letters of strangers",
            "Of senders that are no device: something else speaks on the broker, or a device has no birth yet.",
            [Ask(q.sum_of_latest("dead_letters_of_strangers", ("collector",), of=q.COLLECTOR), "letters")],
            Look(COUNT, NONE_IS_BETTER, no_value="unknown"),
            w=6,
        ),
        stat(
            "Dead letters gone for good",
            "Left the list because newer ones needed the room, or somebody threw them away, over all devices, ever.",
            [
                Ask(reports.total("letters_evicted"), "pushed out"),
                Ask(reports.total("letters_dropped"), "thrown away"),
            ],
            Look(COUNT, NONE_IS_BETTER, no_value="unknown"),
            w=6,
        ),
        table(
            "Whose letters are dead?",
            "Dead letters of each device: in the list now, and those that left it, each counted for ever. Replayed "
            "ones were accepted when they were tried again.",
            reports.each_of_devices(LETTERS),
            Look(COUNT, overrides=(linked("device", TO_DEVICE_FROM_TABLE),)),
            transformations=TOGETHER,
            h=7,
            sort_by="in the list",
        ),
    ]


def _stores() -> list[Panel]:
    return [
        series(
            "How far behind is each store?",
            "Seconds since the oldest row that a store has not got yet came in, the most within each step.",
            [Ask(q.over_time('MAX("lag_s")', by=("sink",), of=q.SINKS), "$tag_sink")],
            Look("s", minimum=0),
            w=10,
            step=REPORTS,
            soft_max=1,
        ),
        table(
            "Which store lacks rows?",
            "Rows of the journal that a store has not got yet, and how long the first of them has been waiting.",
            [
                q.over_range(
                    'LAST("lag_rows") AS "rows", LAST("lag_s") AS "waiting"',
                    by=("sink", "collector"),
                    of=q.SINKS,
                )
            ],
            Look(COUNT, overrides=(column_unit("waiting", "s"),)),
            w=10,
            columns={"sink": "store", "rows": "rows", "waiting": "waiting", "collector": "collector"},
            sort_by="rows",
        ),
        stat(
            "Broker connected?",
            "Whether the collector has its connection to the broker, in its latest report within 15 minutes.",
            [Ask(q.over_range('LAST("broker_connected")', by=("collector",), of=q.COLLECTOR), "$tag_collector")],
            Look(COUNT, mappings=yes_no("connected", "not connected"), no_value="unknown"),
            h=8,
            time_from=LATEST,
        ),
    ]
