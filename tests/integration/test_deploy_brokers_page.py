"""docs/deploy-brokers.md: its commands as they stand there make a fleet's certificates, which mosquitto takes."""

import re
import subprocess
from pathlib import Path

import pytest

from edge_agent.wire.mqtt import BrokerSettings
from tests.fakes.brokers import BrokerProcess, running_broker
from tests.fakes.secure_brokers import refusal
from tests.what_is_there import find_program

PAGE = Path(__file__).parents[2] / "docs" / "deploy-brokers.md"


def run_section(title: str, directory: Path) -> None:
    """Run the bash commands of one section."""
    section = PAGE.read_text(encoding="utf-8").split(f"\n## {title}\n")[1].split("\n## ")[0]
    commands = "".join(re.findall(r"^```bash\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL))
    assert commands
    subprocess.run(["bash", "-euc", commands], cwd=directory, check=True, capture_output=True)


def restarted(broker: BrokerProcess) -> None:
    broker.stop()
    broker.start()


@pytest.mark.mosquitto
@pytest.mark.skipif(find_program("openssl") is None, reason="needs openssl")
def test_the_commands_of_the_page_make_a_fleet_and_revoke_a_device(tmp_path: Path) -> None:
    run_section("The authority, once", tmp_path)
    place = tmp_path / "authority"
    run_section("The broker", place)
    run_section("A device", place)
    lines = (
        f"cafile {place}/ca.crt\ncertfile {place}/broker.crt\nkeyfile {place}/broker.key\ncrlfile {place}/fleet.crl\n"
        "require_certificate true\nuse_identity_as_username true\n"
    )
    with running_broker("mosquitto", tmp_path, lines) as broker:
        settings = BrokerSettings(
            url=f"mqtts://localhost:{broker.port}",
            ca_file=str(place / "ca.crt"),
            cert_file=str(place / "device.crt"),
            key_file=str(place / "device.key"),
        )
        assert refusal(settings) == ""
        old = (place / "device.crt").read_text()
        run_section("Renewal", place)
        assert (place / "device.crt").read_text() != old
        assert refusal(settings) == ""
        run_section("Revocation", place)
        restarted(broker)
        assert "cert_file" in refusal(settings)
