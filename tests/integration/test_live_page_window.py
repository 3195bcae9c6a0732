"""From a device's window through a real broker and the collector to a real browser: the report's figures, at once."""

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from collector import numbers
from edgejoule.cli import main
from tests.fakes.browser import Seen, page_of
from tests.fakes.live_collector import live_collector

pytestmark = [pytest.mark.browser, pytest.mark.mosquitto]

WINDOWS = 4


def reported(config: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    capsys.readouterr()
    assert main(["fleet", "report", "--json", "--config", str(config)]) == 0
    return json.loads(capsys.readouterr().out)


def assert_shows(seen: Seen, report: Any) -> None:
    """Compare what is written, and the full value behind it, with the report's."""
    total = report["total"]
    expected = {
        "energy": (total["energy_j"], numbers.si_u(total["energy_j"], total["energy_u_j"], "J")),
        "j-per-inference": (
            total["j_per_inference"],
            numbers.si_u(total["j_per_inference"], total["j_per_inference_u"], "J"),
        ),
        "inferences": (total["inference_count"], numbers.count(total["inference_count"])),
        "share": (total["embodied_share_ratio"], numbers.percent(total["embodied_share_ratio"])),
        "coverage": (total["coverage_ratio"], numbers.percent(total["coverage_ratio"], 1)),
        "carbon": (total["total_gco2e"]["value"], numbers.si(total["total_gco2e"]["value"], "g")),
    }
    shown = {name: (float(seen.raw(name) or "nan"), seen.text(f"#{name}")) for name in expected}
    assert shown == expected


def test_a_window_reaches_the_page_with_the_reports_figures(
    tmp_path: Path, browser: Browser, capsys: pytest.CaptureFixture[str]
) -> None:
    with live_collector(tmp_path) as live, page_of(browser) as seen:
        seen.open(live.address)
        for _ in range(WINDOWS):
            live.shown_at(seen)
            assert_shows(seen, reported(live.config, capsys))
            live.publish_window()
        live.shown_at(seen)

        report = reported(live.config, capsys)
        device = report["devices"][0]
        seen.page.get_by_role("link", name=device["device_id"]).click()
        seen.page.get_by_role("heading", level=1, name=device["device_id"]).wait_for()
        assert numbers.si_u(device["energy_j"], device["energy_u_j"], "J") in seen.text("main")
        assert device["hardware"] in seen.text("main")
        seen.page.wait_for_selector(".plot canvas")
        seen.page.get_by_role("link", name="Ledger").click()
        assert seen.text("#ledger-verdict") == "It adds up."
        assert seen.text("#ledger-stored") == str(WINDOWS + 1)
        assert seen.page.get_by_role("row").nth(1).inner_text().split()[-1] == "yes"
        seen.page.get_by_role("link", name="Carbon").click()
        assert float(seen.raw("carbon-embodied") or "nan") == report["total"]["embodied_gco2e"]["value"]
        seen.page.get_by_role("link", name="Factors").click()
        assert seen.page.get_by_role("row").count() > 2
        assert seen.complaints == []
        assert {url for url in seen.requests if not url.startswith(live.address)} == set()
