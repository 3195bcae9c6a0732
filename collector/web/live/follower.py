"""Follows the journal in a thread of its own and tells the page's state what became known. Reads only."""

import time
from contextlib import closing
from pathlib import Path
from typing import Final

import msgspec
import structlog

from collector.assess import Assessor
from collector.background import Background
from collector.figures import FiguresReader
from collector.fleet.report import fleet_report
from collector.journal import Journal
from collector.liveness import liveness
from collector.store_config import LakeWhere
from collector.web.live import answers
from collector.web.live.state import LiveState, Moment

LOOK_EVERY_S: Final = 0.25
_LOG = structlog.get_logger()


class Follower(Background):
    """See the module's text."""

    def __init__(
        self, state: LiveState, path: Path, lake_dir: LakeWhere | None, assessor: Assessor, figures: FiguresReader
    ) -> None:
        super().__init__("live-follower")
        self._state = state
        self._lake_dir = lake_dir
        self._assessor = assessor
        self._journal = Journal(path, read_only=True)
        self._figures = figures
        self._path = path

    def _run(self) -> None:
        try:
            seen = -1
            while True:
                version = self._journal.data_version()
                if version != seen:
                    self._state.put(self._look())
                    seen = version
                if self._stopping.wait(LOOK_EVERY_S):
                    return
        finally:
            self._state.end()

    def close(self) -> None:
        """Stop, and close the journal."""
        super().close()
        self._journal.close()

    def _look(self) -> Moment:
        now = time.time_ns()
        report = fleet_report(self._journal, self._lake_dir, self._assessor)
        heard = {(s.fleet, s.device_id): s for s in self._journal.devices()}
        newest = {}
        row_id = 0
        while rows := self._journal.rows_after(row_id, 5000):
            for row in rows:
                newest[row.fleet, row.device_id] = row.window
            row_id = rows[-1].row_id
        devices = {}
        for account in report.devices:
            key = account.fleet, account.device_id
            said = heard.get(key)
            window = newest.get(key)
            devices[key] = answers.DeviceAnswer(
                fleet=account.fleet,
                device_id=account.device_id,
                site=account.site,
                zone=account.zone,
                device_class=account.device_class,
                hardware=account.hardware,
                models=account.models,
                meters=account.meters,
                boundaries=account.boundaries,
                online=said is not None and liveness(said, now) == "online",
                last_seen_unix_ns=said.last_seen_unix_ns if said else None,
                clock_state=said.health.clock_state if said and said.health else None,
                outbox_windows=said.health.outbox_windows if said and said.health else None,
                meter_connected=said.health.meter_connected if said and said.health else None,
                birth=said.birth if said else None,
                account=answers.account_answer(account),
                latest=answers.latest(window) if window else None,
            )
        self._report = report
        return Moment(
            now,
            min((d.first_unix_ns for d in report.devices), default=None),
            answers.account_answer(report.total),
            devices,
            self._figures.read(),
            report.factors,
            report.notes,
            (),
        )

    @property
    def version(self) -> int:
        """Return a number that grows with every change."""
        return self._state.version

    def snapshot(self) -> tuple[int, bytes]:
        """Return everything as JSON, and its version."""
        return self._state.snapshot()

    def changes(self, since: int) -> tuple[int, bytes]:
        """Return what changed after a version as JSON, and the version that it leads to."""
        return self._state.changes(since)

    def fleet_series(self, points: int) -> bytes:  # noqa: ARG002
        """Return the fleet over time."""
        return msgspec.json.encode(
            answers.SeriesAnswer(
                t_unix_ns=[], power_w=[], operational_gco2e=[], embodied_gco2e=[], inference_count=[], bin_s=None
            )
        )

    def device_series(self, fleet: str, device_id: str, points: int) -> bytes | None:
        """Return the latest windows of a device."""
        if not self._state.knows(fleet, device_id):
            return None
        windows = []
        with closing(Journal(self._path, read_only=True)) as journal:
            row_id = 0
            while rows := journal.rows_after(row_id, 5000):
                windows += [answers.latest(r.window) for r in rows if (r.fleet, r.device_id) == (fleet, device_id)]
                row_id = rows[-1].row_id
        windows = sorted(windows, key=lambda w: w.t_unix_ns)[-points:]
        return msgspec.json.encode(
            {name: [getattr(w, name) for w in windows] for name in answers.Latest.__struct_fields__}
        )
