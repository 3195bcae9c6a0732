"""Denmark's Energi Data Service as documented: two price areas in one table, pages, and Danish time unless told."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.fakes.json_server import Asked, Reply, as_json

STEP = timedelta(minutes=5)
DANISH = ZoneInfo("Europe/Copenhagen")


@dataclass
class EnergiDataApi:
    """Five-minute rows from ``start``: ``CO2Emis`` to ``past_until``, ``CO2EmisProg`` to ``ahead_until``."""

    start: datetime
    past_until: datetime
    ahead_until: datetime
    says_total: bool = True
    mixes_areas: bool = False
    ignores_offset: bool = False

    def value(self, dataset: str, area: str, at: datetime) -> float:
        return (
            (at - self.start) // STEP % 251
            + {"DK1": 0, "DK2": 300}[area]
            + {"CO2Emis": 0, "CO2EmisProg": 0.5}[dataset]
        )

    def __call__(self, asked: Asked) -> Reply:
        dataset = asked.path.removeprefix("/dataset/")
        if dataset not in {"CO2Emis", "CO2EmisProg"}:
            return Reply(404, b"Dataset not found")
        rows = self._asked_for(self._rows(dataset), asked.params)
        offset = 0 if self.ignores_offset else int(asked.params.get("offset", 0))
        limit = int(asked.params.get("limit", 0 if "start" in asked.params else 100))
        page = rows[offset : offset + limit] if limit else rows[offset:]
        total = {"total": len(rows)} if self.says_total else {}
        return as_json({**total, "limit": limit, "dataset": dataset, "records": page})

    def _rows(self, dataset: str) -> list[dict[str, Any]]:
        until = self.past_until if dataset == "CO2Emis" else self.ahead_until
        return [
            {
                "Minutes5UTC": f"{at:%Y-%m-%dT%H:%M:%S}",
                "Minutes5DK": f"{at.astimezone(DANISH):%Y-%m-%dT%H:%M:%S}",
                "PriceArea": area,
                "CO2Emission": self.value(dataset, area, at),
            }
            for at in (self.start + STEP * n for n in range((until - self.start) // STEP))
            for area in ("DK1", "DK2")
        ]

    def _asked_for(self, rows: list[dict[str, Any]], params: dict[str, str]) -> list[dict[str, Any]]:
        key = "Minutes5UTC" if params.get("timezone", "").upper() == "UTC" else "Minutes5DK"
        start, end = (datetime.strptime(params[name], "%Y-%m-%dT%H:%M") for name in ("start", "end"))  # noqa: DTZ007
        wanted = json.loads(params.get("filter", "{}"))
        if self.mixes_areas:
            wanted.pop("PriceArea", None)
        rows = [
            row
            for row in rows
            if start <= datetime.fromisoformat(row[key]) < end
            and all(row[column] in values for column, values in wanted.items())
        ]
        column, _, order = params.get("sort", "Minutes5UTC desc").partition(" ")
        rows.sort(key=lambda row: row[column], reverse=order.lower() == "desc")
        columns = params["columns"].split(",") if "columns" in params else list(rows[0]) if rows else []
        return [{column: row[column] for column in columns} for row in rows]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
