"""What the live page does when more changes than windows: intensities, the journal itself, and who looks at it."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collector.build import build_assessor
from collector.carbon.revisions import IntensityRevision
from collector.config import CollectorConfig
from collector.fleet.report import fleet_report
from collector.intensity.store import IntensityStore
from collector.intensity_config import IntensityConfig, SourceConfig
from collector.journal import Journal
from collector.serving import live_page
from edge_agent.wire.errors import ConfigurationError
from edgejoule.cli import main
from tests.fakes.intensities import HALF_HOUR_NS
from tests.fakes.live_server import PATIENCE_S, QUICK, Site, served, site_config
from tests.fakes.ports import free_port
from tests.fakes.windows import T0_UNIX_NS, commit_rows, make_fleet_rows

COMMAND = (sys.executable, "-m", "edgejoule", "collector")


@pytest.fixture
def config(tmp_path: Path) -> CollectorConfig:
    return site_config(tmp_path)


@pytest.fixture
def journal(config: CollectorConfig) -> Iterator[Journal]:
    with closing(Journal(config.journal_path)) as journal:
        commit_rows(journal, make_fleet_rows(20))
        yield journal


def wait_for(found: Callable[[], Any], wanted: Any) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while (seen := found()) != wanted:
        assert time.monotonic() < deadline_s, f"{seen} instead of {wanted}"
        time.sleep(0.02)


def grams_of(config: CollectorConfig, journal: Journal) -> float:
    total = fleet_report(journal, config.lake_dir, build_assessor(config)).total
    assert total.operational_gco2e is not None
    return total.operational_gco2e.value


def revision(value: float, fetched_unix_ns: int) -> IntensityRevision:
    return IntensityRevision(
        source="uk_carbon_intensity",
        zone="GB",
        kind="average",
        valid_from_unix_ns=T0_UNIX_NS // HALF_HOUR_NS * HALF_HOUR_NS,
        valid_to_unix_ns=(T0_UNIX_NS // HALF_HOUR_NS + 1) * HALF_HOUR_NS,
        gco2e_per_kwh=value,
        fetched_at_unix_ns=fetched_unix_ns,
    )


def test_a_revised_intensity_changes_the_grams_to_those_of_the_report(
    config: CollectorConfig, journal: Journal
) -> None:
    source = SourceConfig(kind="uk_carbon_intensity", zones={"DE": "GB"})
    config = msgspec.structs.replace(config, intensity=IntensityConfig(source=(source,)))
    with closing(IntensityStore(config.intensity_path)) as store, served(config) as site:

        def shown_g() -> float:
            value: float = site.ask("/api/fleet").json["total"]["operational_gco2e"]["value"]
            return value

        before_g = grams_of(config, journal)
        assert shown_g() == before_g
        store.add([revision(100.0, 1), revision(90.0, 2)])
        after_g = grams_of(config, journal)
        assert after_g != before_g, "the test needs a revision that matters"
        wait_for(shown_g, after_g)
        factors = site.ask("/api/fleet").json["factors"]
        assert "uk_carbon_intensity:GB:average" in [one["id"] for one in factors]
        quality = {one["zone"]: one["quality"] for one in site.ask("/api/fleet").json["intensities"]}
        assert quality == {"DE": "yearly"}, "the revision is of the past; now the yearly average holds"


def test_what_a_journal_without_a_lake_has_removed_does_not_count_any_more(
    config: CollectorConfig, journal: Journal
) -> None:
    config = msgspec.structs.replace(config, lake=msgspec.structs.replace(config.lake, enabled=False))
    with served(config) as site:
        assert site.ask("/api/fleet").json["total"]["windows"] == 60
        journal.set_cursor("influxdb", 60)
        assert journal.remove_old(["influxdb"], 2**62, 25) == 25
        assert fleet_report(journal, None, None).total.windows == 35
        wait_for(lambda: site.ask("/api/fleet").json["total"]["windows"], 35)


def test_a_journal_that_is_taken_away_ends_the_page(config: CollectorConfig, journal: Journal) -> None:
    with live_page(config, pace=QUICK) as page:
        assert Site(page.url).ask("/api/fleet").status == 200
        config.journal_path.rename(config.journal_path.with_name("elsewhere"))
        wait_for(lambda: page.alive, wanted=False)
        answer = Site(page.url).ask("/api/fleet")
        assert (answer.status, answer.headers["retry-after"]) == (503, "2")


def test_a_page_without_a_journal_is_one_line(config: CollectorConfig) -> None:
    with pytest.raises(ConfigurationError, match="no journal here"), live_page(config):
        pass


def write_config(folder: Path, **web: str) -> Path:
    listed = "".join(f"{name} = {json.dumps(text)}\n" for name, text in web.items())
    broker = f'[broker]\nurl = "mqtt://127.0.0.1:{free_port()}"\n'
    path = folder / "collector.toml"
    path.write_text(f'state_dir = "."\n{broker}[web]\n{listed}', encoding="utf-8")
    return path


@pytest.mark.parametrize("words", [("web", "--listen"), ("run", "--web")])
def test_the_commands_serve_the_page_and_end_when_asked(journal: Journal, tmp_path: Path, words: Any) -> None:
    """A collector that runs, though its broker is away, and the page alone beside nothing."""
    config = write_config(tmp_path, title="our roofs")
    port = free_port()
    command = [*COMMAND, words[0], "--config", str(config), words[1], f"127.0.0.1:{port}"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            site = Site(f"http://127.0.0.1:{port}")
            deadline_s = time.monotonic() + PATIENCE_S
            while True:
                try:
                    shown = site.ask("/api/fleet").json
                    break
                except ConnectionError:
                    assert process.poll() is None
                    assert time.monotonic() < deadline_s
                    time.sleep(0.05)
            assert (shown["title"], shown["total"]["windows"]) == ("our roofs", 60)
            with site.events() as events:
                assert events.next() is not None
                process.send_signal(signal.SIGTERM)
                assert process.wait(PATIENCE_S) == 0
                while events.next() is not None:
                    pass
        finally:
            process.kill()
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


@pytest.mark.parametrize(
    ("web", "words", "said"),
    [
        ({"listen": "0.0.0.0:8787"}, ("check-config",), "name a token_file"),
        ({"listen": "8787"}, ("check-config",), "write host:port, such as 127.0.0.1:8787"),
        ({"listen": "::1:8787"}, ("check-config",), "write host:port"),
        ({}, ("web", "--listen", "192.0.2.1:80"), "others than this machine can reach it"),
        ({}, ("run", "--web", "nonsense"), "write host:port"),
        ({"listen": "127.0.0.1:0", "token_file": "empty"}, ("web",), "holds no token"),
        ({"listen": "127.0.0.1:0", "token_file": "absent"}, ("web",), "web.token_file"),
        ({"listen": "127.0.0.1:0", "token_file": "empty"}, ("check-config",), "holds no token"),
    ],
)
def test_what_cannot_be_served_is_said_in_one_line(
    tmp_path: Path, web: Any, words: Any, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").write_text("\n", encoding="utf-8")
    config = write_config(tmp_path, **web)
    assert main(["collector", words[0], "--config", str(config), *words[1:]]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert said in line
