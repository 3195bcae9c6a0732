"""The drop-downs that the dashboards share, and the links between them."""

from typing import Any, Final

from . import queries as q
from .model import DATASOURCE, Link, Variable

TAG: Final = "edgejoule"
TO_DEVICE_FROM_TABLE: Final = Link(
    title="This device",
    url="/d/edgejoule-device?var-device=${__data.fields.device}&${datasource:queryparam}"
    "&${datasource_hourly:queryparam}&${__url_time_range}",
)
"""From a row of a table, or a bar of a rank, that has the column device, to its dashboard, with the time range."""
BETWEEN: Final[dict[str, Any]] = {
    "asDropdown": True,
    "icon": "external link",
    "includeVars": True,
    "keepTime": True,
    "tags": [TAG],
    "targetBlank": False,
    "title": "edgejoule",
    "tooltip": "The other dashboards, with the same filters and time range.",
    "type": "dashboards",
    "url": "",
}
"""The menu from each dashboard to all of them."""


def variables(*, one_device: bool = False) -> tuple[Variable, ...]:
    """Return the data sources and every filter. ``one_device``: the dashboard shows exactly one device."""
    return (
        Variable(
            name="datasource",
            label="InfluxDB",
            type="datasource",
            query="influxdb",
            description="The InfluxDB of the windows; an InfluxQL data source.",
            refresh=1,
        ),
        Variable(
            name="datasource_hourly",
            label="hourly sums",
            type="datasource",
            query="influxdb",
            regex="/hourly/i",
            description="The InfluxDB of the hourly sums ([influxdb.hourly]); named with the word hourly.",
            refresh=1,
        ),
        *(_filter(name, one=one_device and name == "device") for name in q.FILTERS),
    )


def _filter(name: str, *, one: bool) -> Variable:
    query = q.tag_values(name)
    words = name.replace("_", " ")
    if one:
        return Variable(
            name=name,
            label=words,
            type="query",
            query=query,
            description=f"The {words} that is shown.",
            datasource=DATASOURCE,
        )
    return Variable(
        name=name,
        label=words,
        type="query",
        query=query,
        description=f"Only what is of this {words}.",
        datasource=DATASOURCE,
        multi=True,
        include_all=True,
        # Matches also what has no such tag: a device that the inventory does not list has neither site nor zone.
        all_value=".*",
        current={"text": ["All"], "value": ["$__all"]},
    )
