"""A device whose clock nobody sets: its windows wait for the collector's time, arrive once, in order, well placed."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from collector.journal import Journal
from collector.values import StoredWindow
from edge_agent.clock import ClockReading, HostClock
from edge_agent.config import PublishSection
from edge_agent.outbox import Outbox
from edge_agent.publisher import Publisher
from edge_agent.wire.mqtt import BrokerSettings
from tests.fakes.brokers import BrokerProcess, running_broker
from tests.fakes.delivery import FAST_RESEND_S, make_birth, running_subscriber, wait_until
from tests.fakes.windows import FLEET, make_window

KINDS = [pytest.param("mosquitto", marks=pytest.mark.mosquitto), "embedded"]
S = 10**9
WINDOW_S = 10.0
DEVICE = "pi4-01"


@pytest.fixture(params=KINDS)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BrokerProcess]:
    with running_broker(request.param, tmp_path) as broker:
        yield broker


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "journal.sqlite3")) as journal:
        yield journal


class DeviceClock:
    """The clocks of a board without a battery: it boots in 1970 and counts. A test sets it, or moves it on."""

    def __init__(self, own_unix_ns: int = 0, up_s: float = 0.0) -> None:
        self.own_unix_ns = own_unix_ns
        self.synchronised = False
        self._began_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - round(up_s * S)

    def boot_ns(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) - self._began_ns

    def read(self) -> ClockReading:
        return ClockReading(self.own_unix_ns, self.synchronised)

    def synchronise(self) -> None:
        self.own_unix_ns = time.time_ns() - self.boot_ns()
        self.synchronised = True

    @property
    def host(self) -> HostClock:
        return HostClock(self.read, self.boot_ns)


def append(outbox: Outbox, clock: DeviceClock, start_s: float) -> int:
    """Append a window that began at boot time ``start_s``, stamped as the agent stamps it."""
    start_ns = round(start_s * S)
    return outbox.append(
        lambda seq: make_window(
            seq,
            t_start_boot_ns=start_ns,
            t_start_unix_ns=max(0, clock.own_unix_ns + start_ns),
            clock_state="synchronised" if clock.synchronised else "unsynchronised",
            duration_s=WINDOW_S,
        )
    ).seq


@contextmanager
def publishing(
    outbox: Outbox, broker: BrokerProcess, clock: DeviceClock, clock_wait_s: float = 0.0
) -> Iterator[Publisher]:
    publisher = Publisher(
        BrokerSettings(url=broker.url),
        FLEET,
        DEVICE,
        outbox,
        lambda: make_birth(DEVICE, outbox.boot_id, tuple(one.boot_id for one in outbox.backlogs())),
        resend_s=FAST_RESEND_S,
        settings=PublishSection(clock_wait_s=clock_wait_s),
        clock=clock.host,
    )
    publisher.start()
    try:
        yield publisher
    finally:
        publisher.stop()


def rows_of(journal: Journal) -> list[StoredWindow]:
    return sorted(journal.rows_after(0, 10_000), key=lambda row: row.window.t_start_unix_ns)


def test_a_board_that_boots_in_1970_twice_before_the_network_comes_loses_and_misplaces_nothing(
    broker: BrokerProcess, journal: Journal, tmp_path: Path
) -> None:
    path = tmp_path / "outbox.sqlite3"
    settings = BrokerSettings(url=broker.url)
    order: list[tuple[str, int]] = []
    clock = DeviceClock(up_s=1000.0)
    clock.synchronise()
    clock.own_unix_ns -= 3600 * S  # an hour ago it was well
    with closing(Outbox(path, "well")) as outbox, running_subscriber(journal, settings):
        order += [(outbox.boot_id, append(outbox, clock, 980.0))]
        with publishing(outbox, broker, clock) as publisher:
            assert publisher.flush(30)
    trusted_ns = rows_of(journal)[0].window.t_start_unix_ns + round(WINDOW_S * S)
    for boot in ("lost-1", "lost-2"):
        clock = DeviceClock(up_s=1000.0)
        with closing(Outbox(path, boot)) as outbox:
            order += [(outbox.boot_id, append(outbox, clock, 20.0 + WINDOW_S * n)) for n in range(70)]
    clock = DeviceClock(up_s=200.0)
    began_ns = time.time_ns() - clock.boot_ns()
    with closing(Outbox(path, "now")) as outbox, running_subscriber(journal, settings), capture_logs() as logs:
        order += [(outbox.boot_id, append(outbox, clock, 30.0 + WINDOW_S * n)) for n in range(15)]
        with publishing(outbox, broker, clock) as publisher:
            assert publisher.flush(60)
        own_boot, placing = outbox.boot_id, outbox.placing
    assert placing is not None
    assert placing.bound_s is not None
    rows = rows_of(journal)
    assert [(row.boot_id, row.window.seq) for row in rows] == order, "everything once, in order"
    for row in rows[1:]:
        assert trusted_ns <= row.window.t_start_unix_ns
        assert row.window.t_start_unix_ns + round(WINDOW_S * S) <= time.time_ns() + S
        assert row.window.clock_state == ("rebased" if row.boot_id == own_boot else "unsynchronised")
        if row.boot_id == own_boot:
            error_ns = row.window.t_start_unix_ns - (began_ns + (row.window.t_start_boot_ns or 0))
            assert abs(error_ns) < (placing.bound_s + 0.5) * S, "the round trip bounds it"
        else:
            assert 0.0 < (row.window.t_start_early_s or 0.0) < 3600.0
    assert "clock_taken_from_collector" in [line["event"] for line in logs]
    (line,) = journal.ledger()
    assert line.adds_up
    assert line.stored == len(order)


def test_a_live_acknowledgement_is_not_retained_and_the_one_at_connect_is(
    broker: BrokerProcess, journal: Journal, tmp_path: Path
) -> None:
    """A retained store-ack of last week would date the device a week ago."""
    settings = BrokerSettings(url=broker.url)
    clock = DeviceClock(up_s=500.0)
    clock.synchronise()
    with closing(Outbox(tmp_path / "a", "a")) as outbox, running_subscriber(journal, settings):
        append(outbox, clock, 10.0)
        with publishing(outbox, broker, clock) as publisher:
            assert publisher.flush(30)
    time.sleep(2.0)  # the retained acknowledgement grows old; no collector runs
    unset = DeviceClock(up_s=500.0)
    with closing(Outbox(tmp_path / "b", "b")) as outbox, publishing(outbox, broker, unset) as publisher:
        append(outbox, unset, 490.0)
        publisher.notify()
        wait_until(lambda: publisher.connected, "connected")
        assert not publisher.flush(1.0)
        assert [outbox.placing] == [None], "what the broker had kept is not taken for the time"
        with running_subscriber(journal, settings):
            assert publisher.flush(60)
        window = rows_of(journal)[-1].window
        placing = outbox.placing
        assert placing is not None
        error_ns = window.t_start_unix_ns - (time.time_ns() - unset.boot_ns() + 490 * S)
        assert abs(error_ns) < ((placing.bound_s or 0.0) + 0.5) * S


def test_a_clock_that_steps_while_it_is_not_set_changes_no_order(
    broker: BrokerProcess, journal: Journal, tmp_path: Path
) -> None:
    clock = DeviceClock(up_s=1000.0)
    settings = BrokerSettings(url=broker.url)
    with closing(Outbox(tmp_path / "outbox.sqlite3", "boot")) as outbox, running_subscriber(journal, settings):
        for number, own_unix_ns in enumerate((0, 10**18, 5 * S, 2 * 10**18)):
            clock.own_unix_ns = own_unix_ns
            append(outbox, clock, 100.0 + WINDOW_S * number)
        with publishing(outbox, broker, clock) as publisher:
            assert publisher.flush(60)
        starts = [row.window.t_start_unix_ns for row in rows_of(journal)]
        assert [row.window.seq for row in rows_of(journal)] == [1, 2, 3, 4]
        assert {after - before for before, after in pairwise(starts)} == {round(WINDOW_S * S)}


def test_the_kernel_is_waited_for_and_wins(broker: BrokerProcess, journal: Journal, tmp_path: Path) -> None:
    clock = DeviceClock(up_s=1000.0)
    settings = BrokerSettings(url=broker.url)
    with closing(Outbox(tmp_path / "outbox.sqlite3", "boot")) as outbox, running_subscriber(journal, settings):
        append(outbox, clock, 100.0)
        with publishing(outbox, broker, clock, clock_wait_s=600.0) as publisher:
            wait_until(lambda: publisher.connected, "connected")
            time.sleep(0.5)
            assert [outbox.placing] == [None]
            clock.synchronise()
            append(outbox, clock, 110.0)
            publisher.notify()
            assert publisher.flush(30)
        states = [row.window.clock_state for row in rows_of(journal)]
        assert states == ["rebased", "synchronised"]
        assert [outbox.placing.source if outbox.placing else ""] == ["kernel"]


def test_a_drop_is_declared_though_the_clock_is_not_set(
    broker: BrokerProcess, journal: Journal, tmp_path: Path
) -> None:
    clock = DeviceClock(up_s=10_000.0)
    settings = BrokerSettings(url=broker.url)
    with (
        capture_logs(),
        closing(Outbox(tmp_path / "outbox.sqlite3", "boot", max_bytes=2000)) as outbox,
        running_subscriber(journal, settings),
    ):
        for number in range(100):
            append(outbox, clock, 100.0 + WINDOW_S * number)
        with publishing(outbox, broker, clock) as publisher:
            assert publisher.flush(60)
        (line,) = journal.ledger()
        assert line.adds_up
        assert line.sent == 100
        assert 0 < line.dropped == outbox.stats().dropped_windows
        assert line.stored + line.dropped == 100
