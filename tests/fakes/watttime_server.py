"""WattTime's API, version 3, on loopback: a token for a name and a password, then history and a forecast."""

import base64
import datetime as dt
from dataclasses import dataclass, field

from tests.fakes.json_server import Asked, Reply, as_json

USER, PASSWORD = "somebody", "not:a-real-password"


@dataclass
class Watttime:
    """``points``: pounds per MWh by unix second, for each signal. ``forecast``: the same, of what is ahead.

    ``tokens``: those given so far; only the last one is good, and none of ``forgotten``.
    """

    region: str = "CAISO_NORTH"
    points: dict[str, dict[int, float | None]] = field(default_factory=dict)
    forecast: dict[int, float] = field(default_factory=dict)
    imputed: frozenset[int] = frozenset()
    period_s: int | None = 300
    units: str = "lbs_co2_per_mwh"
    has_forecast: bool = True
    tokens: list[str] = field(default_factory=list)
    forgotten: set[str] = field(default_factory=set)

    def __call__(self, asked: Asked) -> Reply:
        if asked.path == "/login":
            return self._login(asked)
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self.tokens[-1:] or token in self.forgotten:
            return as_json({"detail": "Invalid or expired token"}, 401)
        if asked.params["region"] != self.region:
            return as_json({"detail": "You do not have permission to access this region"}, 403)
        if asked.path == "/v3/historical":
            return self._historical(asked)
        if asked.path == "/v3/forecast" and self.has_forecast:
            return self._forecast(asked)
        return as_json({"detail": "Your plan does not cover this"}, 403)

    def _login(self, asked: Asked) -> Reply:
        expected = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if asked.headers.get("authorization") != f"Basic {expected}":
            return as_json({"detail": "Invalid credentials"}, 403)
        self.tokens.append(f"token-{len(self.tokens) + 1}")
        return as_json({"token": self.tokens[-1]}, Cache_Control="max-age=1200")

    def _historical(self, asked: Asked) -> Reply:
        start, end = (dt.datetime.fromisoformat(asked.params[name]).timestamp() for name in ("start", "end"))
        marked = asked.params.get("include_imputed_marker") == "true"
        points = self.points.get(asked.params["signal_type"], {})
        rows = [
            {"point_time": _text(at), "value": value} | ({"imputed_data_used": at in self.imputed} if marked else {})
            for at, value in sorted(points.items())
            if start <= at <= end
        ]
        return as_json({"data": rows, "meta": self._meta(asked)})

    def _forecast(self, asked: Asked) -> Reply:
        count = int(asked.params["horizon_hours"]) * 12
        rows = [{"point_time": _text(at), "value": value} for at, value in sorted(self.forecast.items())[:count]]
        return as_json({"data": rows, "meta": self._meta(asked) | {"generated_at": rows[0]["point_time"]}})

    def _meta(self, asked: Asked) -> dict[str, object]:
        meta: dict[str, object] = {
            "region": self.region,
            "signal_type": asked.params["signal_type"],
            "units": self.units,
            "model": {"date": "2023-03-01", "type": "binned_regression"},
            "warnings": [],
        }
        return meta if self.period_s is None else meta | {"data_point_period_seconds": self.period_s}


def _text(unix_s: int) -> str:
    return dt.datetime.fromtimestamp(unix_s, dt.UTC).isoformat()
