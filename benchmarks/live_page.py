"""The live page's server with 1,000 devices: one update after each of them sent a window.

An update takes the windows into the accounts, makes every device's figures and the fleet's, reads the ledger, finds
what changed, and encodes it for a browser. The floor is that encoding alone, of what had been found.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.harness import Comparison, benchmark
from collector.assess import Assessor
from collector.config import journal_path
from collector.figures import FiguresReader, Runtime
from collector.intensity.yearly_table import load_yearly_table
from collector.inventory import parse_inventory
from collector.journal import Journal
from collector.values import StoredWindow
from collector.web.live import answers
from collector.web.live.answers import ChangesAnswer
from collector.web.live.followed import FollowedFleet, Knowledge
from collector.web.live.state import Details, LiveState, Moment
from tests.fakes.windows import commit_rows, make_stored

DEVICES: Final = 1000
_RUNTIME: Final = Runtime(broker_connected=True, queue_messages=0, queue_bytes=0, commits=0)


class _Page:
    """A page that follows a journal of 1,000 devices, one update at a time."""

    def __init__(self, journal: Journal, figures: FiguresReader) -> None:
        names = [f"device-{number:04}" for number in range(DEVICES)]
        lines = ["[defaults]", "lifetime_years = 5.0", 'zone = "DE"', 'hardware = "raspberry-pi-4b-4gb"']
        for name in names:
            lines += ["[[device]]", f'id = "{name}"']
        assessor = Assessor(parse_inventory("\n".join(lines)), load_yearly_table())
        self._fleet = FollowedFleet(Knowledge(assessor, 0, lambda _: ()))
        self._journal = journal
        self._figures = figures
        self._state = LiveState("benchmark")
        self.rows = [
            msgspec.structs.replace(make_stored(number + 1, seq=1, energy_j=40.0 + number / 7), device_id=name)
            for number, name in enumerate(names)
        ]

    def update(self) -> bytes:
        """Take one more window of each device; return what a browser is told."""
        before = self._state.version
        now_unix_ns = time.time_ns()
        self._fleet.add_rows(self.rows, now_unix_ns)
        seen = self._fleet.look(self._journal.devices(), now_unix_ns)
        total = answers.account_answer(seen.total)
        moment = Moment(now_unix_ns, None, total, seen.changed, self._figures.read(), lambda: Details((), (), ()))
        self._state.put(moment)
        return self._state.changes(before)[1]


@benchmark
def live_page() -> Iterator[Comparison]:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as opened:
        path = journal_path(Path(folder))
        journal = opened.enter_context(closing(Journal(path)))
        figures = opened.enter_context(closing(FiguresReader(path, {"lake": "windows"}, "", lambda: _RUNTIME)))
        page = _Page(journal, figures)
        commit_rows(journal, page.rows)
        told = page.update()
        changes = msgspec.json.decode(told, type=ChangesAnswer)
        assert len(changes.devices) == DEVICES, "every device has changed"
        assert len(msgspec.json.encode(changes)) == len(told)
        yield Comparison(
            name=f"an update of the live page, {DEVICES} devices changed ({len(told) // 1000} kB)",
            ours=page.update,
            other=lambda: msgspec.json.encode(changes),
            other_name="msgspec encoding of the same devices alone",
            kind="floor",
            operations=DEVICES,
            limit_ratio=300.0,
        )
        stored: list[StoredWindow] = page.rows[:1]
        one = _Page(journal, figures)
        one.update()
        one.rows = stored
        few = msgspec.json.decode(one.update(), type=ChangesAnswer)
        assert len(few.devices) == 1
        yield Comparison(
            name=f"an update of the live page, 1 of {DEVICES} devices changed",
            ours=one.update,
            other=lambda: msgspec.json.encode(changes),
            other_name="msgspec encoding of all devices",
            kind="floor",
            operations=1,
            limit_ratio=80.0,
        )
