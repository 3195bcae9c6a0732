"""The live page in a real browser: how long a window takes to be seen, and what 1,000 devices cost the browser.

"A window to the page": from the device's outbox through mosquitto, the collector and its server to the drawn figure,
against the two seconds that are promised. "An update": time that the page's main thread spends (script, style, layout)
on an event of 1,000 devices that all changed, against a page that parses the same events and writes the text of one
element. Needs Chromium, and mosquitto for the first.
"""

import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import structlog
from playwright.sync_api import Browser

from benchmarks.harness import Measurement, benchmark
from tests.fakes.browser import Seen, chromium, page_of
from tests.fakes.live_collector import live_collector
from tests.fakes.live_fleet import T0_UNIX_NS, make_device, make_fleet
from tests.fakes.live_page import StandIn, live_page

PROMISED_S: Final = 2.0
WINDOWS: Final = 15
DEVICES: Final = 1000
UPDATES: Final = 30
ROUNDS: Final = 5
EVERY_S: Final = 0.1
MOST_OF_FLOOR_RATIO: Final = 3.0
BARE: Final = b"""<!doctype html><title>floor</title><p id="text"></p><script src="static/bare.js"></script>"""
BARE_SCRIPT: Final = b"""const source = new EventSource("events");
const text = document.getElementById("text");
function take(event) {
  const data = JSON.parse(event.data);
  requestAnimationFrame(() => {
    text.textContent = String(data.total.energy_j);
    document.documentElement.dataset.shown = String(data.t_unix_ns);
  });
}
source.addEventListener("snapshot", take);
source.addEventListener("fleet", take);
"""


def _program() -> str:
    found = shutil.which("chromium")
    if found is None:
        raise RuntimeError("this benchmark needs chromium: apt-get install chromium")
    return found


@benchmark
def window_to_page() -> Iterator[Measurement]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with (
        tempfile.TemporaryDirectory() as folder,
        live_collector(Path(folder)) as live,
        chromium(_program()) as browser,
        page_of(browser) as seen,
    ):
        seen.open(live.address)
        live.shown_at(seen)
        waited_s = []
        for number in range(WINDOWS):
            time.sleep(0.7 + 0.05 * number)  # windows come at any moment of the server's rhythm
            published_s = live.publish_window()
            waited_s.append(live.shown_at(seen) - published_s)
    yield Measurement(
        name="a window from the device's outbox to the browser",
        ours=waited_s,
        other=[PROMISED_S] * len(waited_s),
        other_name="two seconds",
        kind="budget",
        limit_ratio=1.0,
    )


@benchmark
def update_of_a_thousand_devices() -> Iterator[Measurement]:
    devices = [make_device(i) for i in range(DEVICES)]
    ticks = [make_fleet([make_device(i, tick=t) for i in range(DEVICES)], tick=t, whole=False) for t in range(1, 4)]
    with live_page(make_fleet(devices)) as server, chromium(_program()) as browser:
        ours, floor = [], []
        for _ in range(ROUNDS):
            ours.append(_busy_s(browser, server, ticks, lambda seen: seen.open(server.address)))
            server.files = {"index.html": BARE, "bare.js": BARE_SCRIPT}
            floor.append(_busy_s(browser, server, ticks, lambda seen: _open_bare(seen, server)))
            server.files = {}
    yield Measurement(
        name=f"an update of {DEVICES} changed devices in the browser",
        ours=ours,
        other=floor,
        other_name="parsing the same event and writing one text",
        kind="floor",
        limit_ratio=MOST_OF_FLOOR_RATIO,
    )


def _open_bare(seen: Seen, server: StandIn) -> None:
    seen.page.goto(server.address)
    seen.page.wait_for_selector("html[data-shown]", state="attached")


def _busy_s(
    browser: Browser, server: StandIn, ticks: list[dict[str, object]], opened: Callable[[Seen], None]
) -> float:
    """Return the seconds of the page's main thread for one update."""
    with page_of(browser) as seen:
        opened(seen)
        time.sleep(1.0)
        session = seen.page.context.new_cdp_session(seen.page)
        session.send("Performance.enable")

        def task_s() -> float:
            metrics = session.send("Performance.getMetrics")["metrics"]
            return float(next(one["value"] for one in metrics if one["name"] == "TaskDuration"))

        before_s = task_s()
        for number in range(UPDATES):
            update = ticks[number % len(ticks)] | {"t_unix_ns": T0_UNIX_NS + (number + 1) * 1_000_000}
            server.publish("fleet", update)
            seen.wait_shown(T0_UNIX_NS + (number + 1) * 1_000_000)
            time.sleep(EVERY_S)
        return (task_s() - before_s) / UPDATES
