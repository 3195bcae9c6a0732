"""Panels of the dashboard on trust about the figures themselves: lost samples, uncertainty, and factors."""

from typing import Final

from .. import queries as q
from .. import rates, reports
from ..model import Panel
from ..panels import Ask, Look, bars, column_unit, ranked, series, stat, table
from ..variables import TO_DEVICE_FROM_TABLE
from .parts import COUNT, NONE_IS_BETTER, RATIO, WORDS, linked, simulated

BY_ROW: Final = ("device", "fleet", "meter_driver", "boundary", "simulated")


def samples() -> list[Panel]:
    """Return the panels on what the meters lost."""
    return [
        ranked(
            "The ten meters that lose most samples",
            "Samples that a meter's numbering says were sent and that did not arrive, over all that were sent. A "
            "meter without numbers in its frames loses unseen: its gaps tell.",
            _worst(f'{LOST} / ({LOST} + SUM("sample_count"))', f'{LOST} + SUM("sample_count")', "lost"),
            Look(RATIO, ((None, "green"), (0.001, "orange"), (0.01, "red")), links=(TO_DEVICE_FROM_TABLE,)),
        ),
        ranked(
            "The ten meters with most gaps",
            "Seconds without samples over the seconds of the windows. No joule is invented for them.",
            _worst(f'{q.GAP_S} / SUM("duration_s")', 'SUM("duration_s")', "gaps"),
            Look(RATIO, ((None, "green"), (0.001, "orange"), (0.01, "red")), links=(TO_DEVICE_FROM_TABLE,)),
        ),
        ranked(
            "The ten meters with most damaged frames",
            "Frames that failed their checksum or form within the windows: cable, ground or baud rate.",
            _worst('SUM("frame_error_count")', 'SUM("duration_s")', "frames"),
            Look(COUNT, NONE_IS_BETTER, links=(TO_DEVICE_FROM_TABLE,)),
        ),
    ]


LOST: Final = 'SUM("lost_count")'


def _worst(figure: str, known: str, name: str) -> str:
    """Return the devices with the most of a figure, of those of which ``known`` is more than zero."""
    figures = f'{figure} AS "one", {known} AS "known"'
    return q.most(figures, 'WHERE "known" > 0', q.source(q.WINDOWS), by=rates.DEVICE, name=name)


def uncertainty() -> list[Panel]:
    """Return the panels on the joules' uncertainty and where they come from."""
    return [
        ranked(
            "The ten devices whose energy is least certain",
            "Expanded uncertainty (k = 2) of the energy of the hours in the time range over that energy. Within a "
            "device the systematic parts of all windows add linearly, the others in quadrature (JCGM 100:2008, 5.2.2 "
            "and 5.1.2).",
            rates.most_uncertain(2),
            Look(RATIO, ((None, "green"), (0.05, "orange"), (0.1, "red")), decimals=2, links=(TO_DEVICE_FROM_TABLE,)),
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
            h=9,
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
            columns={
                "device": "device",
                "fleet": "fleet",
                "meter_driver": "meter",
                "boundary": "boundary",
                "simulated": "simulated",
                "windows": "windows",
                "energy": "energy",
            },
        ),
        simulated(h=8),
        stat(
            "Clocks not set",
            "Devices that stamped by a clock nobody had set, in the collector's latest report. Their windows are "
            "placed by estimate until a clock is set.",
            [Ask(reports.count_without("clock_synchronised"), "devices")],
            Look(COUNT, NONE_IS_BETTER, no_value="unknown"),
            h=8,
        ),
    ]


def factors() -> list[Panel]:
    """Return the panels on what the grams rest on."""
    qualities = ("actual", "estimated", "forecast", "yearly")
    return [
        table(
            "Which factors are in use?",
            "Every factor behind the collector's grams, with its range, unit, scope, source, licence and vintage. The "
            "value of a grid intensity that changes with time is the mean of the steps that its vintage names.",
            [
                q.over_range(
                    'LAST("value") AS "value", LAST("low") AS "low", LAST("high") AS "high", LAST("unit") AS "unit", '
                    'LAST("vintage") AS "vintage", LAST("scope") AS "scope", LAST("source") AS "source", '
                    'LAST("licence") AS "licence"',
                    by=("factor",),
                    of=q.FACTORS,
                )
            ],
            Look(
                WORDS,
                overrides=tuple(column_unit(name, WORDS, **{"custom.width": 90}) for name in ("value", "low", "high")),
            ),
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
