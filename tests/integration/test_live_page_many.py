"""A thousand devices on the live page: few elements, little work for a change, and every device in reach."""

import pytest
from playwright.sync_api import Browser

from tests.fakes.browser import Seen, page_of
from tests.fakes.live_fleet import Json, make_device, make_fleet
from tests.fakes.live_page import live_page

pytestmark = pytest.mark.browser

DEVICES = 1000
SOME = 300
MOST_ELEMENTS = 1500
ROWS_IN_VIEW = 60
WATCH = """() => {
  window.work = 0;
  new MutationObserver(records => { window.work += records.length; })
    .observe(document.body, {subtree: true, childList: true, characterData: true, attributes: true});
}"""


def elements(seen: Seen) -> int:
    return int(seen.page.evaluate("document.getElementsByTagName('*').length"))


def rows(seen: Seen) -> list[str]:
    return seen.page.locator(".virtual tbody tr:not(.pad) .name").all_inner_texts()


def work_of(seen: Seen) -> int:
    return int(seen.page.evaluate("() => { const done = window.work; window.work = 0; return done; }"))


def test_elements_and_work_do_not_grow_with_the_fleet(browser: Browser) -> None:
    devices = [make_device(i) for i in range(DEVICES)]
    fleet = make_fleet(devices)

    def change(changed: list[Json], tick: int) -> Json:
        return make_fleet(devices, tick=tick, whole=False) | {"devices": changed}

    with live_page(fleet) as server, page_of(browser) as seen:
        seen.open(server.address)
        first_rows = rows(seen)
        assert len(first_rows) <= ROWS_IN_VIEW
        assert elements(seen) < MOST_ELEMENTS
        seen.page.locator("#pause").focus()

        seen.page.evaluate(WATCH)
        out_of_view = [device for device in devices if device["device_id"] not in first_rows]
        quiet = [make_device(devices.index(device), tick=1) for device in out_of_view[:300]]
        server.publish("fleet", change(quiet, 1))
        seen.wait_shown(fleet["t_unix_ns"] + 10**10)
        unseen_work = work_of(seen)
        server.publish("fleet", change([make_device(i, tick=2) for i in range(DEVICES)], 2))
        seen.wait_shown(fleet["t_unix_ns"] + 2 * 10**10)
        whole_work = work_of(seen)

        assert 0 < unseen_work < 1500  # figures, and ages for as long as it takes; not 300 rows of 13 cells
        assert 0 < whole_work < ROWS_IN_VIEW * 13 * 3
        assert elements(seen) < MOST_ELEMENTS
        assert seen.complaints == []


def test_every_device_is_in_reach(browser: Browser) -> None:
    fleet = make_fleet([make_device(i) for i in range(SOME)])
    names = sorted(device["device_id"] for device in fleet["devices"])

    with live_page(fleet) as server, page_of(browser) as seen:
        seen.open(server.address)
        scroller = seen.page.locator(".table-scroll.tall")
        found = set(rows(seen))
        for _ in range(SOME):
            if len(found) == SOME:
                break
            scroller.evaluate("node => { node.scrollTop += 0.9 * node.clientHeight; }")
            seen.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
            found |= set(rows(seen))
        assert sorted(found) == names

        seen.page.get_by_role("searchbox").fill("pi5-1")
        expected = [name for name in names if name.startswith("pi5-1")]
        seen.page.wait_for_function(
            "text => document.querySelector('.filters output').textContent.startsWith(text)",
            arg=f"{len(expected)} of ",
        )
        assert rows(seen) == expected[: len(rows(seen))]

        seen.page.get_by_role("searchbox").fill("no such device")
        seen.page.get_by_text("No device fits this filter.").wait_for()


def test_sorting_puts_the_unknown_last_in_either_direction(browser: Browser) -> None:
    devices = [make_device(i, unknown=i == 3) for i in range(8)]
    by_power = [d["device_id"] for d in sorted(devices, key=lambda d: -d["latest"]["power_w"])]

    with live_page(make_fleet(devices)) as server, page_of(browser) as seen:
        seen.open(server.address)
        power = seen.page.get_by_role("button", name="Power", exact=False).first
        power.focus()
        seen.page.keyboard.press("Enter")
        assert rows(seen) == by_power
        seen.page.keyboard.press("Enter")
        assert rows(seen) == by_power[::-1]
        temperature = seen.page.get_by_role("button", name="SoC")
        for expected in ("descending", "ascending"):
            temperature.press("Enter")
            assert rows(seen)[-1] == devices[3]["device_id"]
            assert seen.page.locator(f"th[aria-sort={expected}]").inner_text().startswith("SoC")
