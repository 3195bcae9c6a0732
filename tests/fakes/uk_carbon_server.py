"""The Carbon Intensity API of Great Britain as documented, with what its users found out besides.

An answer begins with the half hour that ends at ``from``; more than 14 days are refused; rows come from the year of
``from`` alone, where a half hour belongs to the year in which it ends.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.fakes.json_server import Asked, Reply, as_json

SLOT = timedelta(minutes=30)
RANGE = re.compile(r"/(regional/)?intensity/([0-9T:-]+Z)/([0-9T:-]+Z)(?:/regionid/([0-9]+))?")


class UkCarbonApi:
    """Half hours from ``start`` on. ``actual_until``: then on ``actual`` is null. ``twice``: sent again, changed."""

    def __init__(self, start: datetime, slots: int, actual_until: datetime) -> None:
        self.start = start
        self.slots = slots
        self.actual_until = actual_until
        self.unknown: set[datetime] = set()
        self.twice: dict[datetime, int] = {}

    def forecast(self, at: datetime, region: int) -> int:
        return 100 + 10 * region + (at - self.start) // SLOT % 97

    def actual(self, at: datetime) -> int | None:
        return self.forecast(at, 0) + 5 if at < self.actual_until else None

    def __call__(self, asked: Asked) -> Reply:
        found = RANGE.fullmatch(asked.path)
        if found is None or bool(found[1]) is not bool(found[4]):
            return error(404, "not found")
        start, end = (datetime.strptime(found[n], "%Y-%m-%dT%H:%MZ").replace(tzinfo=UTC) for n in (2, 3))
        if end <= start or end - start > timedelta(days=14):
            return error(400, "Please enter a valid date range; at most 14 days")
        region = int(found[4] or 0)
        rows = [row for at in self._moments(start, end) for row in self._rows(at, region)]
        if not found[1]:
            return as_json({"data": rows})
        name = {"regionid": region, "dnoregion": "a network", "shortname": "a region"}
        return as_json({"data": {**name, "data": rows}})

    def _moments(self, start: datetime, end: datetime) -> list[datetime]:
        first = max(0, -((self.start - start) // SLOT) - 1)
        last = min(self.slots, -((self.start - end) // SLOT))
        every = (self.start + SLOT * n for n in range(first, last))
        return [at for at in every if (at + SLOT).year == start.year and at not in self.unknown]

    def _rows(self, at: datetime, region: int) -> list[dict[str, Any]]:
        values: dict[str, Any] = {"forecast": self.forecast(at, region), "index": "moderate"}
        if not region:
            values["actual"] = self.actual(at)
        row: dict[str, Any] = {
            "from": f"{at:%Y-%m-%dT%H:%MZ}",
            "to": f"{at + SLOT:%Y-%m-%dT%H:%MZ}",
            "intensity": values,
        }
        if region:
            row["generationmix"] = [{"fuel": "wind", "perc": 100.0}]
        again = [{**row, "intensity": {**values, "actual": self.twice[at]}}] if at in self.twice else []
        return [row, *again]


def error(status: int, message: str) -> Reply:
    return as_json({"error": {"code": f"{status}", "message": message}}, status)
