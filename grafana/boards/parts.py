"""What several boards share: units, words for yes and no, joined tables, and the panel on emulated meters."""

from typing import Any, Final

from .. import queries as q
from ..model import Link, Panel
from ..panels import Ask, Look, Steps, column_unit, stat

GRAMS: Final = "si:gCO2e"
PER_S: Final = "suffix:inf/s"
RATIO: Final = "percentunit"
COUNT: Final = "locale"
"""Whole, with commas: a count that is shortened to thousands hides a lost window."""
WORDS: Final = "string"
NONE_IS_GOOD: Final[Steps] = ((None, "green"), (1, "red"))
NONE_IS_BETTER: Final[Steps] = ((None, "green"), (1, "orange"))
REPORTS: Final = "2m"
"""A step that holds one of the collector's reports at least, at their usual pace of a minute."""
COVERED: Final[Steps] = ((None, "red"), (0.9, "orange"), (0.99, "green"))
"""Of a ratio that should be one."""
SIMULATED: Final = "\"simulated\" = 'true'"
_SIMULATED_WINDOWS: Final = q.over_range(q.COUNT, where=SIMULATED)
TOGETHER: Final[tuple[dict[str, Any], ...]] = (
    {"id": "filterFieldsByName", "options": {"exclude": {"names": ["Time"]}}},
    {"id": "merge", "options": {}},
)
"""Makes one table of several queries with the same tags; what one of them does not know stays empty."""


NO_CLASS: Final[dict[str, Any]] = {
    "matcher": {"id": "byRegexp", "options": "/^class $/"},
    "properties": [{"id": "displayName", "value": "no class in the inventory"}],
}
"""Of frames called ``CLASS``: devices that the inventory does not list have no class."""
CLASS: Final = "class $tag_device_class"


def yes_no(yes: str, no: str, *, good: bool | None = True) -> tuple[dict[str, Any], ...]:
    """Return the mappings that put words for 1 and 0. ``good``: which of both is; None where no is a warning only."""
    colours = ("orange", "green") if good is False else ("green", "red" if good else "orange")
    words = {
        value: {"text": text, "color": colour, "index": index}
        for index, (value, text, colour) in enumerate(zip("10", (yes, no), colours, strict=True))
    }
    return ({"type": "value", "options": words},)


def to_board(uid: str, title: str) -> Link:
    """Return the link to another dashboard, with the time range and everything chosen."""
    return Link(title=title, url=f"/d/{uid}?${{__url_time_range}}&${{__all_variables}}")


def linked(column: str, link: Link) -> dict[str, Any]:
    """Return the override that makes a column of words a link."""
    return column_unit(column, WORDS, links=[{"title": link.title, "url": link.url, "targetBlank": link.target_blank}])


def coloured(steps: Steps) -> dict[str, Any]:
    """Return the properties that colour a column's cells by thresholds of its own."""
    return {
        "thresholds": {"mode": "absolute", "steps": [{"value": value, "color": colour} for value, colour in steps]},
        "custom.cellOptions": {"type": "color-text"},
    }


def simulated(*, w: int = 4, h: int = 4, of_hours: bool = False) -> Panel:
    """Return the panel that says how many of the windows, or of those in the hours, come from emulated meters."""
    windows = q.over_range('SUM("windows")', where=SIMULATED, of=q.HOURS) if of_hours else _SIMULATED_WINDOWS
    return stat(
        "Simulated windows",
        "Windows with any figure from an emulated meter. Their joules, and the grams of these, are no measurement of "
        "a device.",
        [Ask(windows, "windows")],
        Look(COUNT, NONE_IS_BETTER, no_value="none"),
        w=w,
        h=h,
    )
