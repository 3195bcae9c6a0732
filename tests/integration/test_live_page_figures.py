"""What the live page writes: the collector's figures, digit for digit, and never a made-up one."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser

from collector import numbers
from collector.carbon.estimate import Estimate
from tests.fakes.browser import page_of
from tests.fakes.live_fleet import Json, fleet_series, make_device, make_fleet
from tests.fakes.live_page import live_page

pytestmark = pytest.mark.browser

LARGEST = 1e18
EVERY = """async values => {
  const n = await import("./static/numbers.js");
  const grams = v => ({value: v, low: v / 2, high: v * 2});
  return values.map(([v, u, i]) => [n.si(v, "W"), n.siU(v, u, "J"), n.significant(v), n.percent(v, 1), n.percent(u),
    n.count(i), n.span(u), n.grams(grams(u)), n.gramsRange(grams(u)), n.plain(grams(u))]);
}"""


def as_the_report(value: float, u: float, integer: int) -> list[str]:
    grams = Estimate(u, u / 2, u * 2, "g", "")
    return [
        numbers.si(value, "W"),
        numbers.si_u(value, u, "J"),
        numbers.significant(value),
        numbers.percent(value, 1),
        numbers.percent(u),
        numbers.count(integer),
        numbers.span(u),
        numbers.grams(grams),
        numbers.grams_range(grams),
        numbers.plain(grams),
    ]


def magnitudes() -> st.SearchStrategy[float]:
    """Return figures as meters give them, and ties, which two languages round differently."""
    return st.one_of(
        st.floats(min_value=1e-15, max_value=LARGEST),
        st.builds(lambda n, p: n / 2**p, st.integers(1, 4000), st.integers(0, 6)),
        st.builds(lambda n, p: n * 10.0**p, st.integers(1, 9999), st.integers(-12, 9)),
        st.just(0.0),
    )


def test_every_digit_is_that_of_the_reports(browser: Browser) -> None:
    values = st.tuples(st.builds(lambda v, s: v * s + 0.0, magnitudes(), st.sampled_from((1, -1))), magnitudes())
    batch = st.lists(st.tuples(values, st.integers(0, 2**50)), min_size=20, max_size=40)

    with live_page(make_fleet([])) as server, page_of(browser) as seen:
        seen.page.goto(server.address)

        @settings(max_examples=25)
        @given(batch)
        def check(drawn: list[tuple[tuple[float, float], int]]) -> None:
            asked = [[value, u, integer] for (value, u), integer in drawn]
            assert seen.page.evaluate(EVERY, asked) == [
                as_the_report(value, u, integer) for (value, u), integer in drawn
            ]

        check()


def test_rates_have_spaces_between_thousands_and_ticks_as_many_places_as_their_steps(browser: Browser) -> None:
    asked = """async () => {
      const n = await import("./static/numbers.js");
      const rates = [3173180.2, 7296.4, 81.34, 0.5, null].map(n.perSecond);
      return [rates, [0.25, 0.5, 2.5, 0.1, 1, 20, 0.05].map(n.placesOf)];
    }"""
    with live_page(make_fleet([])) as server, page_of(browser) as seen:
        seen.page.goto(server.address)
        rates, places = seen.page.evaluate(asked)

    assert [rate.replace(numbers.NBSP, " ") for rate in rates] == [
        "3 173 180 /s",
        "7 296 /s",
        "81.3 /s",
        "0.500 /s",
        "–",
    ]
    assert places == [2, 1, 1, 1, 0, 0, 2]


def test_the_fleets_figures(browser: Browser) -> None:
    fleet = make_fleet([make_device(i, simulated=i == 0) for i in range(5)], simulated=True)
    total = fleet["total"]

    with live_page(fleet) as server, page_of(browser) as seen:
        seen.open(server.address)

        assert seen.text("#j-per-inference") == numbers.si_u(total["j_per_inference"], total["j_per_inference_u"], "J")
        assert seen.text("#energy") == numbers.si_u(total["energy_j"], total["energy_u_j"], "J")
        assert seen.text("#inferences") == numbers.count(total["inference_count"])
        assert seen.text("#coverage") == numbers.percent(total["coverage_ratio"], 1)
        assert seen.text("#carbon") == numbers.si(total["total_gco2e"]["value"], "g")
        assert seen.text("#ledger") == "adds up"
        assert float(seen.raw("energy") or "nan") == total["energy_j"]
        assert float(seen.raw("carbon") or "nan") == total["total_gco2e"]["value"]
        power_w = sum(device["latest"]["power_w"] for device in fleet["devices"])
        assert seen.text("#power") == numbers.si(power_w, "W")
        assert "360 of 1 800 windows come from emulated meters" in seen.text("#simulated").replace(numbers.NBSP, " ")
        assert seen.text("#title") == "Bench fleet"
        assert seen.complaints == []


def test_the_ledger_says_of_each_device_whether_it_adds_up(browser: Browser) -> None:
    fleet = make_fleet([make_device(number) for number in range(2)])
    broken = fleet["ledger"]["devices"][1]
    broken |= {"stored": broken["stored"] - 2, "missing": 2}
    with live_page(fleet) as server, page_of(browser) as seen:
        seen.open(server.address + "#/ledger")

        rows = [seen.page.get_by_role("row").nth(number).inner_text().split() for number in (1, 2)]
        assert [row[-1] for row in rows] == ["yes", "NO"]


def test_a_chart_says_the_range_of_each_part_and_not_of_what_is_stacked(browser: Browser) -> None:
    """Operational grams stand on the embodied ones; those who hear the chart are told them alone."""
    grams = [value for value in fleet_series(240)["operational_gco2e"] if value is not None]
    with live_page(make_fleet([make_device(0)])) as server, page_of(browser) as seen:
        seen.open(server.address)
        said = seen.page.get_by_role("img", name="Operational and embodied CO2e").get_attribute("aria-label") or ""

        assert f"operational: from {numbers.si(min(grams), 'g')} to {numbers.si(max(grams), 'g')};" in said


def test_a_device_that_does_not_throttle_is_not_said_to_be_unknown(browser: Browser) -> None:
    with live_page(make_fleet([make_device(0)])) as server, page_of(browser) as seen:
        seen.open(server.address + "#/device/bench/pi4-000")
        said = seen.page.get_by_role("img", name="Temperature").get_attribute("aria-label") or ""

        assert "temperature: from" in said
        assert "unknown" not in said


def test_the_bar_of_carbon_is_full_and_divided_by_share_however_small_the_grams(browser: Browser) -> None:
    fleet = make_fleet([make_device(0)])
    share = fleet["total"]["embodied_share_ratio"]
    for name in ("operational_gco2e", "embodied_gco2e", "total_gco2e"):
        fleet["total"][name] = {part: value / 1000 for part, value in fleet["total"][name].items()}

    with live_page(fleet) as server, page_of(browser) as seen:
        seen.open(server.address)
        whole, operational, embodied = (
            seen.page.locator(f".heroes .split{part}").evaluate("node => node.getBoundingClientRect().width")
            for part in ("", " .operational", " .embodied")
        )

    gap_px = 2
    assert operational + embodied + gap_px == pytest.approx(whole, abs=1)
    assert embodied / (operational + embodied) == pytest.approx(share, abs=0.01)


def test_a_devices_page_and_a_window_that_follows(browser: Browser) -> None:
    fleet = make_fleet([make_device(i) for i in range(3)])

    with live_page(fleet) as server, page_of(browser) as seen:
        seen.open(f"{server.address}#/device/bench/pi5-001")
        before = [seen.text("#device-power"), seen.text("#device-jpi")]
        later = make_device(1, tick=1)
        seen.page.wait_for_selector(".plot canvas")
        server.publish("fleet", make_fleet([later], tick=1, whole=False))
        seen.wait_shown(make_fleet([], tick=1)["t_unix_ns"])

        assert before == [power_of(make_device(1)), jpi_of(make_device(1))]
        assert [seen.text("#device-power"), seen.text("#device-jpi")] == [power_of(later), jpi_of(later)]
        assert seen.text("h1") == "pi5-001"
        assert "litert 2.3.0 cpu, 1 thread" in seen.text("main")
        assert seen.page.locator("figure, .plot canvas").count() == 4
        assert seen.complaints == []


def power_of(device: Json) -> str:
    return numbers.si(device["latest"]["power_w"], "W")


def jpi_of(device: Json) -> str:
    latest = device["latest"]
    return numbers.si_u(latest["j_per_inference"], latest["j_per_inference"] * latest["energy_u_ratio"], "J")


def without_windows() -> Json:
    """Return a device that was heard and has not measured yet."""
    silent = dict.fromkeys(
        ("latest", "birth", "clock_state", "outbox_windows", "meter_connected", "last_seen_unix_ns")
    )
    account: Json = dict.fromkeys(make_device(0)["account"])
    for name in ("windows", "simulated_windows", "inference_count", "duration_s", "gap_s", "energy_j", "energy_u_j"):
        account[name] = 0
    nothing: Json = {"coverage_ratio": 0.0, "intensity_ratio": {}}
    return make_device(0, unknown=True) | silent | {"models": [], "meters": [], "account": account | nothing}


def no_ledger(fleet: Json) -> Json:
    names = ("sent", "stored", "dropped", "refused", "pending", "missing")
    fleet["ledger"] = dict.fromkeys(names, 0) | {"adds_up": True, "devices": []}
    return fleet


def nobody() -> Json:
    fleet = no_ledger(make_fleet([]))
    return fleet | {
        "since_unix_ns": None,
        "notes": [],
        "factors": [],
        "sinks": [],
        "intensities": [],
        "dead_letters": {},
    }


def only_silent() -> Json:
    fleet = nobody()
    device = without_windows()
    fleet["devices"] = [device]
    fleet["total"] = device["account"]
    return fleet


def half_known() -> Json:
    return make_fleet([make_device(0, unknown=True), make_device(1)])


UNKNOWN: tuple[tuple[Callable[[], Json], str], ...] = (
    (nobody, "No device has been heard yet"),
    (only_silent, "No window has been stored yet"),
    (half_known, "unknown: a factor is missing"),
)


def test_what_is_unknown_is_never_a_number(browser: Browser) -> None:
    for make, expected in UNKNOWN:
        with live_page(make()) as server, page_of(browser) as seen:
            said = {}
            for name in ("", "carbon", "ledger", "factors", "device/bench/pi4-000"):
                seen.open(f"{server.address}#/{name}")
                said[name] = seen.text("main")

            for text in said.values():
                assert not [word for word in ("NaN", "null", "undefined", "Infinity", "Invalid") if word in text]
            assert expected in said[""]
            assert seen.page.locator("#simulated").is_hidden()
            assert seen.complaints == [] or make is nobody  # there, asking for the device's series gets a 404
