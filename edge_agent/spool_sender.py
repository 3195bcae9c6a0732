"""Sends what a spool holds until a store-ack names it: one lane of the publisher, for benches or for replies."""

import time
from collections.abc import Callable, Iterable

import structlog

from edge_agent.bench_spool import BenchSpool
from edge_agent.delivery import SingleFlights
from edge_agent.reply_spool import ReplySpool
from edge_agent.wire.topics import UpChannel

_LOG = structlog.get_logger()


class SpoolSender:
    """For the publisher's thread; ``pending`` may be called from any. A disk that fails is told by ``tell``.

    ``tell``: takes an event and its remedy, and says each change once.
    """

    def __init__(
        self,
        channel: UpChannel,
        spool: BenchSpool | ReplySpool,
        device_id: str,
        flights: SingleFlights,
        tell: Callable[[str, str], None],
    ) -> None:
        self.channel = channel
        self._spool, self._device_id, self._flights, self._tell = spool, device_id, flights, tell

    def begin(self) -> None:
        """Forget that anything was sent: the connection is new."""
        self._flights.go_back()

    def pending(self) -> list[str] | None:
        """Return the ids of the records to deliver, None when the disk does not say."""
        try:
            return self._spool.pending_ids()
        except OSError as error:
            self._tell_of_spool(error)
            return None

    def send(self, publish: Callable[[bytes], object]) -> float | None:
        """Send the records that are due; return how long to wait for their acknowledgements."""
        for record_id in self._flights.due(self.pending() or [], time.monotonic()):
            payload = self._read(record_id)
            if payload is not None:
                publish(payload)
                self._flights.note_sent(record_id, time.monotonic())
        return self._flights.wait_s(time.monotonic())

    def note_stored(self, record_ids: Iterable[str]) -> None:
        """Take what a store-ack names."""
        try:
            stored = [record_id for record_id in record_ids if self._spool.mark_stored(record_id)]
        except OSError as error:  # they stay pending, and the next acknowledgement says the same
            self._tell_of_spool(error)
            return
        what = self._spool.kind.what
        for record_id in stored:
            _LOG.info(f"{what}_stored", device=self._device_id, **{what: record_id})

    def _read(self, record_id: str) -> bytes | None:
        try:
            return self._spool.payload(record_id, self._device_id)
        except OSError as error:
            self._tell_of_spool(error)
            return None

    def _tell_of_spool(self, error: OSError) -> None:
        self._tell(
            f"{self._spool.kind.plural}_unavailable", f"{error}: check owner and free space of the state directory"
        )
