"""InfluxDB 1.x (and 2.x, 3 Core through their compatible door): POST /write."""

import urllib.parse

from collector.sinks.influx_http import HttpWriter, authorization


class InfluxV1Writer(HttpWriter):
    """Writes to a database at ``/write``; the server answers 204 after its write-ahead log has the points."""

    def __init__(
        self,
        url: str,
        database: str,
        *,
        username: str = "",
        password: str = "",
        token: str = "",
        timeout_s: float = 15.0,
    ) -> None:
        """Connect at the first post. Raises ConfigurationError unless ``url`` is http(s)://host[:port][/path]."""
        path = "/write?" + urllib.parse.urlencode({"db": database})
        who = authorization(username, password, token)
        super().__init__(url, path, who, f"InfluxDB {url} database {database!r}", timeout_s)
