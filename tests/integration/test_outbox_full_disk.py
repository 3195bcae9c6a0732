"""The disk under the outbox is full and stays so: the outbox goes on, and every number is accounted for."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from edge_agent.outbox import Outbox
from edge_agent.outbox_space import RESERVE_BYTES
from edge_agent.wire.records import StoreAck, StoredRange
from tests.fakes.chaos_disk import SmallDisk, small_disk
from tests.fakes.windows import make_window

DISK_BYTES = 6 * 1024 * 1024


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "card", DISK_BYTES) as disk:
        if not disk.mounted:
            pytest.skip("needs a file system of its own: only root may mount one")
        yield disk


class Account:
    """Every number that was given out is held, declared dropped or acknowledged."""

    def __init__(self, disk: SmallDisk, boot: str = "boot") -> None:
        self.outbox = Outbox(disk.path / "outbox.sqlite3", boot)
        self.made = 0
        self.acked: set[int] = set()

    def append(self, count: int) -> None:
        for _ in range(count):
            self.made += 1
            assert self.outbox.append(make_window).seq == self.made

    def ack(self, first_seq: int, last_seq: int) -> None:
        stored = (StoredRange(boot_id=self.outbox.boot_id, first_seq=first_seq, last_seq=last_seq),)
        self.outbox.apply_ack(StoreAck(device_id="d", t_unix_ns=1, acks=(), stored=stored))
        self.acked |= set(range(first_seq, last_seq + 1))

    @property
    def held(self) -> set[int]:
        return {window.seq for window in self.outbox.pending(self.outbox.boot_id, 0, 100_000)}

    @property
    def dropped(self) -> set[int]:
        ranges = [one for backlog in self.outbox.backlogs() for one in backlog.dropped]
        return {seq for one in ranges for seq in range(one.first_seq, one.last_seq + 1)}

    def check(self) -> None:
        held, dropped = self.held, self.dropped
        assert held | dropped | self.acked == set(range(1, self.made + 1))
        assert not held & dropped
        assert not held & self.acked
        assert not dropped & self.acked
        assert self.outbox.stats().windows == len(held)


def test_acknowledged_windows_make_room_on_a_disk_that_stays_full(disk: SmallDisk) -> None:
    with capture_logs() as logs:
        account = Account(disk)
        with closing(account.outbox):
            account.append(1500)
            disk.fill(0)
            account.append(1500)
            account.check()
            assert account.dropped
            assert max(account.dropped) < min(account.held), "the oldest went first"
            before = len(account.dropped)
            account.ack(min(account.held), account.made)
            assert account.held == set()
            account.append(500)
            assert len(account.dropped) == before, "what was acknowledged made room"
            account.check()
    assert [line["event"] for line in logs].count("outbox_disk_full") == 1


def test_the_log_is_full_of_windows_that_are_then_acknowledged(disk: SmallDisk) -> None:
    """As much as fits, all in the log, which could not be copied: the case that never healed."""
    with capture_logs():
        account = Account(disk)
        with closing(account.outbox):
            account.append(100)
            disk.fill(0)
            while (disk.path / "outbox.sqlite3-reserve").exists():
                account.append(1)
            account.ack(1, account.made)
            account.append(2000)
            account.check()


def test_the_reserve_is_made_again_once_there_is_room_and_the_outbox_grows_again(disk: SmallDisk) -> None:
    reserve = disk.path / "outbox.sqlite3-reserve"
    with capture_logs() as logs:
        account = Account(disk)
        with closing(account.outbox):
            assert reserve.stat().st_blocks * 512 >= RESERVE_BYTES
            disk.fill(0)
            account.append(1200)
            assert not reserve.exists()
            dropped = len(account.dropped)
            disk.free()
            account.append(1000)
            assert reserve.stat().st_blocks * 512 >= RESERVE_BYTES
            assert len(account.dropped) == dropped
            account.check()
    assert "outbox_has_room_again" in [line["event"] for line in logs]


def test_an_agent_starts_on_a_full_disk_and_goes_on_counting(disk: SmallDisk) -> None:
    with capture_logs():
        first = Account(disk)
        first.append(600)
        first.outbox.close()
        disk.fill(0)
        for _ in range(2):
            again = Account(disk)
            again.made = first.made
            with closing(again.outbox):
                again.append(800)
                again.check()
            first.made = again.made
        with closing(Account(disk, "another boot").outbox) as outbox:
            assert outbox.append(make_window).seq == 1


def test_the_test_can_fail_without_its_reserve_the_outbox_is_stuck(disk: SmallDisk) -> None:
    with capture_logs():
        account = Account(disk)
        reserve = disk.path / "outbox.sqlite3-reserve"
        reserve.unlink()
        disk.fill(0)
        with closing(account.outbox), pytest.raises(sqlite3.OperationalError, match="full"):
            account.append(2000)
