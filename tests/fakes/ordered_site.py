"""A site that takes orders: broker, collector and agent as processes of their own, a meter that is emulated."""

import contextlib
import json
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from collector import replies
from collector.blobs import Blob, BlobStore
from collector.orders import OrderEntry, orders
from collector.values import LedgerLine, StoredWindow
from edge_agent.wire.mqtt import BrokerSettings
from edge_agent.wire.orders import Action, Deferral
from edge_agent.wire.records import Health
from edgejoule.orders.dispatch import Dispatch, OrderOutcome
from edgejoule.orders.keys import load_key, make_key
from edgejoule.orders.sending import make_sendings, send
from tests.fakes.agent import DEVICE_ID, AgentProcess, agent_toml, emulated_meter, running_agent
from tests.fakes.brokers import BrokerProcess, running_broker
from tests.fakes.delivery import CollectorProcess, wait_until
from tests.fakes.ports import free_port

FLEET = "demo"
EVERYTHING = '["bench", "model", "window", "duty_cycle", "batch", "diagnostics", "reset"]'
PATIENCE_S = 90.0
WINDOW_S = 0.5


class OrderedSite:
    """See the module's text."""

    def __init__(
        self, directory: Path, broker: BrokerProcess, *, device_bytes_per_s: float, more_operators: str
    ) -> None:
        self.directory, self.broker = directory, broker
        self.key = make_key(directory / "operator.key")
        lines = f'[[operator]]\nname = "ada"\npublic_key = "{self.key.text}"\n'
        (directory / "operators.toml").write_text(lines + more_operators, encoding="utf-8")
        (directory / "inputs").mkdir()
        self.blobs = BlobStore(directory / "blobs")
        self.blobs.directory.mkdir()
        self._metrics_port = free_port()
        self.collector = CollectorProcess(directory, broker.url)
        with (directory / "collector.toml").open("a", encoding="utf-8") as file:
            file.write(
                f'[orders]\nblob_dir = "blobs"\ndevice_bytes_per_s = {device_bytes_per_s}\n'
                f'[metrics]\nlisten = "127.0.0.1:{self._metrics_port}"\n'
            )
        self.config = agent_toml(
            directory,
            broker.url,
            window=f"window_s = {WINDOW_S}",
            remote=f'operators = "operators.toml"\nallow = {EVERYTHING}\nbatch_folders = {{night = "inputs"}}',
        )
        self.agent: AgentProcess

    @property
    def settings(self) -> BrokerSettings:
        return BrokerSettings(url=self.broker.url)

    def dispatch(self, action: Action, *, valid_s: float = PATIENCE_S, defer: Deferral | None = None) -> Dispatch:
        key = load_key(self.directory / "operator.key")
        return Dispatch(make_sendings(key, FLEET, [DEVICE_ID], action, valid_s, defer), wait=True)

    def order(self, action: Action, *, patience_s: float = PATIENCE_S, defer: Deferral | None = None) -> OrderOutcome:
        """Send it and wait until it is done, or whatever becomes of it."""
        dispatch = self.dispatch(action, defer=defer)
        send(self.settings, dispatch, ends_s=time.monotonic() + patience_s)
        (outcome,) = dispatch.outcomes(time.monotonic())
        return outcome

    def publish(self, name: str, content: bytes) -> tuple[Path, Blob]:
        path = self.directory / name
        path.write_bytes(content)
        return path, self.blobs.put(path)

    def entries(self) -> list[OrderEntry]:
        with closing(self.collector.open_journal()) as journal, journal.snapshot() as db:
            return orders(replies.stored(db))

    def windows(self) -> list[StoredWindow]:
        with closing(self.collector.open_journal()) as journal:
            return journal.rows_after(0, 100_000)

    def health(self) -> Health:
        with closing(self.collector.open_journal()) as journal:
            (state,) = journal.devices()
        assert state.health is not None
        return state.health

    def ledger(self) -> LedgerLine:
        with closing(self.collector.open_journal()) as journal:
            (line,) = journal.ledger()
        return line

    def metric(self, name: str) -> float:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._metrics_port}/metrics", timeout=20) as page:
            lines = page.read().decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))

    def state(self, name: str) -> Any:
        """Return a JSON file of the agent's state directory, None where there is none."""
        path = self.directory / "state" / name
        return json.loads(path.read_bytes()) if path.exists() else None


@contextlib.contextmanager
def ordered_site(
    directory: Path, *, device_bytes_per_s: float = 1e8, more_operators: str = ""
) -> Iterator[OrderedSite]:
    """Run all of it for the length of the block; a window is stored when it begins."""
    with running_broker("mosquitto", directory) as broker:
        site = OrderedSite(directory, broker, device_bytes_per_s=device_bytes_per_s, more_operators=more_operators)
        site.collector.start()
        try:
            # What an agent says before a collector hears it is said again only five seconds later.
            wait_until(lambda: "broker_connected" in site.collector.log_text, "the collector is there", PATIENCE_S)
            with emulated_meter(directory), running_agent(site.config) as site.agent:
                wait_until(lambda: len(site.windows()) > 0 or not site.agent.running, "a window is stored", PATIENCE_S)
                assert site.agent.running, site.agent.log_path.read_text(encoding="utf-8")
                yield site
        finally:
            site.collector.stop()
