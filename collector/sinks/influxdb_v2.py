"""InfluxDB 2.x (and 1.8, 3 Core): POST /api/v2/write through influxdb-client, in its synchronous mode.

Never its batching mode: that one drops batches after its retries and on an exit without ``close``, with no exception
(measured; see influxdata/influxdb-client-python issues 198 and 644). The journal is the only buffer here.
"""

from typing import Any

import urllib3
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException

from collector.sinks.influx_writing import STORED, Answer, judge


class InfluxV2Writer:
    """Writes to a bucket at ``/api/v2/write``. ``post`` returns only after the server's 204.

    For InfluxDB 1.8 the token is ``user:password`` and the bucket ``database/retention-policy``.
    """

    def __init__(self, url: str, org: str, bucket: str, *, token: str = "", timeout_s: float = 15.0) -> None:
        """Connect at the first post."""
        self._where = f"InfluxDB {url} bucket {bucket!r}"
        self._bucket = bucket
        # No retries below us: the sink's pump waits and comes again, and knows why.
        self._client: Any = InfluxDBClient(
            url=url, token=token, org=org, timeout=round(timeout_s * 1000), retries=False
        )
        self._write_api: Any = self._client.write_api(write_options=SYNCHRONOUS)

    def post(self, body: bytes) -> Answer:
        """Send one body."""
        try:
            self._write_api.write(bucket=self._bucket, record=body)  # nanoseconds by default
        except ApiException as error:
            return judge(self._where, error.status or 0, _body(error))
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return Answer("later", f"{self._where}: not reachable: {error}; the rows are kept and tried again")
        return STORED

    def close(self) -> None:
        """Close the client's connections."""
        self._write_api.close()
        self._client.close()


def _body(error: ApiException) -> str:
    body = error.body
    return body.decode(errors="replace") if isinstance(body, bytes) else str(body or error.reason)
