"""A broker, the collector as a process with its live page, and a device that publishes: from a window to a browser."""

import contextlib
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge_agent.wire.mqtt import BrokerSettings
from tests.fakes.brokers import running_broker
from tests.fakes.browser import Seen
from tests.fakes.delivery import CollectorProcess, Device, running_device, wait_until
from tests.fakes.live_server import INVENTORY
from tests.fakes.ports import free_port

PATIENCE_S: Final = 60.0
_SHOWS: Final = "wanted => document.getElementById('inferences')?.value === wanted ? Date.now() : null"


@dataclass(frozen=True, slots=True)
class LiveCollector:
    """``address`` of the page, the ``config`` of the collector, and the device."""

    address: str
    config: Path
    device: Device

    def publish_window(self) -> float:
        """Hand one more window to the device's outbox; return when, in seconds since 1970."""
        now_s = time.time()
        self.device.append()
        return now_s

    def shown_at(self, seen: Seen) -> float:
        """Return when the page showed all windows so far, in seconds since 1970; waits for it."""
        count = sum(window.inference_count for window in self.device.appended)
        return float(seen.page.wait_for_function(_SHOWS, arg=str(count)).json_value()) / 1e3


@contextlib.contextmanager
def live_collector(directory: Path) -> Iterator[LiveCollector]:
    """Run all of it for the length of the block; the page answers when it begins, and one window is stored."""
    (directory / "inventory.toml").write_text(INVENTORY, encoding="utf-8")
    port = free_port()
    with running_broker("mosquitto", directory) as broker:
        collector = CollectorProcess(directory, broker.url)
        config = directory / "collector.toml"
        with config.open("a", encoding="utf-8") as file:
            file.write(f'[inventory]\nfile = "inventory.toml"\n[web]\nlisten = "127.0.0.1:{port}"\ntitle = "Roofs"\n')
        collector.start()
        try:
            with running_device(directory, BrokerSettings(url=broker.url)) as device:
                device.append()
                wait_until(lambda: collector.stored_count() == 1, "a window is stored", PATIENCE_S)
                wait_until(lambda: _answers(port), "the page answers", PATIENCE_S)
                yield LiveCollector(f"http://127.0.0.1:{port}/", config, device)
        finally:
            collector.stop()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
    except OSError:
        return False
    return True
