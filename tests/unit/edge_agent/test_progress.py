"""What the agent says of its progress: the file that an installer waits for, and the signs that feed the watchdog."""

import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.outbox import Outbox
from edge_agent.progress import (
    CALM_INTERVAL_S,
    PROGRESS_NAME,
    READER_LIMIT_S,
    YOUNG_S,
    ProgressFile,
    StoreSign,
    reader_fault,
)
from edge_agent.service import WATCHDOG_S, Watchdog
from edge_agent.wire.records import BootAck, StoreAck, StoredRange
from tests.fakes.windows import make_window

KERNEL = "00000000-0000-4000-8000-000000000001"


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with closing(Outbox(tmp_path / "outbox.sqlite3", KERNEL)) as outbox:
        yield outbox


def said(folder: Path) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads((folder / PROGRESS_NAME).read_text(encoding="utf-8"))
    return answer


def append(outbox: Outbox, count: int) -> None:
    for _ in range(count):
        outbox.append(make_window)


def acknowledge(outbox: Outbox, seq: int) -> None:
    outbox.apply_ack(StoreAck(device_id="pi", t_unix_ns=1, acks=(BootAck(boot_id=outbox.boot_id, seq=seq),)))


def test_only_windows_of_this_process_count(outbox: Outbox, tmp_path: Path) -> None:
    append(outbox, 5)  # of the process before, not stored yet
    progress = ProgressFile(tmp_path, outbox, 100.0)
    progress.write(meter_connected=True)
    assert (said(tmp_path)["windows_made"], said(tmp_path)["windows_stored"]) == (0, 0)

    append(outbox, 3)
    progress.made(3)
    acknowledge(outbox, 5)
    progress.tend(102.0, meter_connected=True)
    assert (said(tmp_path)["windows_made"], said(tmp_path)["windows_stored"]) == (3, 0)

    acknowledge(outbox, 7)
    progress.tend(104.0, meter_connected=True)
    now = said(tmp_path)
    assert (now["windows_made"], now["windows_stored"], now["outbox_windows"]) == (3, 2, 1)
    assert (now["pid"], now["prefix"]) == (os.getpid(), str(Path(sys.prefix).resolve()))
    assert (now["schema"], now["meter_connected"]) == (1, True)


def test_a_backlog_that_waits_does_not_hide_what_is_stored_since(outbox: Outbox, tmp_path: Path) -> None:
    append(outbox, 50)
    progress = ProgressFile(tmp_path, outbox, 0.0)
    append(outbox, 2)
    progress.made(2)
    outbox.apply_ack(
        StoreAck(
            device_id="pi",
            t_unix_ns=1,
            acks=(),
            stored=(StoredRange(boot_id=outbox.boot_id, first_seq=51, last_seq=52),),
        )
    )
    progress.write(meter_connected=True)

    assert said(tmp_path)["windows_stored"] == 2


def test_what_was_dropped_was_not_stored(tmp_path: Path) -> None:
    with closing(Outbox(tmp_path / "outbox.sqlite3", KERNEL, max_bytes=1)) as outbox:  # holds the newest window alone
        progress = ProgressFile(tmp_path, outbox, 0.0)
        append(outbox, 4)
        progress.made(4)
        acknowledge(outbox, 3)  # the collector has taken the declaration
        progress.write(meter_connected=True)

    assert said(tmp_path)["windows_stored"] == 0


def test_the_file_is_written_at_most_once_a_second_and_seldom_later(outbox: Outbox, tmp_path: Path) -> None:
    progress = ProgressFile(tmp_path, outbox, 0.0)
    progress.tend(0.0, meter_connected=True)
    first = said(tmp_path)
    progress.tend(0.5, meter_connected=False)
    assert said(tmp_path) == first
    progress.tend(1.0, meter_connected=False)
    assert said(tmp_path)["meter_connected"] is False

    progress.tend(YOUNG_S + 1.0, meter_connected=True)
    progress.tend(YOUNG_S + 1.0 + CALM_INTERVAL_S / 2.0, meter_connected=False)
    assert said(tmp_path)["meter_connected"] is True
    progress.tend(YOUNG_S + 1.0 + CALM_INTERVAL_S, meter_connected=False)
    assert said(tmp_path)["meter_connected"] is False


def test_nothing_new_leaves_the_card_alone(outbox: Outbox, tmp_path: Path) -> None:
    progress = ProgressFile(tmp_path, outbox, 0.0)
    progress.tend(0.0, meter_connected=True)
    before = (tmp_path / PROGRESS_NAME).stat().st_ino
    progress.tend(5.0, meter_connected=True)

    assert (tmp_path / PROGRESS_NAME).stat().st_ino == before


def test_a_directory_that_is_gone_does_not_stop_the_agent(outbox: Outbox, tmp_path: Path) -> None:
    progress = ProgressFile(tmp_path / "gone", outbox, 0.0)

    progress.write(meter_connected=True)  # raises nothing


@given(steps=st.lists(st.tuples(st.sampled_from(["append", "ack"]), st.integers(1, 4)), max_size=20))
@settings(max_examples=25)
def test_never_more_than_was_made_and_never_more_than_was_acknowledged(
    steps: list[tuple[str, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("progress")
    with closing(Outbox(folder / "outbox.sqlite3", KERNEL, synchronous="NORMAL")) as outbox:
        append(outbox, 2)
        progress = ProgressFile(folder, outbox, 0.0)
        last, acked = 2, 0
        for what, count in steps:
            if what == "append":
                append(outbox, count)
                progress.made(count)
                last += count
            else:
                acked = min(last, acked + count)
                acknowledge(outbox, acked)
        progress.write(meter_connected=True)
        now = said(folder)

    assert now["windows_made"] == last - 2
    assert now["windows_stored"] == max(0, acked - 2)


# --- the watchdog --------------------------------------------------------------------------------------------------


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(address))
        channel.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(address))
        yield channel


def heard(manager: socket.socket) -> int:
    count = 0
    while True:
        try:
            assert manager.recv(100) == b"WATCHDOG=1"
        except BlockingIOError:
            return count
        count += 1


def test_the_watchdog_starves_while_any_sign_is_wrong(manager: socket.socket) -> None:
    faults = {"meter": "", "outbox": ""}
    watchdog = Watchdog()
    watchdog.watch(lambda _: faults["meter"])
    watchdog.watch(lambda _: faults["outbox"])
    now_s = 0.0

    def fed_after(meter: str, outbox: str) -> int:
        nonlocal now_s
        faults.update(meter=meter, outbox=outbox)
        now_s += WATCHDOG_S
        watchdog.feed(now_s)
        return heard(manager)

    assert fed_after("", "") == 1
    assert fed_after("hangs", "") == 0
    assert fed_after("", "full") == 0
    assert fed_after("", "") == 1


def test_a_reader_that_does_not_come_round_is_a_fault_and_one_that_is_closed_is_not() -> None:
    assert reader_fault(lambda: None) == ""
    assert reader_fault(lambda: READER_LIMIT_S - 1.0) == ""
    assert "reader" in reader_fault(lambda: READER_LIMIT_S + 1.0)


def test_windows_that_pile_up_are_a_fault_and_those_that_get_on_are_not() -> None:
    sign = StoreSign(patience_s=30.0)
    sign.note(0.0, waiting=0, stored=0, failed=False)
    assert sign.fault(1000.0) == ""  # a long window is no fault
    sign.note(1000.0, waiting=1, stored=0, failed=False)
    sign.note(1020.0, waiting=2, stored=0, failed=False)
    assert sign.fault(1029.0) == ""
    assert "waited 31 s" in sign.fault(1031.0)
    sign.note(1032.0, waiting=1, stored=1, failed=False)
    assert sign.fault(1050.0) == ""
    sign.note(1051.0, waiting=1, stored=0, failed=True)
    assert "cannot be written" in sign.fault(1051.0)
