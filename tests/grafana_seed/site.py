"""The seeded site: InfluxDB, broker and collector as they run anywhere, and the story told to them."""

import contextlib
import datetime as dt
import threading
import time
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from collector.app import run_collector
from collector.config import CollectorConfig, read_config
from collector.grid_watch import ASSESSED_NOTE
from collector.ingest import Received, ingest
from collector.journal import Journal
from collector.store_setup import set_up_stores
from tests.fakes.brokers import running_broker
from tests.fakes.delivery import wait_until
from tests.fakes.influxd import InfluxServer, running_influxd
from tests.fakes.raw_mqtt import raw_client
from tests.grafana_seed import grid, story
from tests.grafana_seed.fleet import HOUR_NS, LISTED, MODELS, SECOND_NS
from tests.grafana_seed.telling import GRID, OFTEN, telling

DATABASE: Final = "edgejoule"
HOURLY: Final = "edgejoule_hourly"
BUDGETS: Final = {"plant": 3.0, "farm": 1.5}
"""kgCO2e a month: the first is kept, the second is not."""
MILLISECOND_NS: Final = 10**6
GRID_TOLD_NS: Final = 7 * 24 * HOUR_NS
"""So long before today the collector told of the grid: the dashboard on carbon opens with a week."""
TICK_NS: Final = 60 * SECOND_NS
PATIENCE_S: Final = 120.0
_OF_THE_PRESENT: Final = ("device_state", "collector_sink", "collector", "ledger")
_DAY_S: Final = 86_400.0
_BEFORE_MIDNIGHT_S: Final = 90.0
_AFTER_MIDNIGHT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Seeded:
    """What tests ask: a store that nothing changes any more. ``now_unix_ns``: what "now" is in every question."""

    influxdb: InfluxServer
    config_path: Path
    first_unix_ns: int
    now_unix_ns: int

    @property
    def config(self) -> CollectorConfig:
        return read_config(self.config_path)


@contextlib.contextmanager
def seeded_site(directory: Path) -> Iterator[Seeded]:
    """Tell the story to a real collector, stop it when the stores have all of it, and yield what is left."""
    _wait_out_midnight()
    with running_influxd(directory / "influxd") as influxdb:
        told_unix_ns = time.time_ns()
        first_unix_ns = story.first_unix_ns(told_unix_ns)
        with running_broker("embedded", directory) as broker:
            path = _configure(directory, broker.url, influxdb.url, first_unix_ns, told_unix_ns)
            config = read_config(path)
            assert config.influxdb is not None
            assert {store.state for store in set_up_stores(config.influxdb, dry_run=False)} == {"created"}
            now_unix_ns = _tell_the_story(config, influxdb, told_unix_ns)
        yield Seeded(influxdb, path, first_unix_ns, now_unix_ns)


def _wait_out_midnight() -> None:
    """Let no day end while the story is told: in its first seconds "today" and "this month" have no window yet."""
    of_day_s = time.time() % _DAY_S
    if of_day_s > _DAY_S - _BEFORE_MIDNIGHT_S:
        time.sleep(_DAY_S - of_day_s + _AFTER_MIDNIGHT_S)
    elif of_day_s < _AFTER_MIDNIGHT_S:
        time.sleep(_AFTER_MIDNIGHT_S - of_day_s)


def _tell_the_story(config: CollectorConfig, influxdb: InfluxServer, now_unix_ns: int) -> int:
    """Let one collector take two months, another one today; between them tell what would have been told of today.

    Return when all was told, in whole milliseconds, as a question's time range has them.
    """
    messages = sorted(story.messages(now_unix_ns), key=lambda message: message.t_unix_ns)
    lately_unix_ns = story.lately_unix_ns(now_unix_ns)
    before = bisect_right(messages, lately_unix_ns + SECOND_NS, key=lambda message: message.t_unix_ns)
    with _collecting(config), contextlib.closing(Journal(config.journal_path)) as journal:
        wait_until(lambda: bool(journal.note(ASSESSED_NOTE)), "intensities are there", PATIENCE_S)
        _ingest(journal, messages[:before])
        wait_until(lambda: _lag(journal, "influxdb") == 0, "InfluxDB has two months", PATIENCE_S)
    for measurement in _OF_THE_PRESENT:  # it told that all is weeks behind, which is so of a story alone
        influxdb.query(f'DELETE FROM "{measurement}" WHERE time >= {now_unix_ns}', DATABASE)
    with telling(config) as tell, contextlib.closing(Journal(config.journal_path)) as journal:
        for hour in range(lately_unix_ns - GRID_TOLD_NS, now_unix_ns - HOUR_NS, HOUR_NS):
            tell(hour + HOUR_NS // 2, GRID)
        for tick in range(lately_unix_ns + TICK_NS, now_unix_ns, TICK_NS):
            until = bisect_right(messages, tick, lo=before, key=lambda message: message.t_unix_ns)
            _ingest(journal, messages[before:until])
            before = until
            tell(tick, *OFTEN)
        # What a device said seconds ago comes first: else the next collector takes it for silent when it begins.
        rest = messages[before:]
        _ingest(journal, [one for one in rest if story.is_health(one)])
        rest = [one for one in rest if not story.is_health(one) or one.t_unix_ns == now_unix_ns]
    with _collecting(config), contextlib.closing(Journal(config.journal_path)) as journal:
        _publish(config, influxdb, rest)
        wait_until(
            lambda: any(letter[0] == messages[-1].topic for letter in journal.dead_letters()),
            "the journal has the last message, which is none",
            PATIENCE_S,
        )
        wait_until(lambda: _lag(journal, "influxdb") == 0, "InfluxDB has every window", PATIENCE_S)
        wait_until(
            lambda: not journal.count_benches_after(journal.cursor("influxdb/bench"), 1),
            "InfluxDB has every bench",
            PATIENCE_S,
        )
    with telling(config) as tell, contextlib.closing(Journal(config.journal_path, read_only=True)) as journal:
        assert _lag(journal, "influxdb/hourly") == 0, "the hours are written when the collector stops"
        told_unix_ns = time.time_ns() // MILLISECOND_NS * MILLISECOND_NS
        tell(told_unix_ns)
    return told_unix_ns


def _publish(config: CollectorConfig, influxdb: InfluxServer, messages: list[Received]) -> None:
    """Publish them through the broker, as soon as the collector says that it listens."""
    since_unix_ns = time.time_ns()
    listening = f"SELECT broker_connected FROM collector WHERE broker_connected = 1 AND time > {since_unix_ns}"
    wait_until(lambda: bool(influxdb.query(listening, DATABASE)), "the collector is at the broker", PATIENCE_S)
    with raw_client(config.broker, "seeded-fleet") as client:
        assert {client.publish(message.topic, message.payload) for message in messages} == {"Success"}


def _ingest(journal: Journal, messages: list[Received]) -> None:
    with journal.transaction():
        for message in messages:
            ingest(journal, message)


@contextlib.contextmanager
def _collecting(config: CollectorConfig) -> Iterator[None]:
    """Run a collector while the block runs."""
    stop = threading.Event()
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(run_collector(config, stop)), name="seeded-collector")
    thread.start()
    try:
        wait_until(lambda: not thread.is_alive() or config.journal_path.exists(), "the collector runs", PATIENCE_S)
        yield
    finally:
        stop.set()
        thread.join()
    assert codes == [0]


def _lag(journal: Journal, sink: str) -> int:
    return journal.last_row_id() - journal.cursor(sink)


def _configure(directory: Path, broker_url: str, influxdb_url: str, first_unix_ns: int, now_unix_ns: int) -> Path:
    for kind in ("average", "marginal"):
        (directory / f"{kind}.csv").write_text(grid.series_csv(kind, first_unix_ns, now_unix_ns))
    (directory / "inventory.toml").write_text(_inventory(now_unix_ns))
    history_s = (now_unix_ns - first_unix_ns) // 10**9 + 86_400
    path = directory / "collector.toml"
    path.write_text(
        f'state_dir = "state"\n[broker]\nurl = "{broker_url}"\n[lake]\nenabled = false\n'
        "[journal]\nkeep_days = 0.0\n"
        f'[influxdb]\nurl = "{influxdb_url}"\ndatabase = "{DATABASE}"\nmax_wait_s = 0.2\n'
        f'[influxdb.hourly]\ndatabase = "{HOURLY}"\n'
        '[ledger]\ninterval_s = 0.5\n[inventory]\nfile = "inventory.toml"\n'
        + "".join(_source(kind, history_s) for kind in ("average", "marginal"))
        + "".join(f'[[budget]]\nfleet = "{fleet}"\nmonthly_kgco2e = {kilos}\n' for fleet, kilos in BUDGETS.items())
    )
    return path


def _source(kind: str, history_s: int) -> str:
    return (
        f'[[intensity.source]]\nkind = "series"\nzones = ["DE", "FR"]\nsignal = "{kind}"\nurl = "{kind}.csv"\n'
        f"history_s = {history_s}.0\nahead_s = {grid.AHEAD_HOURS * 3600}.0\n"
        f'passport = {{id = "seed-{kind}", name = "Seeded {kind}", scope = "generation", licence = "CC0", '
        f'method = "made up for a test"}}\n'
    )


def _inventory(now_unix_ns: int) -> str:
    """Return the inventory of all devices but the loaner."""
    today = dt.datetime.fromtimestamp(now_unix_ns // SECOND_NS, dt.UTC).date()
    text = "[defaults]\nlifetime_years = 5.0\nsd_card_gb = 32\n"
    for device in LISTED:
        text += (
            f'[[device]]\nid = "{device.device_id}"\nhardware = "{device.hardware}"\nsite = "{device.site}"\n'
            f'zone = "{device.zone}"\ndevice_class = "{device.device_class}"\n'
            f"in_service_since = {today - dt.timedelta(days=device.age_days)}\n"
        )
    for model in MODELS:
        text += (
            f'[[model]]\nid = "{model.model_id}"\nsource = "made up for a test"\nvintage = "2026"\n'
            f"energy_kwh = {{value = {0.02 * model.work}, low = {0.01 * model.work}, high = {0.04 * model.work}}}\n"
            'zone = "DE"\nruns = 40\nlifetime_inferences = 1e9\n'
        )
    return text
