"""Which windows go out next on a connection: the backlog in full messages, and new windows at once beside it.

What waited when the connection began is the backlog, of this boot and of earlier ones, oldest first. What was appended
since is live: it goes in messages of its own, for which one place among those in flight is kept while a backlog
drains. Windows that the collector does not acknowledge in time join the backlog.
"""

from collections.abc import Callable
from typing import Final

import structlog

from edge_agent.config import PublishSection
from edge_agent.delivery import Bundling, InFlight, Pace
from edge_agent.outbox import Backlog, Outbox
from edge_agent.wire import codec
from edge_agent.wire.records import MAX_PAYLOAD_BYTES, InferenceWindow, WindowBatch

MAX_MESSAGES_IN_FLIGHT: Final = 8
_LOG = structlog.get_logger()

Send = Callable[[bytes], object]


class WindowSender:
    """See the module's text. For one thread; ``now_unix_ns`` stamps the envelopes."""

    def __init__(
        self, device_id: str, outbox: Outbox, settings: PublishSection, resend_s: float, now_unix_ns: Callable[[], int]
    ) -> None:
        self._device_id, self._outbox, self._now_unix_ns = device_id, outbox, now_unix_ns
        self._max_windows = settings.max_windows
        self._bundling = Bundling(settings.max_windows, settings.max_wait_s)
        self._pace = Pace(resend_s, max_messages=MAX_MESSAGES_IN_FLIGHT)
        self._flights: dict[str, InFlight] = {}
        self._live = InFlight(self._pace)
        self._split_seq = 0

    def begin(self) -> None:
        """Begin a connection: nothing is on its way, and what is held is the backlog."""
        for flight in self._flights.values():
            flight.go_back()
        self._split()

    def ask(self, send: Send) -> None:
        """Send a batch without windows, which the collector answers with a store-ack."""
        head = next((one for one in self._outbox.backlogs() if one.boot_id == self._outbox.boot_id), None)
        if head is None:
            last_seq = self._outbox.stats().last_seq
            head = Backlog(self._outbox.boot_id, last_seq + 1, last_seq, last_seq, ())
        send(self._encode(head, []))

    def send_what_fits(self, send: Send, now_s: float, *, hurry: bool) -> float | None:
        """Send until nothing is left or enough is on its way; return how long to wait, None for until news come.

        ``hurry``: a message waits for no further windows.
        """
        backlogs = self._outbox.backlogs()
        current = self._outbox.boot_id
        known = self._flights
        self._flights = {one.boot_id: known.get(one.boot_id) or InFlight(self._pace) for one in backlogs}
        self._note_settled(backlogs, now_s)
        live = next((one for one in backlogs if one.boot_id == current), None)
        waits_s = [None if live is None else self._send_live(send, live, now_s, hurry=hurry)]
        for backlog in backlogs:
            flight = self._flights[backlog.boot_id]
            last_seq = min(backlog.last_seq, self._split_seq) if backlog.boot_id == current else backlog.last_seq
            while self._backlog_room > 0 and (covered := self._send_next(send, backlog, flight, last_seq)):
                flight.note_sent(covered, now_s)
            waits_s.append(flight.wait_s(now_s))
        return min((wait_s for wait_s in waits_s if wait_s is not None), default=None)

    def _note_settled(self, backlogs: list[Backlog], now_s: float) -> None:
        for backlog in backlogs:
            flight = self._flights[backlog.boot_id]
            flight.note_acked(backlog.acked_seq, now_s)
            if flight.go_back_if_late(now_s):
                _LOG.debug("sending_again", boot_id=backlog.boot_id, after_seq=backlog.acked_seq)
        self._live.note_acked(self._outbox.settled_seq(self._outbox.boot_id, self._split_seq), now_s)
        if self._live.go_back_if_late(now_s):
            _LOG.debug("live_windows_join_the_backlog", after_seq=self._live.acked_seq)
            self._split()

    def _split(self) -> None:
        """Let everything that is held now be the backlog, what the live lane had sent included."""
        backlog = self._flights.setdefault(self._outbox.boot_id, InFlight(self._pace))
        backlog.note_sent_elsewhere(self._live.sent_seq)
        self._live = InFlight(self._pace)
        self._split_seq = self._outbox.stats().last_seq
        self._live.begin_after(self._split_seq)

    @property
    def _backlog_room(self) -> int:
        """Return how many more messages of the backlog may go out; the last place is for live ones."""
        on_their_way = sum(flight.count for flight in self._flights.values())
        return min(MAX_MESSAGES_IN_FLIGHT - 1, self._pace.messages) - on_their_way

    def _live_room(self, live: Backlog) -> int:
        others = sum(flight.count for flight in self._flights.values())
        draining = others > 0 or live.acked_seq < min(self._split_seq, live.last_seq) or len(self._flights) > 1
        return (1 if draining else MAX_MESSAGES_IN_FLIGHT) - self._live.count

    def _send_live(self, send: Send, live: Backlog, now_s: float, *, hurry: bool) -> float | None:
        while self._live_room(live) > 0 and live.last_seq > self._live.resume_after_seq:
            waiting = live.last_seq - self._live.resume_after_seq
            wait_s = self._bundling.wait_s(waiting, now_s)
            if wait_s > 0.0 and not hurry and not self._is_full(live):
                late_s = self._live.wait_s(now_s)
                return wait_s if late_s is None else min(wait_s, late_s)
            covered = self._send_next(send, live, self._live, live.last_seq)
            if not covered:
                break
            self._live.note_sent(covered, now_s)
            self._bundling.note_sent()
        return self._live.wait_s(now_s)

    def _is_full(self, live: Backlog) -> bool:
        """Tell whether the windows that wait fill a message by their size."""
        windows = self._outbox.pending(live.boot_id, self._live.resume_after_seq, self._max_windows)
        return len(self._encode(live, windows)) > MAX_PAYLOAD_BYTES

    def _send_next(self, send: Send, backlog: Backlog, flight: InFlight, last_seq: int) -> int:
        """Send a lane's next message; return the highest number that it settles, 0 if there is none to send."""
        after_seq = flight.resume_after_seq
        if last_seq <= after_seq:
            return 0
        windows = self._outbox.pending(backlog.boot_id, after_seq, self._max_windows, last_seq)
        if not windows and self._outbox.holds(backlog.boot_id, after_seq, last_seq):
            return 0  # their time is not known yet
        payload = self._encode(backlog, windows)
        while len(payload) > MAX_PAYLOAD_BYTES and len(windows) > 1:
            windows = windows[: len(windows) // 2]
            payload = self._encode(backlog, windows)
        send(payload)
        return windows[-1].seq if windows else last_seq

    def _encode(self, backlog: Backlog, windows: list[InferenceWindow]) -> bytes:
        return codec.encode(
            WindowBatch(
                device_id=self._device_id,
                boot_id=backlog.boot_id,
                oldest_seq=backlog.oldest_seq,
                last_seq=max(backlog.last_seq, windows[-1].seq if windows else 0),
                sent_unix_ns=self._now_unix_ns(),
                records=tuple(windows),
                dropped=backlog.dropped,
            )
        )
