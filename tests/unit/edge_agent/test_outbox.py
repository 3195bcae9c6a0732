"""The outbox alone: numbering, acknowledgement, limits, damage. Real SQLite files."""

import math
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from edge_agent.outbox import Outbox
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.records import BootAck, DroppedRange, InferenceWindow, StoreAck
from tests.fakes.windows import T0_UNIX_NS, WINDOW_S, make_window

DAY_NS = 86_400 * 10**9
WINDOW_BYTES = 150
"""About what a window takes, compressed; tests of limits only need the order of magnitude."""


def open_outbox(
    path: Path, boot: str = "boot-a", *, max_bytes: int = 10**9, max_age_s: float = 1e9, now_unix_ns: int = T0_UNIX_NS
) -> Outbox:
    return Outbox(path, boot, max_bytes=max_bytes, max_age_s=max_age_s, now_unix_ns=lambda: now_unix_ns)


def ack_of(boot_id: str, seq: int) -> StoreAck:
    return StoreAck(device_id="pi4-01", t_unix_ns=T0_UNIX_NS, acks=(BootAck(boot_id=boot_id, seq=seq),))


def fill(outbox: Outbox, count: int) -> list[InferenceWindow]:
    return [outbox.append(make_window) for _ in range(count)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.sqlite3"


@pytest.fixture
def outbox(path: Path) -> Iterator[Outbox]:
    with closing(open_outbox(path)) as outbox:
        yield outbox


def test_numbers_begin_at_one_and_have_no_hole(outbox: Outbox) -> None:
    assert [window.seq for window in fill(outbox, 3)] == [1, 2, 3]
    assert [window.seq for window in outbox.pending(outbox.boot_id, 1, 10)] == [2, 3]
    assert [window.seq for window in outbox.pending(outbox.boot_id, 0, 2)] == [1, 2]


def test_what_comes_out_is_what_went_in(outbox: Outbox) -> None:
    (window,) = fill(outbox, 1)
    assert outbox.pending(outbox.boot_id, 0, 1) == [window]


def test_a_failing_maker_uses_up_no_number(outbox: Outbox) -> None:
    def fail(seq: int) -> InferenceWindow:
        raise RuntimeError(f"no window {seq}")

    with pytest.raises(RuntimeError, match="no window 1"):
        outbox.append(fail)
    assert fill(outbox, 1)[0].seq == 1
    with pytest.raises(ValueError, match="it was given 2"):
        outbox.append(lambda seq: make_window(seq + 1))
    assert outbox.stats().last_seq == 1
    assert outbox.stats().windows == 1


@pytest.mark.parametrize("changes", [{"energy_j": math.nan}, {"energy_u_j": -1.0}, {"meter_id": "x" * 200_000}])
def test_a_window_that_the_wire_would_refuse_is_refused_at_once(outbox: Outbox, changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="window 1"):
        outbox.append(lambda seq: make_window(seq, **changes))
    assert outbox.stats().windows == 0


def test_numbering_goes_on_after_a_restart_of_the_agent(path: Path) -> None:
    with closing(open_outbox(path)) as first:
        fill(first, 2)
        boot_id = first.boot_id
    with closing(open_outbox(path)) as second:
        assert second.boot_id == boot_id
        assert fill(second, 1)[0].seq == 3


def test_numbering_goes_on_after_everything_was_acknowledged_and_the_agent_restarted(path: Path) -> None:
    with closing(open_outbox(path)) as first:
        fill(first, 2)
        first.apply_ack(ack_of(first.boot_id, 2))
    with closing(open_outbox(path)) as second:
        assert fill(second, 1)[0].seq == 3


def test_a_new_file_is_a_new_boot_id_so_that_no_number_comes_twice(path: Path) -> None:
    with closing(open_outbox(path)) as first:
        first_id = first.boot_id
    path.unlink()
    with closing(open_outbox(path)) as second:
        assert second.boot_id != first_id


def test_after_a_reboot_the_earlier_boots_windows_are_still_delivered(path: Path) -> None:
    with closing(open_outbox(path, "boot-a")) as before:
        fill(before, 2)
        earlier = before.boot_id
    with closing(open_outbox(path, "boot-b")) as after:
        fill(after, 1)
        assert [backlog.boot_id for backlog in after.backlogs()] == [earlier, after.boot_id]
        after.apply_ack(ack_of(earlier, 2))
        assert [backlog.boot_id for backlog in after.backlogs()] == [after.boot_id]
        assert after.stats().windows == 1


def test_only_what_is_acknowledged_is_forgotten(outbox: Outbox) -> None:
    fill(outbox, 5)
    assert outbox.apply_ack(ack_of(outbox.boot_id, 3)) == 3
    (backlog,) = outbox.backlogs()
    assert (backlog.oldest_seq, backlog.last_seq, backlog.acked_seq) == (4, 5, 3)
    assert outbox.apply_ack(ack_of(outbox.boot_id, 2)) == 0, "an old acknowledgement changes nothing"
    assert outbox.apply_ack(ack_of("another", 5)) == 0
    assert outbox.stats().windows == 2
    assert outbox.stats().acked_seq == 3


def test_an_acknowledgement_from_the_future_moves_the_numbering_above_it(outbox: Outbox) -> None:
    fill(outbox, 2)
    with capture_logs() as logs:
        outbox.apply_ack(ack_of(outbox.boot_id, 7))
    assert logs[0]["event"] == "outbox_behind_its_acknowledgement"
    assert fill(outbox, 1)[0].seq == 8


def test_a_full_outbox_drops_the_oldest_as_one_declared_range(path: Path) -> None:
    with closing(open_outbox(path, max_bytes=10 * WINDOW_BYTES)) as outbox, capture_logs() as logs:
        fill(outbox, 40)
        (backlog,) = outbox.backlogs()
        held = outbox.pending(outbox.boot_id, 0, 100)
        (dropped,) = backlog.dropped
        assert dropped == DroppedRange(first_seq=1, last_seq=held[0].seq - 1, reason="outbox_full")
        assert backlog.oldest_seq == held[0].seq
        assert held[-1].seq == 40
        stats = outbox.stats()
        assert stats.dropped_windows == dropped.last_seq
        assert stats.bytes <= 10 * WINDOW_BYTES
        assert [line["event"] for line in logs] == ["outbox_begins_to_drop_windows"], "said once, not per window"


def test_a_dropped_range_is_declared_until_it_is_acknowledged(path: Path) -> None:
    with closing(open_outbox(path, max_bytes=2 * WINDOW_BYTES)) as outbox:
        fill(outbox, 10)
        (backlog,) = outbox.backlogs()
        (dropped,) = backlog.dropped
        outbox.apply_ack(ack_of(outbox.boot_id, 3))
        (backlog,) = outbox.backlogs()
        assert backlog.dropped == (DroppedRange(first_seq=4, last_seq=dropped.last_seq, reason="outbox_full"),)
        outbox.apply_ack(ack_of(outbox.boot_id, dropped.last_seq))
        (backlog,) = outbox.backlogs()
        assert backlog.dropped == ()


def test_the_newest_window_is_kept_however_small_the_limit(path: Path) -> None:
    with closing(open_outbox(path, max_bytes=1)) as outbox:
        fill(outbox, 3)
        assert [window.seq for window in outbox.pending(outbox.boot_id, 0, 10)] == [3]


def test_windows_that_are_too_old_are_dropped_and_said_so(path: Path) -> None:
    now_unix_ns = T0_UNIX_NS + 2 * DAY_NS
    fresh = round(2 * 86_400 / WINDOW_S)
    with closing(open_outbox(path, max_age_s=86_400.0, now_unix_ns=now_unix_ns)) as outbox:
        fill(outbox, 2)
        outbox.append(lambda seq: make_window(seq, t_start_unix_ns=T0_UNIX_NS + round(fresh * WINDOW_S * 1e9)))
        (backlog,) = outbox.backlogs()
        assert backlog.dropped == (DroppedRange(first_seq=1, last_seq=2, reason="too_old"),)


def test_a_window_from_an_unset_clock_has_no_known_age(path: Path) -> None:
    with closing(open_outbox(path, max_age_s=86_400.0, now_unix_ns=T0_UNIX_NS)) as outbox:
        for _ in range(3):
            outbox.append(lambda seq: make_window(seq, clock_state="unsynchronised", t_start_unix_ns=1000 * seq))
        assert outbox.stats().windows == 3
        assert outbox.stats().dropped_windows == 0


def test_a_damaged_file_is_moved_aside_and_a_new_one_begun(path: Path) -> None:
    with closing(open_outbox(path)) as outbox:
        fill(outbox, 200)
        first_id = outbox.boot_id
    content = bytearray(path.read_bytes())
    content[4096 : 4096 * 20] = b"\xa5" * (4096 * 19)
    path.write_bytes(content)
    with capture_logs() as logs, closing(open_outbox(path)) as outbox:
        assert outbox.boot_id != first_id
        assert fill(outbox, 1)[0].seq == 1
    assert logs[0]["event"] == "outbox_damaged"
    assert Path(logs[0]["moved_to"]).read_bytes() == content


def test_a_file_that_is_no_database_is_moved_aside(path: Path) -> None:
    path.write_bytes(b"certainly not SQLite" * 100)
    with closing(open_outbox(path)) as outbox:
        assert fill(outbox, 1)[0].seq == 1
    assert path.with_name("outbox.sqlite3.damaged-1").exists()


def test_one_window_that_cannot_be_read_is_declared_and_the_rest_goes_out(path: Path) -> None:
    with closing(open_outbox(path)) as outbox:
        fill(outbox, 3)
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("UPDATE windows SET payload = x'7b' WHERE key & 1023 = 2")
        assert [window.seq for window in outbox.pending(outbox.boot_id, 0, 10)] == [1, 3]
        (backlog,) = outbox.backlogs()
        assert backlog.dropped == (DroppedRange(first_seq=2, last_seq=2, reason="corrupt"),)


def test_a_file_of_a_later_version_is_not_touched(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(ConfigurationError, match="outbox of schema 99"):
        open_outbox(path)


def test_a_directory_that_cannot_be_made_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot create the outbox directory"):
        open_outbox(tmp_path / "file" / "outbox.sqlite3")


def test_threads_may_append_and_acknowledge_at_once(outbox: Outbox) -> None:
    threads = [threading.Thread(target=fill, args=(outbox, 50)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for seq in range(0, 150, 10):
        outbox.apply_ack(ack_of(outbox.boot_id, min(seq, outbox.stats().last_seq)))
    for thread in threads:
        thread.join()
    assert outbox.stats().last_seq == 150
    assert outbox.stats().windows == 150 - outbox.stats().acked_seq


def test_what_append_returned_survives_sigkill(path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from edge_agent.outbox import Outbox\n"
        "from tests.fakes.windows import make_window, T0_UNIX_NS\n"
        "outbox = Outbox(Path(sys.argv[1]), 'boot-a', now_unix_ns=lambda: T0_UNIX_NS)\n"
        "while True:\n    print(outbox.append(make_window).seq, flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = [int(process.stdout.readline()) for _ in range(25)]
        process.kill()
        said += [int(line) for line in process.stdout.read().splitlines()]
    with closing(open_outbox(path)) as outbox:
        held = [window.seq for window in outbox.pending(outbox.boot_id, 0, 100_000)]
    assert held[: len(said)] == said
    assert len(held) <= len(said) + 1
