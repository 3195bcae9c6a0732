from pathlib import Path

import pytest

import collector
from collector.inventory import embodied_parts, parse_inventory, read_inventory
from edge_agent.wire.errors import ConfigurationError

SAMPLE = Path(collector.__file__).with_name("inventory.sample.toml")


def test_the_sample_reads_and_fills_defaults() -> None:
    inventory = read_inventory(SAMPLE)
    pi4, zero = inventory.device("pi4-bench"), inventory.device("zero-window")
    assert pi4 is not None
    assert zero is not None
    assert (pi4.zone, pi4.site, pi4.lifetime_years) == ("DE", "lab", 5.0)
    assert (zero.zone, zero.site, zero.lifetime_years) == ("DK", "greenhouse", 5.0)
    assert inventory.device("nobody") is None


def test_a_board_has_parts_and_a_footprint_replaces_them() -> None:
    inventory = read_inventory(SAMPLE)
    pi4, gateway = inventory.device("pi4-bench"), inventory.device("gateway")
    assert pi4 is not None
    assert gateway is not None
    assert [part.factor.id for part in embodied_parts(pi4)] == [
        "logic-silicon", "dram", "circuit-board", "passive-parts", "connectivity", "transport", "flash",
        "card-package", "power-supply-15w",
    ]  # fmt: skip
    footprint = embodied_parts(gateway)[0]
    figure = footprint.factor.estimate
    assert (figure.low, figure.value, figure.high) == (18.0, 24.0, 33.0)
    assert footprint.factor.label == ""


def test_hardware_that_is_not_said_is_unknown() -> None:
    entry = parse_inventory('[[device]]\nid = "x"').device("x")
    assert entry is not None
    assert embodied_parts(entry) == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('hardware = "raspberry-pi-4c"\nlifetime_years = 5', "device 'x': hardware: unknown 'raspberry-pi-4c'; near"),
        ('hardware = "pi-4"', "device 'x' has hardware but no lifetime_years"),
        ("lifetime_years = -5", "Expected `float` >= 0.001 in `device[0].lifetime_years`"),
        ('zonne = "DE"', "unknown key `zonne` in `device[0]`"),
        ('pcf = {kgco2e = 5, source = "EPD", vintage = "2025"}', "missing key `low` in `device[0].pcf`"),
        ('pcf = {kgco2e=5, low=6, high=7, source="EPD", vintage="2025"}', "give low <= kgco2e <= high"),
        ('pcf = {kgco2e=5, low=4, high=7, source="", vintage="2025"}', "device[0].pcf.source"),
        ('[[device]]\nid = "x"', "device 'x' stands twice"),
        ("hardware = ", "not valid TOML"),
    ],
)
def test_bad_values_are_one_line_that_names_the_place(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_inventory(f'[[device]]\nid = "x"\n{text}', "inventory.toml")
    assert str(caught.value).startswith("inventory.toml: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
