"""Bottom-up masses: the screening table comes out of the bills of materials, and shared causes stay shared."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.analysis.embodied_list import item_mass
from collector.carbon.embodied import Part, corners_kgco2e, embodied_gco2e
from collector.carbon.estimate import Estimate
from collector.carbon.factors import SCREENING_LABEL, Factor
from collector.carbon.montecarlo import Draws, percentiles
from collector.data.hardware import card_parts, find_item, shipped_items
from collector.inventory import hardware_parts

SCREENING = {
    # board: low, value, high, high with twice as much for what is truncated, value without power supply and transport
    "raspberry-pi-3b-plus": (2.0, 7.2, 18.8, 37.6, 5.3),
    "raspberry-pi-4b-4gb": (2.3, 9.3, 25.6, 51.3, 7.4),
    "raspberry-pi-5-8gb": (2.8, 12.0, 36.8, 73.6, 10.1),
    "raspberry-pi-zero-2-w": (1.6, 5.4, 15.0, 30.0, 3.5),
    "jetson-nano-4gb": (4.7, 16.1, 37.5, 75.0, 12.7),
    "jetson-orin-nano-8gb": (9.2, 27.7, 64.5, 128.9, 24.3),
    "jetson-xavier-nx-8gb": (8.5, 25.8, 62.7, 125.3, 22.4),
    "jetson-agx-orin-64gb": (17.0, 69.1, 219.2, 438.4, 64.2),
    "coral-dev-board": (3.1, 9.7, 24.6, 49.2, 7.8),
    "esp32-devkit": (0.6, 2.3, 5.7, 11.3, 1.4),
    "arduino-nano-33-ble": (0.5, 2.1, 5.2, 10.5, 1.2),
}
"""The screening table that was printed before there were bills of materials, kgCO2e."""


def factor(value: float, low: float, high: float, unit: str = "kgCO2e", name: str = "f") -> Factor:
    return Factor(
        id=name, name=name, estimate=Estimate(value, low, high, unit, "s"), scope="s", source="s", licence="l",
        vintage="v", method="m",
    )  # fmt: skip


def part(quantity: float, of: Factor, **changes: object) -> Part:
    return Part(name="p", factor=of, quantity=quantity, **changes)  # type: ignore[arg-type]  # bad on purpose


def drawn(parts: tuple[Part, ...]) -> tuple[float, float, float]:
    draws = Draws(seed=7, count=40_000)
    total = sum(p.multiplier * math.prod([draws.of(f.id, f.estimate) for f in p.factors]) for p in parts)
    spread = percentiles(total, "kgCO2e")  # type: ignore[arg-type]  # a sum over at least one array
    return spread.p50, spread.p5, spread.p95


@pytest.mark.parametrize("board", SCREENING)
def test_the_screening_table_comes_out_of_the_parts(board: str) -> None:
    low, value, high, doubled, bare = SCREENING[board]
    mass = item_mass(find_item(board, "test"))
    assert (round(mass.all_low, 1), round(mass.total.value, 1), round(mass.all_high, 1)) == (low, value, high)
    assert mass.all_high_truncation is not None
    assert round(mass.all_high_truncation, 1) == doubled
    delivered = sum(p.kgco2e.value for p in mass.parts if p.factor_id.startswith(("power-supply", "transport")))
    assert mass.total.value - delivered == pytest.approx(bare, abs=0.07)
    assert mass.label == SCREENING_LABEL
    assert mass.all_low < mass.total.low < mass.total.value < mass.total.high < mass.all_high


def test_every_board_is_in_the_screening_table() -> None:
    assert {item.id for item in shipped_items() if item.kind == "board"} == set(SCREENING)


def test_parts_of_known_boards() -> None:
    def masses(board: str) -> dict[str, float]:
        return {p.factor_id: round(p.kgco2e.value, 2) for p in item_mass(find_item(board, "test")).parts}

    assert masses("orin-nano") == {
        "logic-silicon": 12.29, "dram": 4.32, "circuit-board": 3.58, "passive-parts": 1.45, "connectivity": 0.9,
        "aluminium": 1.8, "transport": 0.4, "power-supply-45w": 3.0,
    }  # fmt: skip
    assert masses("agx-orin")["dram"] == 34.56


@pytest.mark.parametrize(("size_gb", "low", "value", "high"), [(16, 0.24, 0.78, 3.68), (32, 0.33, 1.26, 7.36)])
def test_a_card_is_flash_and_a_package(size_gb: int, low: float, value: float, high: float) -> None:
    # The table that was printed before left the package out at its high end: 0.30 kg.
    assert corners_kgco2e(card_parts(size_gb)) == pytest.approx((value, low, high + 0.30), abs=0.005)


@pytest.mark.parametrize("board", ["raspberry-pi-4b-4gb", "jetson-agx-orin-64gb", "jetson-orin-nano-8gb"])
def test_the_range_is_near_what_draws_say(board: str) -> None:
    parts = hardware_parts(board, 32, "test")
    mass = embodied_gco2e(parts)
    p50, p5, p95 = drawn(parts)
    # A sum of skewed parts has its median above the sum of the medians; its ends agree within a tenth.
    assert (mass.low / 1000.0, mass.high / 1000.0) == pytest.approx((p5, p95), rel=0.13)
    assert mass.value / 1000.0 == pytest.approx(p50, rel=0.13)


@given(st.floats(0.01, 1e3), st.floats(1.0, 20.0), st.floats(1.0, 20.0), st.lists(st.floats(0.01, 1e3), min_size=1))
def test_parts_of_one_factor_are_wrong_together(value: float, down: float, up: float, quantities: list[float]) -> None:
    dram = factor(value, value / down, value * up, "kgCO2e/GB")
    mass, whole = embodied_gco2e(tuple(part(quantity, dram) for quantity in quantities)), math.fsum(quantities)
    assert mass.range == pytest.approx(tuple(1000.0 * whole * end for end in dram.estimate.range), rel=1e-9)


@given(st.floats(0.1, 100.0), st.floats(0.1, 100.0), st.floats(1.01, 10.0))
def test_independent_factors_are_surer_together_than_in_the_corners(
    first: float, second: float, spread: float
) -> None:
    parts = (
        part(1.0, factor(first, first / spread, first * spread, name="a")),
        part(1.0, factor(second, second / spread, second * spread, name="b")),
    )
    mass, (value, low, high) = embodied_gco2e(parts), corners_kgco2e(parts)
    assert low * 1000.0 < mass.low < mass.value < mass.high <= high * 1000.0 * (1.0 + 1e-12)
    assert mass.value == pytest.approx(1000.0 * value)


def test_an_uncertain_amount_multiplies() -> None:
    silicon, die = factor(2.0, 1.0, 4.0, "kgCO2e/cm2", "silicon"), factor(0.5, 0.25, 1.0, "cm2", "die")
    chip = part(2.0, silicon, amount=die, share_ratio=0.5)
    assert chip.mass_kgco2e() == pytest.approx(1.0)
    assert [f.id for f in chip.factors] == ["silicon", "die"]
    grow = 2.0 ** math.sqrt(2.0)
    assert embodied_gco2e((chip,)).range == pytest.approx((1000.0, 1000.0 / grow, 1000.0 * grow))
    assert corners_kgco2e((chip,)) == pytest.approx((1.0, 0.25, 4.0))


def test_a_range_from_zero_stays_at_zero_or_above() -> None:
    parts = (part(1.0, factor(1.0, 0.0, 2.0, name="a")), part(1.0, factor(1.0, 0.0, 2.0, name="b")))
    assert embodied_gco2e(parts[:1]).range == pytest.approx((1000.0, 0.0, 2000.0))
    assert 0.0 < embodied_gco2e(parts).low < 1000.0


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: part(1.0, factor(1.0, 1.0, 1.0, "kg")), "are in kgCO2e"),
        (lambda: part(-1.0, factor(1.0, 1.0, 1.0)), "a quantity is a finite number from 0"),
        (lambda: part(math.inf, factor(1.0, 1.0, 1.0)), "a quantity is a finite number from 0"),
        (lambda: part(1.0, factor(1.0, 1.0, 1.0), share_ratio=-0.1), "a share_ratio is"),
        (lambda: part(1.0, factor(1.0, 1.0, 1.0, "kgCO2e/GB"), amount=factor(1.0, 1.0, 1.0, "cm2")), "cm2 of"),
        (lambda: part(1.0, factor(1.0, -1.0, 1.0)), "less than nothing"),
        (lambda: embodied_gco2e(()), "unknown, not zero"),
    ],
)
def test_what_is_no_part_is_refused(build: object, message: str) -> None:
    assert callable(build)
    with pytest.raises(ValueError, match=message):
        build()
