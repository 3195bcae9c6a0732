"""What a device answers for: parts by kind, shares of common hardware, what a predecessor left; nothing is lost."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.carbon.amortisation import charge
from collector.carbon.embodied import Part
from collector.inventory import Inventory, embodied_parts, parse_inventory
from edge_agent.wire.errors import ConfigurationError

PI = 'hardware = "pi-4"\nlifetime_years = 5\n'
HUB = '[[shared]]\nid = "h"\nhardware = "pi-4"\n'
EVER = (0.0, 1e10)


def masses(inventory: Inventory, device_id: str) -> dict[str, float]:
    """Return kgCO2e by part."""
    entry = inventory.device(device_id)
    assert entry is not None
    return {part.name: part.mass_kgco2e() for part in embodied_parts(entry)}


def parts_of(text: str) -> tuple[Part, ...]:
    entry = parse_inventory(f'[[device]]\nid = "x"\n{text}').device("x")
    assert entry is not None
    return embodied_parts(entry)


def whole(text: str) -> float:
    return math.fsum(part.mass_kgco2e() for part in parts_of(text))


def ids(text: str) -> set[str]:
    return {part.factor.id for part in parts_of(text)}


def test_supply_case_meter_card_and_end_of_life_are_parts() -> None:
    plain = ids(PI)
    assert "power-supply-15w" in plain
    assert ids(PI + 'power_supply = "none"') == plain - {"power-supply-15w"}
    assert ids(PI + 'power_supply = "45w"') == plain - {"power-supply-15w"} | {"power-supply-45w"}
    assert ids(PI + 'case = "case-plastic"') == plain | {"case-plastic"}
    assert ids(PI + "sd_card_gb = 33") == plain | {"flash", "card-package"}
    assert ids(PI + "sd_card_gb = 0") == plain
    assert ids(PI + 'meter = "um25c"') == ids(PI + 'meter = "meter-usb-inline"') == plain | {"display", "case-plastic"}
    assert ids(PI + "end_of_life = true") - plain == {
        "end-of-life-circuit-board", "end-of-life-passive-parts", "end-of-life-connectivity",
        "end-of-life-power-supply",
    }  # fmt: skip


def test_what_is_not_said_is_named() -> None:
    def unstated(text: str) -> tuple[str, ...]:
        entry = parse_inventory(f'[[device]]\nid = "x"\n{text}').device("x")
        assert entry is not None
        return entry.unstated()

    assert unstated("") == ()
    assert unstated(PI) == ("sd_card", "case", "meter", "end_of_life")
    said = 'sd_card_gb = 0\ncase = "none"\nmeter = "none"\nend_of_life = false\n'
    assert unstated(PI + said) == ()
    pcf = 'lifetime_years = 5\npcf = {kgco2e=5, low=4, high=7, source="EPD", vintage="2025"}'
    assert unstated(pcf) == ("meter",)


def test_a_footprint_replaces_what_it_covers_and_nothing_else() -> None:
    declared = 'pcf = {kgco2e=5, low=4, high=7, source="EPD", vintage="2025"'
    device = PI + 'sd_card_gb = 32\nmeter = "ppk2"\n'
    meter = whole(device) - whole(PI + "sd_card_gb = 32")
    assert whole(device + declared + "}") == pytest.approx(5.0 + meter)
    assert whole(device + declared + ', covers = ["meter"]}') == pytest.approx(5.0 + 1.26)
    supplied = PI + 'power_supply = "15w"\n' + declared + ", covers = []}"
    assert whole(supplied) == pytest.approx(5.0 + 1.5)


def test_devices_of_one_product_share_its_error() -> None:
    pcf = 'pcf = {kgco2e=5, low=4, high=7, source="EPD", vintage="2025"}\nhardware = "Gateway C"\nlifetime_years = 5\n'
    text = f'[[device]]\nid = "a"\n{pcf}[[device]]\nid = "b"\n{pcf}'
    first, second = parse_inventory(text).devices.values()
    assert embodied_parts(first)[0].factor.id == embodied_parts(second)[0].factor.id == "pcf-gateway-c"
    with pytest.raises(ConfigurationError, match="'pcf-gateway-c' has other figures elsewhere"):
        parse_inventory(text.replace("kgco2e=5", "kgco2e=6", 1))


def test_own_parts_are_quantities_or_masses_with_a_source() -> None:
    lens = '{name="lens", kgco2e=0.8, low=0.4, high=1.6, source="letter", vintage="2025", share_ratio=0.5}'
    die = '{name="chip", factor="logic-silicon", amount="die-orin"}'
    text = f'lifetime_years = 5\npart = [{lens}, {die}, {{name="fan", factor="aluminium", quantity=0.1}}]'
    assert [part.mass_kgco2e() for part in parts_of(text)] == pytest.approx([0.4, 4.55 * 2.7, 1.2])


def test_a_part_that_lasts_shorter_is_used_up_more_often() -> None:
    card = whole(PI + "sd_card_gb = 32") - whole(PI)
    more = whole(PI + "sd_card_gb = 32\npart_lifetime_years = {sd_card = 2.5}") - whole(PI)
    assert more == pytest.approx(2.0 * card)
    fan = 'part = [{name="fan", factor="aluminium", quantity=0.1, lifetime_years=20}]'
    assert whole(PI + fan) - whole(PI) == pytest.approx(1.2 / 4.0)


def test_a_meter_is_shared_and_a_second_hand_board_counts_in_part() -> None:
    meter = whole(PI + 'meter = "um25c"') - whole(PI)
    assert whole(PI + 'meter = "um25c"\nmeter_share_ratio = 0.25') - whole(PI) == pytest.approx(0.25 * meter)
    left = whole(PI + "second_hand = {charged_before_ratio = 0.6}")
    assert left == pytest.approx(1.5 + 0.4 * (whole(PI) - 1.5))


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), st.floats(0.01, 1e12), min_size=1))
def test_shared_hardware_is_answered_for_once(weights: dict[str, float]) -> None:
    devices = "".join(f'[[device]]\nid = "{name}"\nhardware = "none"\nlifetime_years = 5\n' for name in "abc")
    listed = ", ".join(f"{name} = {weight!r}" for name, weight in weights.items())
    shared = f'[[shared]]\nid = "hub"\nhardware = "pi-4"\nby = "bytes"\nweights = {{{listed}}}\nlifetime_years = 10\n'
    inventory = parse_inventory(devices + shared)
    total = math.fsum(mass for name in "abc" for mass in masses(inventory, name).values())
    # Devices of five years use up half of something that lasts for ten.
    assert total == pytest.approx(0.5 * whole(PI))
    assert all(name.startswith("hub: ") for name in masses(inventory, next(iter(weights))))


def test_users_share_alike() -> None:
    devices = "".join(f'[[device]]\nid = "{name}"\nhardware = "none"\nlifetime_years = 5\n' for name in "ab")
    shared = '[[shared]]\nid = "hub"\nhardware = "pi-4"\nby = "users"\nusers = ["a", "b"]\n'
    inventory = parse_inventory(devices + shared)
    for name in "ab":
        assert math.fsum(masses(inventory, name).values()) == pytest.approx(0.5 * whole(PI))


@given(st.integers(2020, 2027), st.integers(2020, 2027), st.sampled_from(["linear_in_time", "front_loaded", "sunk"]))
def test_a_chain_of_successors_loses_no_mass(first: int, second: int, policy: str) -> None:
    lives = [("a", first, "b"), ("b", second, "c"), ("c", None, None)]
    text = f'[defaults]\nhardware = "pi-4"\nlifetime_years = 5\npolicy = "{policy}"\ndecline_ratio = 0.5\n'
    for name, retired, successor in lives:
        text += f'[[device]]\nid = "{name}"\nin_service_since = 2020-01-01\n'
        if retired is not None:
            text += f'retired_on = {retired}-01-01\nresidue = "carried_to_successor"\nsuccessor = "{successor}"\n'
    inventory, charged = parse_inventory(text), 0.0
    for entry in inventory.devices.values():
        plan = entry.life_plan()
        assert plan is not None
        charged += charge(plan, *EVER).share_ratio * math.fsum(masses(inventory, entry.id).values())
    assert charged == pytest.approx(3.0 * whole(PI))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PI + 'meter = "um26c"', "device 'x': meter: unknown 'um26c'; near names: meter-usb-inline"),
        (PI + 'case = "case-gold"', "device 'x': case: unknown 'case-gold'; near names: case-"),
        (
            PI + 'power_supply = "12w"',
            "device 'x': power_supply: unknown 'power-supply-12w'; near names: power-supply-",
        ),
        (PI + 'part = [{name="fan"}]', "part 'fan': give either factor"),
        (PI + 'part = [{name="fan", kgco2e=1, factor="dram"}]', "part 'fan': give either factor"),
        (PI + 'part = [{name="fan", kgco2e=1, low=1, high=2}]', "part 'fan': a kgco2e of your own needs low, high, s"),
        (PI + 'part = [{name="fan", factor="dramm"}]', "part 'fan': factor: unknown 'dramm'; near names: dram"),
        (
            PI + 'part = [{name="c", factor="dram", amount="die-orin"}]',
            "cm2 of something in kgCO2e/GB; `edgejoule carbon",
        ),
        (PI + 'part = [{name="c", factor="die-orin"}]', "embodied factors are in kgCO2e"),
        (PI + 'policy = "by_use"', "device 'x': by_use needs lifetime_uses"),
        (PI + 'policy = "sunk"', "device 'x': sunk, a retirement and an extension need the first day"),
        (PI + 'policy = "linear"', "Invalid enum value 'linear'"),
        (PI + "in_service_since = 2025-01-01\nretired_on = 2024-01-01", "cannot lie before the first day of service"),
        (PI + 'residue = "written_off_to_fleet"', "residue is what a retirement leaves over; give retired_on"),
        (PI + 'successor = "y"', "successor 'y' is no [[device]] here"),
        (PI + 'successor = "x"', "comes after itself"),
        (PI + "part_lifetime_years = {fan = 2}", "Invalid enum value 'fan'"),
        ('hardware = "pi-4"\npart_lifetime_years = {board = 2}', "needs the device's lifetime_years"),
        (PI + '[[shared]]\nid = "h"\nby = "users"\nusers = ["y"]', "shared 'h': 'y' is no [[device]]"),
        (PI + '[[shared]]\nid = "h"\nby = "time"\nusers = ["x"]', "shared 'h': give weights"),
        (PI + '[[shared]]\nid = "h"\nby = "time"\nweights = {x = 0}', "shared 'h': nobody used it"),
        (
            '[[shared]]\nid = "h"\nlifetime_years = 5\nhardware = "pi-4"\nby = "time"\nweights = {x = 1}',
            "device 'x' has no lifetime_years",
        ),
        (PI + '[[shared]]\nid = "h"\nby = "time"\nweights = {x = 1}', "shared 'h': nothing is said of what it is"),
        (PI + '[[shared]]\nid = "h"\nby = "users"\nusers = ["x", "x"]', "shared 'h': a user stands twice"),
        (PI + 2 * (HUB + 'by = "users"\nusers = ["x"]\n'), "shared 'h' stands twice"),
        ("lifetime_years = 5\n" + HUB + 'by = "users"\nusers = ["x"]', "nothing is said of its own board"),
        (
            PI + 'policy = "by_use"\nlifetime_uses = 9\nin_service_since = 2025-01-01\nretired_on = 2026-01-01',
            "device 'x': what by_use leaves over at a retirement hangs on all uses before it",
        ),
        (PI + "extended_lifetime_years = 8", "device 'x': an extension needs both the moment"),
        (PI + 'part = [{name="m", factor="dram", low=1, high=2}]', "part 'm': the factor 'dram' has a range"),
        (PI + "sd_card_gb = 2000000", "<= 1000000"),
        (PI + "part_lifetime_years = {sd_card = 5e-324}", ">= 0.001"),
        ('part = [{name="f", kgco2e=1e308, low=1, high=1e308, source="s", vintage="v"}]', "<= 1000000000.0"),
    ],
)
def test_what_does_not_fit_together_is_one_line(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_inventory(f'[[device]]\nid = "x"\n{text}', "inventory.toml")
    assert str(caught.value).startswith("inventory.toml: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_hardware_that_is_named_none_has_no_board() -> None:
    lens = 'part = [{name="lens", kgco2e=1, low=1, high=1, source="s", vintage="v"}]\n'
    defaults = '[defaults]\nhardware = "pi-4"\nlifetime_years = 5\n[[device]]\nid = "x"\n'
    assert math.fsum(masses(parse_inventory(f"{defaults}{lens}"), "x").values()) == pytest.approx(1.0 + whole(PI))
    assert masses(parse_inventory(f'{defaults}hardware = "none"\n{lens}'), "x") == {"lens": 1.0}


def test_a_device_of_an_unknown_board_is_not_its_memory_card() -> None:
    defaults = '[defaults]\nlifetime_years = 5\nsd_card_gb = 32\nmeter = "um25c"\n'
    inventory = parse_inventory(f'{defaults}[[device]]\nid = "x"\n')
    assert masses(inventory, "x") == {}


def test_end_of_life_counts_for_every_kind_of_board() -> None:
    ends = {"end-of-life-circuit-board", "end-of-life-passive-parts", "end-of-life-connectivity"}
    footprint = 'pcf = {kgco2e=10, low=9, high=11, source="s", vintage="v", covers=[]}\n'
    assert ids(f"{PI}{footprint}end_of_life = true") == {"pcf-pi-4", *ends}
    own = 'lifetime_years = 5\npart = [{name="m", factor="dram", quantity=2}]\n'
    assert ids(f"{own}end_of_life = true") == {"dram", *ends}


def test_second_hand_is_the_first_of_a_part_and_is_said_once() -> None:
    card = PI + "sd_card_gb = 32\npart_lifetime_years = {sd_card = 2.5}\n"
    one = whole(PI + "sd_card_gb = 32") - whole(PI)
    used = whole(card + 'second_hand = {charged_before_ratio = 0.4, parts = ["sd_card", "sd_card"]}')
    assert used - whole(PI) == pytest.approx(1.6 * one)


def test_a_footprint_holds_one_card_and_the_next_ones_count_besides() -> None:
    footprint = 'pcf = {kgco2e=10, low=9, high=11, source="s", vintage="v"}\n'
    one = whole(PI + "sd_card_gb = 32") - whole(PI)
    assert whole(f"{PI}{footprint}sd_card_gb = 32") == pytest.approx(10.0)
    both = f"{PI}{footprint}sd_card_gb = 32\npart_lifetime_years = {{sd_card = 2.5}}"
    assert whole(both) == pytest.approx(10.0 + one)


@pytest.mark.parametrize(
    ("life", "cards", "meters", "hubs"),
    [
        ("", 2.0, 0.5, 0.5),
        ("retired_on = 2023-12-31", 1.6, 0.4, 0.4),  # four years of 365 days
        ("retired_on = 2020-12-31", 1.0, 0.1, 0.1),  # the first card is bought however early it leaves
        ("retired_on = 2028-12-29", 2.0, 0.5, 0.5),  # beyond the planned life nothing more is charged
        ("extended_on = 2022-01-01\nextended_lifetime_years = 10", 4.0, 1.0, 1.0),
        ("extended_on = 2026-01-01\nextended_lifetime_years = 10", 2.0, 0.5, 0.5),
        ("extended_on = 2022-01-01\nextended_lifetime_years = 10\nretired_on = 2027-12-30", 3.2, 0.8, 0.8),
    ],
)
def test_parts_with_lives_of_their_own_follow_the_turns_of_a_life(
    life: str, cards: float, meters: float, hubs: float
) -> None:
    hub = '[[shared]]\nid = "hub"\nhardware = "pi-4"\nby = "users"\nusers = ["x"]\nlifetime_years = 10\n'
    device = f"{PI}in_service_since = 2020-01-01\n"
    turned = f"{device}{life}\n"
    more = "part_lifetime_years = {sd_card = 2.5, meter = 10}\n"
    card, meter = (whole(f"{device}{one}") - whole(device) for one in ("sd_card_gb = 32", 'meter = "um25c"'))
    assert whole(f"{turned}{more}sd_card_gb = 32") - whole(device) == pytest.approx(cards * card)
    assert whole(f'{turned}{more}meter = "um25c"') - whole(device) == pytest.approx(meters * meter)
    assert whole(f"{turned}{hub}") - whole(device) == pytest.approx(hubs * whole(PI))


def test_defaults_hold_for_each_part_that_a_device_does_not_name() -> None:
    text = (
        '[defaults]\nhardware = "pi-4"\nlifetime_years = 5\npart_lifetime_years = {meter = 10}\n[[device]]\nid = "x"\n'
    )
    entry = parse_inventory(f"{text}part_lifetime_years = {{sd_card = 2.5}}").device("x")
    assert entry is not None
    assert entry.part_lifetime_years == {"meter": 10.0, "sd_card": 2.5}
