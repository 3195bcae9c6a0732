"""InfluxDB 3 (Core, Enterprise): POST /api/v3/write_lp.

Parameters and answers by the documentation of 3 Core and its server's source; the real server was not run.
``no_sync=false``: the answer comes after its write-ahead log has the points. With ``accept_partial`` it stores the
good lines of a body and lists the others by number; without, it stores none and names the first bad one. Both are
understood, and neither is believed alone: what was named, and what was not, is sent once more apart.
"""

import urllib.parse

from collector.sinks.influx_http import HttpWriter, authorization


class InfluxV3Writer(HttpWriter):
    """Writes to a database at ``/api/v3/write_lp``."""

    def __init__(
        self, url: str, database: str, *, token: str = "", accept_partial: bool = True, timeout_s: float = 15.0
    ) -> None:
        """Connect at the first post. Raises ConfigurationError unless ``url`` is http(s)://host[:port][/path]."""
        parameters = {
            "db": database,
            "precision": "nanosecond",
            "accept_partial": "true" if accept_partial else "false",
            "no_sync": "false",
        }
        path = "/api/v3/write_lp?" + urllib.parse.urlencode(parameters)
        who = authorization("", "", token, scheme="Bearer")
        super().__init__(url, path, who, f"InfluxDB {url} database {database!r}", timeout_s)
