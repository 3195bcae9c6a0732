"""Electricity Maps, API version 3, as documented: tokens, contracts, and a door for each of past day, past, future."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.fakes.json_server import Asked, Reply, as_json

HOUR = timedelta(hours=1)
DOORS = "/v3/carbon-intensity/"


@dataclass
class ElectricityMapsApi:
    """Hours of some zones. ``covered``: the doors that the contract opens. ``estimated``: so many newest hours."""

    now: datetime
    token: str
    covered: set[str] = field(default_factory=lambda: {"history", "past-range", "forecast"})
    zones: tuple[str, ...] = ("DE", "DK-DK1")
    estimated: int = 2
    unknown: set[datetime] = field(default_factory=set)
    factors: str = "lifecycle"

    def value(self, at: datetime) -> int:
        return 200 + int(at.timestamp()) // 3600 % 211

    def __call__(self, asked: Asked) -> Reply:
        door = asked.path.removeprefix(DOORS)
        if asked.headers.get("auth-token") != self.token:
            return as_json({"error": "Invalid auth-token"}, 401)
        if door not in self.covered:
            return as_json({"error": f"Request unauthorized for {door}"}, 403)
        zone = asked.params["zone"]
        if zone not in self.zones:
            if asked.params.get("disableCallerLookup") == "true":
                return as_json({"error": f"Zone '{zone}' does not exist."}, 404)
            zone = self.zones[-1]
        if door == "history":
            return self._history(zone)
        return self._past_range(zone, asked.params) if door == "past-range" else self._forecast(zone, asked.params)

    def _history(self, zone: str) -> Reply:
        last = self.now.replace(minute=0, second=0, microsecond=0)
        return as_json({"zone": zone, "history": self._hours(zone, last - 23 * HOUR, last + HOUR)})

    def _past_range(self, zone: str, params: dict[str, str]) -> Reply:
        start, end = (datetime.strptime(params[n], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC) for n in ("start", "end"))
        if end - start > timedelta(days=10):
            return as_json({"error": "Time range is limited to 10 days for hourly granularity"}, 400)
        return as_json({"zone": zone, "data": self._hours(zone, start, min(end, self.now))})

    def _forecast(self, zone: str, params: dict[str, str]) -> Reply:
        hours = int(params.get("horizonHours", "24"))
        if hours not in {6, 24, 48, 72}:
            return as_json({"error": "horizonHours must be 6, 24, 48 or 72"}, 400)
        first = self.now.replace(minute=0, second=0, microsecond=0)
        every = [{"datetime": stamp(first + HOUR * n), "carbonIntensity": 77 + n} for n in range(hours + 1)]
        return as_json({"zone": zone, "forecast": every, "updatedAt": stamp(self.now)})

    def _hours(self, zone: str, start: datetime, end: datetime) -> list[dict[str, Any]]:
        found = []
        while start < end:
            is_estimated = start > self.now - (self.estimated + 1) * HOUR
            found.append(
                {
                    "zone": zone,
                    "carbonIntensity": None if start in self.unknown else self.value(start),
                    "datetime": stamp(start),
                    "updatedAt": stamp(self.now),
                    "createdAt": stamp(start),
                    "emissionFactorType": self.factors,
                    "isEstimated": is_estimated,
                    "estimationMethod": "TIME_SLICER_AVERAGE" if is_estimated else None,
                }
            )
            start += HOUR
        return found


def stamp(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}.000Z"
