"""Outbox against journal over the worst of networks: whatever is lost, repeated or re-ordered, the account adds up.

Real outboxes and a real journal; the network is a bag from which messages are delivered in any order, as often as
Hypothesis likes, or never.
"""

import shutil
import tempfile
from collections import defaultdict
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from structlog.testing import capture_logs

from collector.journal import Journal
from edge_agent.outbox import Outbox
from edge_agent.wire.codec import decode, encode
from edge_agent.wire.records import BootAck, StoreAck, WindowBatch
from tests.fakes.windows import FLEET, T0_UNIX_NS, make_window

DEVICE = "pi4-01"
ROOM_FOR_WINDOWS = 9
WINDOW_BYTES = 130


class Delivery(RuleBasedStateMachine):
    """One device that reboots and overflows, one collector that restarts."""

    @initialize()
    def begin(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="edgejoule-delivery-"))
        self.journal = Journal(self.directory / "journal.sqlite3")
        self.boot = 0
        self.outbox = self.open_outbox()
        self.network: list[bytes] = []
        self.acks: list[StoreAck] = []
        self.assigned: dict[str, int] = defaultdict(int)

    def open_outbox(self) -> Outbox:
        limit = ROOM_FOR_WINDOWS * WINDOW_BYTES
        with capture_logs():
            return Outbox(
                self.directory / "outbox.sqlite3",
                f"kernel-boot-{self.boot}",
                max_bytes=limit,
                synchronous="NORMAL",
                now_unix_ns=lambda: T0_UNIX_NS,
            )

    @rule(count=st.integers(1, 6))
    def append(self, count: int) -> None:
        with capture_logs():
            for _ in range(count):
                self.assigned[self.outbox.boot_id] = self.outbox.append(make_window).seq

    @rule(reboot=st.booleans())
    def restart_device(self, *, reboot: bool) -> None:
        self.outbox.close()
        self.boot += reboot
        self.outbox = self.open_outbox()

    @rule()
    def restart_collector(self) -> None:
        self.journal.close()
        self.journal = Journal(self.directory / "journal.sqlite3")

    @rule(which=st.integers(0, 3), skip=st.integers(0, 4), limit=st.integers(0, 4))
    def send(self, which: int, skip: int, limit: int) -> None:
        """Put a message into the network, made as the publisher makes it."""
        backlogs = self.outbox.backlogs()
        if not backlogs:
            return
        backlog = backlogs[which % len(backlogs)]
        windows = self.outbox.pending(backlog.boot_id, backlog.acked_seq + skip, limit)
        batch = WindowBatch(
            device_id=DEVICE,
            boot_id=backlog.boot_id,
            oldest_seq=backlog.oldest_seq,
            last_seq=backlog.last_seq,
            sent_unix_ns=T0_UNIX_NS,
            records=tuple(windows),
            dropped=backlog.dropped,
        )
        self.network.append(encode(batch))

    @precondition(lambda self: self.network)
    @rule(which=st.integers(0, 50), lost=st.booleans())
    def deliver(self, which: int, *, lost: bool) -> None:
        """Deliver any message; it stays in the network, to come again, unless ``lost``."""
        payload = self.network[which % len(self.network)]
        self.journal.commit_batch(FLEET, decode(payload, WindowBatch), T0_UNIX_NS)
        if lost:
            self.network.remove(payload)
        waters = self.journal.high_waters(DEVICE)
        acks = tuple(BootAck(boot_id=boot_id, seq=seq) for boot_id, seq in waters.items())
        self.acks.append(StoreAck(device_id=DEVICE, t_unix_ns=T0_UNIX_NS, acks=acks))

    @precondition(lambda self: self.acks)
    @rule(which=st.integers(0, 50))
    def acknowledge(self, which: int) -> None:
        """Let any store-ack reach the device, also an old one."""
        self.outbox.apply_ack(self.acks[which % len(self.acks)])

    def stored(self) -> dict[str, set[int]]:
        stored: dict[str, set[int]] = defaultdict(set)
        for row in self.journal.rows_after(0, 100_000):
            assert row.window.seq not in stored[row.boot_id], "stored twice"
            stored[row.boot_id].add(row.window.seq)
        return stored

    @invariant()
    def nothing_that_only_the_device_has_is_covered_by_an_acknowledgement(self) -> None:
        stored, waters = self.stored(), self.journal.high_waters(DEVICE)
        for backlog in self.outbox.backlogs():
            water = waters.get(backlog.boot_id, 0)
            for window in self.outbox.pending(backlog.boot_id, 0, 1000):
                assert window.seq > water or window.seq in stored[backlog.boot_id]

    @invariant()
    def every_window_is_held_stored_or_declared(self) -> None:
        stored = self.stored()
        held: dict[str, set[int]] = defaultdict(set)
        for backlog in self.outbox.backlogs():
            held[backlog.boot_id] = {window.seq for window in self.outbox.pending(backlog.boot_id, 0, 1000)}
            for dropped in backlog.dropped:
                held[backlog.boot_id] |= set(range(dropped.first_seq, dropped.last_seq + 1))
        for boot_id, last_seq in self.assigned.items():
            waters = self.journal.high_waters(DEVICE).get(boot_id, 0)
            lost = set(range(1, last_seq + 1)) - stored[boot_id] - held[boot_id]
            assert all(seq <= waters for seq in lost), "only what was declared and acknowledged may be gone"

    @invariant()
    def the_ledger_adds_up(self) -> None:
        for line in self.journal.ledger():
            assert line.adds_up, line
            assert line.stored == sum(map(len, self.stored().values()))
            assert line.sent <= sum(self.assigned.values())

    def settle(self) -> None:
        """Let the network behave: then nothing may remain."""
        for _ in range(200):
            backlogs = self.outbox.backlogs()
            if not backlogs:
                break
            for index in range(len(backlogs)):
                self.send(index, 0, 60)
                self.deliver(len(self.network) - 1, lost=True)
                self.acknowledge(len(self.acks) - 1)
        assert self.outbox.backlogs() == []
        for line in self.journal.ledger():
            assert (line.pending, line.missing) == (0, 0)
            assert line.sent == sum(self.assigned.values())
            assert line.dropped <= self.outbox.stats().dropped_windows

    def teardown(self) -> None:
        if not hasattr(self, "outbox"):
            return
        try:
            self.settle()
        finally:
            self.outbox.close()
            self.journal.close()
            shutil.rmtree(self.directory)


TestDelivery = Delivery.TestCase
TestDelivery.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
