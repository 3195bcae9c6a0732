"""The power goes at any write: the outbox then opens, holds what it promised, and gives no number out twice."""

import random
from contextlib import closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from edge_agent.outbox import Outbox
from edge_agent.wire.records import InferenceWindow
from tests.fakes.power_cut import MARKS, Operation, compile_recorder, disk_after_cut, marks, record
from tests.fakes.windows import make_window

pytestmark = pytest.mark.compiler

WINDOWS = 160
CUTS = 100
FILE = "outbox.sqlite3"
SCRIPT = f"""
import os, random, sys
from pathlib import Path
from edge_agent.outbox import Outbox
from edge_agent.wire.records import BootAck, StoreAck, StoredRange
from tests.fakes.windows import T0_UNIX_NS, make_window
folder, synchronous, max_bytes, seed = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
marks = os.open(folder / "{MARKS}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
draw = random.Random(seed)
say = lambda *words: os.write(marks, (" ".join(map(str, words)) + "\\n").encode())
outbox = Outbox(folder / "{FILE}", "boot-a", max_bytes=max_bytes, synchronous=synchronous)
outbox._db.execute("PRAGMA wal_autocheckpoint = 15")
for number in range({WINDOWS}):
    say("appended", outbox.append(make_window).seq)
    if draw.random() < 0.3:
        low, high = sorted(draw.randint(1, number + 1) for _ in range(2))
        say("acked", 1, low)
        acks = (BootAck(boot_id=outbox.boot_id, seq=low),)
        stored = ()
        if draw.random() < 0.3:
            say("acked", low, high)
            stored = (StoredRange(boot_id=outbox.boot_id, first_seq=low, last_seq=high),)
        outbox.apply_ack(StoreAck(device_id="d", t_unix_ns=T0_UNIX_NS, acks=acks, stored=stored))
outbox.close()
"""


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_recorder(tmp_path_factory.mktemp("recorder"))


def recorded(recorder: Path, directory: Path, synchronous: str, max_bytes: int, seed: int) -> list[Operation]:
    folder = directory / "outbox"
    folder.mkdir()
    return record(recorder, folder, SCRIPT, synchronous, str(max_bytes), str(seed))


class AfterCut:
    """What the process had said before the cut, and what the outbox says after it."""

    def __init__(self, operations: list[Operation], directory: Path, draw: random.Random) -> None:
        directory.mkdir()
        disk_after_cut(operations, directory, draw)
        self.path = directory / FILE
        said = [line.split() for line in marks(operations)]
        self.appended = [int(words[1]) for words in said if words[0] == "appended"]
        self.acked = {seq for words in said if words[0] == "acked" for seq in range(int(words[1]), int(words[2]) + 1)}
        with capture_logs() as logs, closing(Outbox(self.path, "boot-b", synchronous="NORMAL")) as outbox:
            self.damaged = "outbox_damaged" in [line["event"] for line in logs]
            (fault,) = outbox._db.execute("PRAGMA quick_check").fetchone()
            assert fault == "ok"
            earlier = [backlog for backlog in outbox.backlogs() if backlog.boot_id != outbox.boot_id]
            self.held: list[InferenceWindow] = []
            self.dropped: set[int] = set()
            for backlog in earlier:
                self.held += outbox.pending(backlog.boot_id, 0, 10_000)
                self.dropped |= {seq for one in backlog.dropped for seq in range(one.first_seq, one.last_seq + 1)}
            self.next_of_this_boot = outbox.append(make_window).seq
            self.boot_id_after = outbox.boot_id
            self.earlier_ids = {backlog.boot_id for backlog in earlier}

    @property
    def accounted(self) -> set[int]:
        return {window.seq for window in self.held} | self.dropped | self.acked


@pytest.mark.parametrize("max_bytes", [10**9, 2500], ids=["roomy", "full"])
def test_every_window_that_full_promised_is_there_after_the_cut(
    recorder: Path, tmp_path: Path, max_bytes: int
) -> None:
    operations = recorded(recorder, tmp_path, "FULL", max_bytes, seed=1)
    draw = random.Random(2)
    lost_something_unsynced = 0
    for number in range(CUTS):
        cut = draw.randint(1, len(operations))
        after = AfterCut(operations[:cut], tmp_path / f"cut-{number}", draw)
        assert not after.damaged
        assert set(after.appended) <= after.accounted
        assert after.held == [make_window(window.seq) for window in after.held], "and is what was appended"
        assert after.next_of_this_boot == 1, "a boot after a power cut numbers its own windows"
        assert after.boot_id_after not in after.earlier_ids
        with capture_logs(), closing(Outbox(after.path, "boot-a", synchronous="NORMAL")) as same_boot:
            assert same_boot.append(make_window).seq > max(after.appended, default=0)
        lost_something_unsynced += cut < len(operations) and operations[cut - 1].kind == 2
    assert lost_something_unsynced > CUTS / 4, "many cuts were in the middle of a transaction"


def test_normal_loses_at_most_the_last_windows_and_reuses_no_number(recorder: Path, tmp_path: Path) -> None:
    operations = recorded(recorder, tmp_path, "NORMAL", 10**9, seed=3)
    draw = random.Random(4)
    shortened = 0
    for number in range(CUTS):
        cut = draw.randint(1, len(operations))
        after = AfterCut(operations[:cut], tmp_path / f"cut-{number}", draw)
        assert not after.damaged
        held = [window.seq for window in after.held]
        last = max(held, default=0)
        assert set(range(1, last + 1)) <= after.accounted, "what is gone is the end, and no hole"
        assert after.held == [make_window(seq) for seq in held]
        assert last <= max(after.appended, default=0) + 1
        assert after.boot_id_after not in after.earlier_ids
        shortened += last < max(after.appended, default=0) and last not in after.acked
    assert shortened > 0, "NORMAL promises less than FULL, and some cut has shown it"


def test_without_its_syncs_full_would_lose_windows(recorder: Path, tmp_path: Path) -> None:
    """The test can fail: a disk that ignores the last sync of the log breaks the promise."""
    operations = recorded(recorder, tmp_path, "FULL", 10**9, seed=5)
    ignored = [one for one in operations if one.kind != 4 or not one.path.endswith("-wal")]
    draw = random.Random(6)
    broken = 0
    for number in range(40):
        after = AfterCut(ignored[: draw.randint(len(ignored) // 2, len(ignored))], tmp_path / f"cut-{number}", draw)
        broken += after.damaged or not set(after.appended) <= after.accounted
    assert broken > 0


UPGRADE = f"""
import os, sqlite3, sys
from pathlib import Path
import msgspec
from edge_agent.outbox import Outbox
from tests.fakes.windows import make_window
from tests.unit.edge_agent.test_outbox_upgrade import SCHEMA_1
path = Path(sys.argv[1]) / "{FILE}"
marks = os.open(path.with_name("{MARKS}"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
db = sqlite3.connect(path)
db.execute("PRAGMA journal_mode = WAL")
db.executescript(SCHEMA_1)
db.execute("INSERT INTO state VALUES ('file_id', 'ab'), ('dropped_windows', '0')")
db.execute("INSERT INTO boots VALUES (1, 'before', 40, 0)")
db.executemany("INSERT INTO windows (boot_id, seq, t_unix_ns, payload) VALUES ('before', ?, NULL, ?)",
               [(seq, msgspec.json.encode(make_window(seq))) for seq in range(1, 41)])
db.commit()
db.close()
os.write(marks, b"made\\n")
Outbox(path, "boot-a").close()
"""


def test_a_cut_while_an_old_file_is_carried_over_loses_nothing(recorder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "outbox"
    folder.mkdir()
    operations = record(recorder, folder, UPGRADE)
    made = next(i for i, one in enumerate(operations) if Path(one.path).name == MARKS and one.kind == 2)
    draw = random.Random(7)
    for number in range(60):
        cut = draw.randint(made + 1, len(operations))
        after = AfterCut(operations[:cut], tmp_path / f"cut-{number}", draw)
        assert not after.damaged
        assert after.held == [make_window(seq) for seq in range(1, 41)]
