"""The live page as people use it: by keyboard, on a phone, in the dark, with a connection that breaks."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from tests.fakes.browser import DESKTOP, PHONE, Scheme, Seen, page_of
from tests.fakes.live_fleet import make_device, make_fleet
from tests.fakes.live_page import StandIn, live_page

pytestmark = pytest.mark.browser

PAGES = ("", "carbon", "ledger", "factors", "device/bench/pi4-000", "nowhere")


@pytest.fixture
def server() -> Iterator[StandIn]:
    devices = [make_device(i, simulated=i == 0, unknown=i == 5) for i in range(9)]
    with live_page(make_fleet(devices, simulated=True)) as serving:
        yield serving


def faults(seen: Seen) -> list[str]:
    """Return what axe calls serious or critical, and what its best practices say of landmarks and headings."""
    found = Axe().run(seen.page).response["violations"]
    return [
        f"{one['id']} ({one['impact']}): {[node['target'] for node in one['nodes']][:3]}"
        for one in found
        if one["impact"] in {"serious", "critical"} or "cat.semantics" in one["tags"]
    ]


VIEWS: tuple[tuple[Scheme, tuple[int, int], tuple[str, ...]], ...] = (
    ("light", DESKTOP, ("", "ledger", "factors")),
    ("light", PHONE, ("device/bench/pi4-000",)),
    ("dark", DESKTOP, ("device/bench/pi4-000", "carbon")),
    ("dark", PHONE, ("",)),
)


def test_axe_finds_nothing_serious(browser: Browser, server: StandIn) -> None:
    found = {}
    for scheme, size, pages in VIEWS:
        with page_of(browser, size, scheme) as seen:
            for name in pages:
                seen.open(f"{server.address}#/{name}")
                found[f"{name or 'fleet'}, {scheme}, {size[0]} px"] = faults(seen)

    assert {where: what for where, what in found.items() if what} == {}


def test_axe_would_find_a_fault(browser: Browser, server: StandIn) -> None:
    with page_of(browser) as seen:
        seen.open(server.address)
        seen.page.evaluate("document.querySelector('#theme').removeAttribute('aria-label')")
        seen.page.evaluate("document.querySelector('#theme').replaceChildren()")
        seen.page.evaluate("document.querySelector('#title').style.color = 'var(--line)'")

        assert {fault.split()[0] for fault in faults(seen)} == {"button-name", "color-contrast"}


def test_everything_is_reached_by_keyboard(browser: Browser, server: StandIn) -> None:
    with page_of(browser) as seen:
        seen.open(server.address)
        page = seen.page
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        assert seen.text("h1") == "Fleet"

        stops = set()
        for _ in range(40):
            page.keyboard.press("Tab")
            stops.add(page.evaluate("document.activeElement.textContent.trim() || document.activeElement.tagName"))
        assert {"INPUT", "Power", "Coverage", "pi4-000, online"} <= stops

        page.get_by_role("link", name="pi4-000").focus()
        page.keyboard.press("Enter")
        page.wait_for_function("() => document.activeElement.tagName === 'H1'")
        assert seen.text("h1") == "pi4-000"
        assert page.title() == "pi4-000 · Bench fleet"
        page.go_back()
        page.wait_for_function("() => document.activeElement.textContent === 'Fleet'")


def test_a_phone_never_scrolls_sideways_and_no_other_server_is_asked(browser: Browser, server: StandIn) -> None:
    with page_of(browser, PHONE) as seen:
        for name in PAGES:
            seen.open(f"{server.address}#/{name}")
            assert seen.page.evaluate("document.documentElement.scrollWidth") <= PHONE[0], name

        assert {url for url in seen.requests if not url.startswith(server.address)} == set()
        assert any(url.endswith("/events") for url in seen.requests)
        assert seen.complaints == []  # nor does the page break the policy that its server sends


def test_names_are_text_whatever_is_in_them(browser: Browser, server: StandIn) -> None:
    server.fleet["devices"][0]["site"] = "<img src=x onerror=alert(1)>"
    server.fleet["notes"] = ["<b>bold</b>"]
    server.fleet["title"] = "<i>title</i>"
    with page_of(browser) as seen:
        seen.open(server.address)

        assert "<img src=x onerror=alert(1)> · DE" in seen.text(".virtual")
        assert "<b>bold</b>" in seen.text("main")
        assert seen.text("#title") == "<i>title</i>"
        assert seen.page.locator("main img, main b b, #title i").count() == 0


def test_the_theme_is_chosen_and_stays(browser: Browser, server: StandIn) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    with page_of(browser) as seen:
        seen.open(server.address)
        light = seen.page.evaluate(paper)
        for expected in ("Theme: light", "Theme: dark"):
            seen.page.locator("#theme").click()
            assert seen.page.locator("#theme").get_attribute("aria-label") == expected
        dark = seen.page.evaluate(paper)
        seen.page.reload()
        after = seen.page.evaluate(paper)

    assert light != dark == after


def test_a_pause_holds_the_figures(browser: Browser, server: StandIn) -> None:
    devices = [make_device(i, tick=1) for i in range(9)]
    with page_of(browser) as seen:
        seen.open(server.address)
        before = seen.text("#energy")
        seen.page.get_by_role("button", name="Pause").click()
        server.publish("fleet", make_fleet(devices, tick=1, whole=False))
        seen.page.get_by_text("Paused, 1 newer").wait_for()
        held = seen.text("#energy")
        seen.page.get_by_role("button", name="Resume").click()
        seen.wait_shown(make_fleet([], tick=1)["t_unix_ns"])

        assert before == held != seen.text("#energy")


def test_a_broken_connection_is_said_and_heals(browser: Browser, server: StandIn) -> None:
    with page_of(browser) as seen:
        seen.open(server.address)
        server.away = True
        server.cut()
        seen.page.get_by_text("No connection to the collector.").wait_for()
        assert seen.text("#connection-text").startswith("No connection since 00:53:20 UTC")
        assert seen.text("#announce") == "The connection to the collector is lost."
        server.fleet = make_fleet([make_device(i, tick=3) for i in range(9)], tick=3)
        server.away = False
        seen.wait_shown(server.fleet["t_unix_ns"])
        seen.page.wait_for_selector("#trouble", state="hidden")
        assert seen.text("#announce") == "The page is live again."


def test_a_connection_that_died_without_a_word_is_opened_again(browser: Browser, server: StandIn) -> None:
    """After a laptop's sleep nothing tells the browser that nobody is there any more."""
    with page_of(browser) as seen:
        seen.page.clock.install()
        seen.open(server.address)
        server.fleet = make_fleet([make_device(i, tick=3) for i in range(9)], tick=3)
        seen.page.clock.fast_forward(60_000)
        seen.wait_shown(server.fleet["t_unix_ns"])

        assert sum(url.endswith("/events") for url in seen.requests) == 2
        assert seen.text("#announce") == ""


def test_what_a_devices_page_slept_through_is_fetched(browser: Browser, server: StandIn) -> None:
    later = make_device(0, tick=9)
    with page_of(browser) as seen:
        seen.page.clock.install()
        seen.open(f"{server.address}#/device/bench/{later['device_id']}")
        seen.page.wait_for_selector(".plot canvas")
        seen.page.clock.fast_forward(6_000)
        with seen.page.expect_request("**/series?*"):
            server.publish("fleet", make_fleet([later], tick=9, whole=False))


def test_a_token_that_no_longer_counts_is_said(browser: Browser, server: StandIn) -> None:
    with page_of(browser) as seen:
        seen.open(server.address)
        server.refused = True
        server.cut()
        seen.page.get_by_text("The collector refuses this browser.").wait_for()
        assert "?token=" in seen.text("#trouble")


def test_news_is_said_aloud_and_nothing_else(browser: Browser, server: StandIn) -> None:
    """An update without news leaves the live region alone; a ledger that no longer adds up is news."""
    devices = [make_device(i, tick=1) for i in range(9)]
    broken = make_fleet(devices, tick=2, whole=False)
    broken["ledger"] |= {"missing": 4, "adds_up": False, "sent": broken["ledger"]["sent"] + 4}
    with page_of(browser) as seen:
        seen.open(server.address)
        server.publish("fleet", make_fleet(devices, tick=1, whole=False))
        seen.wait_shown(make_fleet([], tick=1)["t_unix_ns"])
        assert seen.text("#announce") == ""
        server.publish("fleet", broken)
        seen.wait_shown(broken["t_unix_ns"])
        assert seen.text("#announce") == "The ledger does not add up."
        assert seen.text("#ledger") == "does not add up"
