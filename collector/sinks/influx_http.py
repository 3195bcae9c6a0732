"""POST of lines over one kept-alive connection, for every version of the server, and who we say that we are."""

import base64
import http.client
import urllib.parse
from typing import Final

from collector.sinks.influx_writing import Answer, judge
from edge_agent.wire.errors import ConfigurationError

CONNECTION_ERRORS: Final = (OSError, http.client.HTTPException)


class HttpWriter:
    """Writes to one path of one server. Fits ``Writer``."""

    def __init__(self, url: str, path: str, headers: dict[str, str], where: str, timeout_s: float) -> None:
        """Connect at the first post. Raises ConfigurationError unless ``url`` is http(s)://host[:port][/path]."""
        self._where = where
        self._path = path_below(url, path)
        self._headers = {"Content-Type": "text/plain; charset=utf-8"} | headers
        self._connection = connection_to(url, timeout_s)

    def post(self, body: bytes) -> Answer:
        """Send one body. A kept-alive connection that the server closed meanwhile gets one fresh try."""
        was_open = self._connection.sock is not None
        try:
            return self._post_once(body)
        except CONNECTION_ERRORS as error:
            self.close()
            if not was_open or isinstance(error, TimeoutError):
                return self._away(error)
        try:
            return self._post_once(body)
        except CONNECTION_ERRORS as error:
            self.close()
            return self._away(error)

    def close(self) -> None:
        """Close the connection; a later post opens it again."""
        self._connection.close()

    def _post_once(self, body: bytes) -> Answer:
        self._connection.request("POST", self._path, body, self._headers)
        response = self._connection.getresponse()
        return judge(self._where, response.status, response.read().decode(errors="replace"))

    def _away(self, error: Exception) -> Answer:
        return Answer("later", f"{self._where}: not reachable: {why(error)}; the rows are kept and tried again")


def connection_to(url: str, timeout_s: float) -> http.client.HTTPConnection:
    """Return a connection that opens when it is used. Raises ConfigurationError for what is no server's address."""
    server = _split_url(url)
    kind = http.client.HTTPSConnection if server.scheme == "https" else http.client.HTTPConnection
    return kind(server.hostname or "", server.port, timeout=timeout_s)


def path_below(url: str, path: str) -> str:
    """Return ``path`` below the path that the server's address may have."""
    return _split_url(url).path.rstrip("/") + path


def why(error: Exception) -> str:
    """Return an exception's own words, else its name."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def authorization(username: str, password: str, token: str, scheme: str = "Token") -> dict[str, str]:
    """Return the header that names us: the token if there is one, else user and password, else none."""
    if token:
        return {"Authorization": f"{scheme} {token}"}
    if username:
        credentials = base64.b64encode(f"{username}:{password}".encode()).decode()
        return {"Authorization": f"Basic {credentials}"}
    return {}


def _split_url(url: str) -> urllib.parse.SplitResult:
    try:
        parts = urllib.parse.urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigurationError(f"influxdb url {url!r}: not a server's address; write it as http://host:8086")
    return parts
