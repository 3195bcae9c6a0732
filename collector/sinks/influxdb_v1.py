"""InfluxDB 1.x (and 2.x, 3 Core through their compatible door): POST /write over one kept-alive connection."""

import base64
import http.client
import urllib.parse
from typing import Final, Generic

from collector.sinks.influx_writing import Answer, Encoder, judge, words_of, write_rows
from collector.values import Row, WriteOutcome
from edge_agent.wire.errors import ConfigurationError

_CONNECTION_ERRORS: Final = (OSError, http.client.HTTPException)


class InfluxV1Sink(Generic[Row]):
    """Feeds an InfluxDB through ``/write``. ``write`` returns only after the server's 204."""

    def __init__(  # noqa: PLR0913  the server's own settings, all by name
        self,
        url: str,
        database: str,
        encoder: Encoder[Row],
        *,
        name: str = "influxdb",
        username: str = "",
        password: str = "",
        token: str = "",
        max_rows: int = 5000,
        max_wait_s: float = 2.0,
        timeout_s: float = 15.0,
    ) -> None:
        """Connect at the first write. Raises ConfigurationError unless ``url`` is http(s)://host[:port][/path]."""
        self.name = name
        self.max_rows = max_rows
        self.max_wait_s = max_wait_s
        server = _split_url(url)
        self._where = f"InfluxDB {url} database {database!r}"
        self._path = server.path.rstrip("/") + "/write?" + urllib.parse.urlencode({"db": database})
        self._headers = {"Content-Type": "text/plain; charset=utf-8"} | authorization(username, password, token)
        self._encoder = encoder
        kind = http.client.HTTPSConnection if server.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(server.hostname or "", server.port, timeout=timeout_s)

    def write(self, rows: list[Row]) -> WriteOutcome[Row]:
        """Store the rows; those that the server cannot take are rejected, all from the first trouble on are kept."""
        return write_rows(rows, self._encoder, self._post)

    def close(self) -> None:
        """Close the connection; a later write opens it again."""
        self._connection.close()

    def _post(self, body: bytes) -> Answer:
        """Send one body. A kept-alive connection that the server closed meanwhile gets one fresh try."""
        was_open = self._connection.sock is not None
        try:
            return self._post_once(body)
        except _CONNECTION_ERRORS as error:
            self.close()
            if not was_open or isinstance(error, TimeoutError):
                return self._away(error)
        try:
            return self._post_once(body)
        except _CONNECTION_ERRORS as error:
            self.close()
            return self._away(error)

    def _post_once(self, body: bytes) -> Answer:
        self._connection.request("POST", self._path, body, self._headers)
        response = self._connection.getresponse()
        return judge(self._where, response.status, words_of(response.read().decode(errors="replace")))

    def _away(self, error: Exception) -> Answer:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return Answer("later", f"{self._where}: not reachable: {why}; the rows are kept and tried again")


def _split_url(url: str) -> urllib.parse.SplitResult:
    try:
        parts = urllib.parse.urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigurationError(f"influxdb url {url!r}: not a server's address; write it as http://host:8086")
    return parts


def authorization(username: str, password: str, token: str) -> dict[str, str]:
    """Return the header that names us: the token if there is one, else user and password, else none."""
    if token:
        return {"Authorization": f"Token {token}"}
    if username:
        credentials = base64.b64encode(f"{username}:{password}".encode()).decode()
        return {"Authorization": f"Basic {credentials}"}
    return {}
