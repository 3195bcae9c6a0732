"""Follows the journal in a thread of its own, and tells the page's state what became known. It reads only.

It looks for commits four times a second. Figures are made only while somebody reads the page, and so far apart that
they take a part of this thread's time that is bounded, however large the fleet is.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import structlog

from collector import journal_file, window_rows
from collector.background import Background
from collector.figures import FiguresReader
from collector.fleet.notes import notes_of
from collector.fleet.rows import window_pages
from collector.journal import Journal
from collector.store_config import LakeWhere
from collector.web.live import answers
from collector.web.live.answers import Latest
from collector.web.live.connections import PATIENCE_S
from collector.web.live.events import EVENT_EVERY_S
from collector.web.live.followed import FollowedFleet, Knowledge, Seen
from collector.web.live.state import Details, LiveState, Moment
from edge_agent.wire.errors import ConfigurationError

READ_WITHIN_S: Final = 60.0
"""Figures are made for so long after somebody asked for any."""
_REST: Final = 4.0
"""A look that took a second is followed by so many seconds of rest, ..."""
_REST_AFTER_READING: Final = 20.0
"""... reading everything again by so many."""
_PAGE_ROWS: Final = 5000
_LOG = structlog.get_logger()


class Pace(NamedTuple):
    """How often the follower does what. Seconds.

    ``look``: sees whether anything was committed. ``put``: makes figures, at most. ``check``: sees which devices fell
    silent, whether intensities were revised, and whether the file is there. ``rest``: after reading everything again,
    at least. ``event``: a stream tells its client, at most. ``connection``: a connection on which nothing moves is
    cut off after one or two of these.
    """

    look: float = 0.25
    put: float = 0.5
    check: float = 10.0
    rest: float = 60.0
    event: float = EVENT_EVERY_S
    connection: float = PATIENCE_S


class Follower(Background):
    """``know``: makes what grams are reckoned with, of now. ``newest``: the number of the newest intensity there is.

    Raises ConfigurationError when there is no journal at ``path``, or the inventory or a factor cannot be read.
    """

    def __init__(
        self,
        state: LiveState,
        path: Path,
        lake_dir: LakeWhere | None,
        figures: FiguresReader,
        know: Callable[[], Knowledge],
        newest: Callable[[], int],
        pace: Pace = Pace(),  # noqa: B008  frozen
    ) -> None:
        super().__init__("live-follower")
        self._state = state
        self._path = path
        self._lake_dir = lake_dir
        self._figures = figures
        self._know = know
        self._newest = newest
        self._pace = pace
        self._fleet = FollowedFleet(know())
        self._guard = threading.Lock()
        """Held while the fleet takes windows, and while a request looks into it."""
        self._identity = journal_file.identity(path)
        self._journal = Journal(path, read_only=True)
        self._asked = Journal(path, read_only=True)
        """What requests read from, so that they do not wait for the follower."""
        self._row_id = 0
        self._first_row_id = 0
        self._whole = False
        """Whether the fleet holds every window up to the row, each once."""
        self._fresh = False
        """Whether the state says all that was read."""
        self._seen_version = -1
        """Of the journal, when its windows were taken last."""
        self._next_put_s = 0.0
        self._read_until_s = 0.0
        self._nudge = threading.Event()
        self._trouble = ""

    def stop(self) -> None:
        """Tell it to end; return at once."""
        super().stop()
        self._nudge.set()
        self._state.end()

    def close(self) -> None:
        """Tell it to end, return when it has, and close the journal."""
        super().close()
        self._journal.close()
        self._asked.close()

    @property
    def version(self) -> int:
        """Return a number that grows with every change."""
        self._read_until_s = time.monotonic() + READ_WITHIN_S
        return self._state.version

    def snapshot(self) -> tuple[int, bytes]:
        """Return everything as JSON, and its version. Raises NotReadyError."""
        self._wake_up()
        return self._state.snapshot()

    def changes(self, since: int) -> tuple[int, bytes]:
        """Return what changed after a version as JSON, and the version that it leads to. Raises NotReadyError."""
        self._wake_up()
        return self._state.changes(since)

    def fleet_series(self, points: int) -> bytes:
        """Return the fleet over time, in up to so many bins."""
        self._wake_up()
        self._state.wait_for_put(0)
        with self._guard:
            answer = self._fleet.bins.series(points)
        return msgspec.json.encode(answer)

    def device_series(self, fleet: str, device_id: str, points: int) -> bytes | None:
        """Return a device's latest windows, a column for each field; None for a device that nobody knows."""
        with self._asked.snapshot() as db:
            if not db.execute(
                "SELECT 1 FROM devices WHERE fleet = ? AND device_id = ?", (fleet, device_id)
            ).fetchone():
                return None
            windows = window_rows.latest(db, fleet, device_id, points)
        found = sorted(map(answers.latest, windows), key=lambda window: window.t_unix_ns)
        return msgspec.json.encode({name: [getattr(one, name) for one in found] for name in Latest.__struct_fields__})

    def _wake_up(self) -> None:
        """Have figures made from now on, and wait for the first where nobody asked for any lately."""
        puts = self._state.puts
        was_read = time.monotonic() < self._read_until_s
        self._read_until_s = time.monotonic() + READ_WITHIN_S
        if not was_read and puts and not self._fresh:
            self._nudge.set()
            self._state.wait_for_put(puts)

    def _run(self) -> None:
        with self._ending():
            next_check_s = 0.0
            while not self._stopping.is_set():
                with self._telling_trouble():
                    now_s = time.monotonic()
                    if now_s >= next_check_s:
                        next_check_s = now_s + self._pace.check  # should the check end in trouble
                        next_check_s = time.monotonic() + self._check()
                    self._go_on()
                self._nudge.wait(self._pace.look)
                self._nudge.clear()

    @contextmanager
    def _ending(self) -> Iterator[None]:
        try:
            yield
        except _GoneError:
            _LOG.error("live_page_ends", reason=f"{self._path} was removed or replaced; start the page again")
        finally:
            self._state.end()

    @contextmanager
    def _telling_trouble(self) -> Iterator[None]:
        """Go on after what may pass, such as a lake that is away; say it once."""
        trouble = ""
        try:
            yield
        except (sqlite3.Error, ConfigurationError) as error:
            trouble = str(error)
        if trouble != self._trouble:
            self._trouble = trouble
            if trouble:
                _LOG.warning("live_page_waits", reason=trouble)
            else:
                _LOG.info("live_page_goes_on")

    def _go_on(self) -> None:
        """Take what was committed, and make figures of it where that is due; nothing before all was read once."""
        if not self._whole:
            return
        if self._seen_version != (found := self._journal.data_version()):
            self._take_new()
            self._seen_version = found
        if not self._fresh and self._next_put_s <= (now_s := time.monotonic()) < self._read_until_s:
            self._put()
            self._next_put_s = now_s + max(self._pace.put, _REST * (time.monotonic() - now_s))

    def _begin(self, fleet: FollowedFleet) -> None:
        """Read everything there is; what was known before stays until then, and goes on."""
        first_row_id, row_id = self._journal.first_row_id(), 0
        for page in window_pages(self._journal, self._lake_dir):
            if self._stopping.is_set():
                return
            fleet.add_table(page, time.time_ns())
            row_id = page["row_id"][-1].as_py()
            self._go_on()
        with self._journal.snapshot() as db:
            for device in self._journal.devices():
                for window in window_rows.latest(db, device.fleet, device.device_id, 1):
                    fleet.show((device.fleet, device.device_id), window)
        with self._guard:
            self._fleet, self._row_id, self._first_row_id = fleet, row_id, first_row_id
        self._whole, self._fresh, self._seen_version = True, False, -1
        _LOG.debug("live_page_read", windows_up_to=row_id)

    def _take_new(self) -> None:
        while not self._stopping.is_set() and (rows := self._journal.rows_after(self._row_id, _PAGE_ROWS)):
            self._whole = False  # until all sums have them
            with self._guard:
                self._fleet.add_rows(rows, time.time_ns())
            self._row_id = rows[-1].row_id
            self._whole = True
        self._fresh = False

    def _check(self) -> float:
        """See what no commit tells; return after how many seconds to look again."""
        self._fresh = False
        if journal_file.identity(self._path) != self._identity:
            raise _GoneError
        removed = self._lake_dir is None and self._journal.first_row_id() != self._first_row_id
        if self._whole and not removed and self._newest() == self._fleet.knowledge.number:
            return self._pace.check
        began_s = time.monotonic()
        self._begin(FollowedFleet(self._know()))
        return max(self._pace.rest, _REST_AFTER_READING * (time.monotonic() - began_s))

    def _put(self) -> None:
        self._fresh = True
        now_unix_ns = time.time_ns()
        fleet = self._fleet
        seen = fleet.look(self._journal.devices(), now_unix_ns)
        moment = Moment(
            t_unix_ns=now_unix_ns,
            since_unix_ns=min((device.first_unix_ns for device in seen.devices), default=None),
            total=answers.account_answer(seen.total),
            devices=seen.changed,
            figures=self._figures.read(),
            details=lambda: self._details(fleet.knowledge, seen, now_unix_ns),
        )
        self._state.put(moment)

    def _details(self, knowledge: Knowledge, seen: Seen, now_unix_ns: int) -> Details:
        with self._guard:
            factors = knowledge.assessor.factors()
        return Details(factors, notes_of(seen.devices, seen.total), knowledge.intensities(now_unix_ns))


class _GoneError(Exception):
    """The journal that is followed is no more."""
