"""The fleet file: what holds for whom, what every board's agent.toml becomes, and what is refused where."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.inventory import parse_inventory
from edge_agent.config import AgentConfig
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.toml_config import decode_toml
from edgejoule.cli import main
from edgejoule.deploy.fleet.devices import Device, load_fleet, merged

SAMPLE = Path(__file__).parents[3] / "deploy" / "fleet.sample.toml"
HEAD = """
[defaults]
model = "digits_mlp_int8"
broker = "mqtt://broker"
[defaults.agent.meter]
driver = "tc66c"
port = "/dev/ttyUSB0"
boundary = "usb_dc"
"""


def devices(folder: Path, text: str, head: str = HEAD) -> dict[str, Device]:
    path = folder / "fleet.toml"
    path.write_text(head + text)
    return {device.id: device for device in load_fleet(path).devices}


def document(device: Device) -> dict[str, Any]:
    return tomllib.loads(device.config.decode())


def test_the_sample_makes_what_it_says() -> None:
    fleet = {device.id: device for device in load_fleet(SAMPLE).devices}
    lyon = document(fleet["lyon-01"])
    assert lyon["device"] == {"id": "lyon-01", "fleet": "bakeries", "device_class": "raspberry-pi-4"}
    assert lyon["window"]["window_s"] == 60.0
    assert lyon["grid"]["zone"] == "FR"
    assert lyon["meter"] == {"port": "/dev/edgejoule-meter", "driver": "tc66c", "boundary": "usb_dc"}
    assert lyon["broker"]["key_file"] == "/run/credentials/edgejoule-agent.service/device.key"
    assert document(fleet["berlin-01"])["window"]["window_s"] == 30.0
    assert fleet["berlin-02"].login.host == "10.1.0.12"
    assert fleet["lyon-01"].wishes.ntp == ("ntp.lyon.lan",)
    for device in fleet.values():
        assert decode_toml(device.config.decode(), AgentConfig, device.id).device.id == device.id


def test_the_inventory_is_one_that_a_collector_takes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deploy", "inventory", str(SAMPLE)]) == 0
    inventory = parse_inventory(capsys.readouterr().out)
    assert set(inventory.devices) == {"berlin-01", "berlin-02", "lyon-01"}
    assert inventory.devices["lyon-01"].zone == "FR"
    assert inventory.devices["lyon-01"].hardware == "raspberry-pi-4b-4gb"


def test_the_nearer_one_holds_and_tables_are_merged(tmp_path: Path) -> None:
    found = devices(
        tmp_path,
        """
        [defaults.agent.broker]
        keepalive_s = 60
        [[site]]
        id = "s"
        broker = "mqtt://site"
        gate_seconds = 99.0
        [[device]]
        id = "far"
        [[device]]
        id = "near"
        site = "s"
        [[device]]
        id = "nearest"
        site = "s"
        agent = { broker = { url = "mqtt://own" } }
        gate_seconds = 7.0
        """,
    )
    assert [document(found[name])["broker"]["url"] for name in ("far", "near", "nearest")] == [
        "mqtt://broker",
        "mqtt://site",
        "mqtt://own",
    ]
    assert document(found["nearest"])["broker"]["keepalive_s"] == 60
    assert [found[name].gate_seconds for name in ("far", "near", "nearest")] == [180.0, 99.0, 7.0]


def test_what_is_set_up_beside_the_configuration_shows_in_it(tmp_path: Path) -> None:
    one = devices(tmp_path, '[[device]]\nid = "a"\nmeter_serial = "1"\n')["a"]
    other = devices(tmp_path, '[[device]]\nid = "a"\nmeter_serial = "2"\n')["a"]
    assert one.config != other.config
    assert document(one) == document(other)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no \\[\\[device\\]\\]|missing key"),
        ('[[device]]\nid = "a"\ncolour = "red"', "unknown key `colour`"),
        ('[[device]]\nid = "a"\n[device.agent.window]\nwindow_size = 3', "device a: agent.*window_size.*did you mean"),
        ('[[device]]\nid = "a"\n[device.agent.window]\nwindow_s = "3"', "device a: agent.*window_s"),
        ('[[device]]\nid = "a"\n[[device]]\nid = "a"', "a stands there twice"),
        ('[[device]]\nid = "a"\nhost = "h"\n[[device]]\nid = "b"\nhost = "h"', "host h port 22 stands there twice"),
        ('[[device]]\nid = "a"\nsite = "s"', "site 's' is none of"),
        ('[[device]]\nid = "a"\n[device.agent.device]\nid = "b"', "leave it out"),
        ('[[device]]\nid = "a"\nbroker = "http://x"', "device a: "),
        ('[[device]]\nid = "a"\nsecrets = { pw = "not-there" }', "secrets.pw: there is no file"),
        ('[[device]]\nid = "a"\nsecrets = { "../pw" = "x" }', "secrets"),
        ('[pki]\ndirectory = "ca"\n[[device]]\nid = "a"', "not TLS: write mqtts://"),
        ('[roll_out]\ncanaries = ["b"]\n[[device]]\nid = "a"', "no device is called b"),
        ('[[device]]\nid = "a/b"', "id"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as raised:
        devices(tmp_path, text)
    assert "fleet.toml" in str(raised.value)
    assert "\n" not in str(raised.value)


TREES: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 3)),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner | st.integers(0, 3)),
)


@given(one=TREES, two=TREES, three=TREES)
def test_merging_keeps_what_is_above_and_does_not_mind_brackets(
    one: dict[str, Any], two: dict[str, Any], three: dict[str, Any]
) -> None:
    both = merged(one, two)
    assert merged(both, two) == both
    assert merged(one, {}) == one
    assert set(both) == set(one) | set(two)
    if not _clash(one, two, three):
        assert merged(merged(one, two), three) == merged(one, merged(two, three))


def _clash(*trees: dict[str, Any]) -> bool:
    """Tell whether a key is a table in one and none in another: then the order of merging counts."""
    for key in {key for tree in trees for key in tree}:
        values = [tree[key] for tree in trees if key in tree]
        tables = [value for value in values if isinstance(value, dict)]
        if 0 < len(tables) < len(values) or _clash(*tables):
            return True
    return False
