"""``edgejoule carbon reassess`` while intensities still come in."""

import contextlib
import datetime as dt
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from collector.carbon.revisions import IntensityRevision
from collector.intensity.store import IntensityStore
from collector.journal import Journal
from edgejoule.cli import main
from tests.fakes.http_server import serving
from tests.fakes.windows import T0_UNIX_NS, commit_rows, make_stored

HOUR_NS = 3_600_000_000_000
J_PER_KWH = 3.6e6
THEN = dt.datetime.fromtimestamp(T0_UNIX_NS / 1e9, tz=dt.UTC).isoformat()
CONFIG = """
state_dir = "state"
[inventory]
file = "inventory.toml"
[influxdb]
url = "{url}"
database = "edgejoule"
[[intensity.source]]
kind = "series"
zones = ["DE"]
url = "series.csv"
[intensity.source.passport]
id = "own"
name = "a series of our own"
scope = "generation"
licence = "CC0-1.0"
method = "made up for a test"
"""


def add(path: Path, gco2e_per_kwh: float, fetched_at_unix_ns: int) -> None:
    """Store what a source says of the hours around the window."""
    with contextlib.closing(IntensityStore(path)) as store:
        store.add([
            IntensityRevision(
                source="own", zone="DE", kind="average", valid_from_unix_ns=T0_UNIX_NS - HOUR_NS,
                valid_to_unix_ns=T0_UNIX_NS + HOUR_NS, gco2e_per_kwh=gco2e_per_kwh,
                fetched_at_unix_ns=fetched_at_unix_ns,
            )
        ])  # fmt: skip


@pytest.mark.parametrize(("words", "seen"), [((), [100.0, 250.0]), (("--as-known-at", THEN), [100.0])])
def test_what_becomes_known_meanwhile_is_written_last(
    tmp_path: Path, words: tuple[str, ...], seen: list[float]
) -> None:
    """A collector beside the command assesses it too, but maybe before the command writes what it knew at first."""
    state_dir, row, bodies = tmp_path / "state", make_stored(1), list[str]()

    class Revising(BaseHTTPRequestHandler):
        """Stores a revision of the same hours while it takes the first body."""

        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            add(state_dir / "intensity.sqlite3", 250.0, T0_UNIX_NS + 10**9)
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class calls it so
            """Keep quiet."""

    (tmp_path / "inventory.toml").write_text(f'[[device]]\nid = "{row.device_id}"\nzone = "DE"\n')
    with serving(Revising) as port:
        (tmp_path / "collector.toml").write_text(CONFIG.format(url=f"http://127.0.0.1:{port}"))
        state_dir.mkdir()
        add(state_dir / "intensity.sqlite3", 100.0, T0_UNIX_NS)
        with contextlib.closing(Journal(state_dir / "journal.sqlite3")) as journal:
            commit_rows(journal, [row])
            journal.set_cursor("influxdb", journal.last_row_id())
        first = dt.datetime.fromtimestamp(T0_UNIX_NS // 10**9 - 60, tz=dt.UTC).isoformat()
        assert main(["carbon", "reassess", "--config", str(tmp_path / "collector.toml"), "--from", first, *words]) == 0
    found = [float(body.partition("operational_gco2e=")[2].partition(",")[0]) for body in bodies]
    assert found == pytest.approx([row.window.energy_j * value / J_PER_KWH for value in seen])
