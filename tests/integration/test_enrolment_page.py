"""docs/enrolment.md: its commands as they stand there enrol a fleet, which mosquitto takes, and revoke a device."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edgejoule.pki.device_files import DeviceFiles
from tests.fakes.brokers import BrokerProcess, listens, running_broker
from tests.fakes.delivery import wait_until
from tests.fakes.enrolment import DEPLOY, login_with
from tests.fakes.ports import free_port
from tests.fakes.secure_brokers import refusal

PAGE = Path(__file__).parents[2] / "docs" / "enrolment.md"


class Reader:
    """Somebody who follows the page, with paths and a port of a test's own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self._environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def commands(self, title: str, kind: str = "") -> str:
        """Return the commands of a section that are of one kind."""
        section = PAGE.read_text(encoding="utf-8").split(f"\n## {title}\n")[1].split("\n## ")[0]
        head = f"bash {kind}".strip()
        found = "".join(re.findall(rf"^```{head}\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL))
        assert found
        for place in ("/etc/edgejoule/", "/etc/mosquitto/"):
            found = found.replace(place, f"{self.directory}{place}")
        return found.replace("8442", str(self.port))

    def run(self, title: str, kind: str = "", **words: str) -> str:
        """Run them and return what they printed."""
        commands = self.commands(title, kind)
        for name, word in words.items():
            assert name in commands
            commands = commands.replace(name, word)
        outcome = subprocess.run(
            ["bash", "-euc", commands],
            cwd=self.directory,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert outcome.returncode == 0, outcome.stderr
        return outcome.stdout

    @contextmanager
    def enrolment_server(self) -> Iterator[None]:
        """Run the server of the page until the block ends."""
        with (self.directory / "serve.log").open("wb") as log:
            process = subprocess.Popen(
                ["bash", "-euc", f"exec {self.commands('The enrolment server', 'serve')}"],
                cwd=self.directory,
                env=self._environment,
                stdout=log,
                stderr=log,
            )
        try:
            wait_until(lambda: listens(self.port), "the enrolment server listens", 60)
            yield
        finally:
            process.terminate()
            assert process.wait(60) == 0


def broker_lines(printed: str, reader: Reader) -> str:
    lines = re.sub(r"listener 8883\n", "", printed[printed.index("listener") :])
    access_list = f"{reader.directory}/etc/mosquitto/edgejoule.acl"
    return lines.replace(f"{reader.directory}/etc/mosquitto/certs", f"{reader.directory}/broker").replace(
        access_list, str(DEPLOY / "edgejoule.acl")
    )


@pytest.mark.mosquitto
def test_the_commands_of_the_page_enrol_a_fleet_and_revoke_a_device(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    reader.run("The authority, once")
    lines = broker_lines(reader.run("The broker"), reader)
    device = tmp_path / "etc" / "edgejoule" / "pki"
    with reader.enrolment_server(), running_broker("mosquitto", tmp_path, lines) as broker:
        token = reader.run("A device", "token").strip()
        reader.run("A device", "device", TOKEN=token)
        assert refusal(login_with(device, broker)) == ""
        reader.run("The collector and the operator")
        reader.run("By hand, on a stick")
        assert refusal(login_with(tmp_path / "garden", broker)) == ""
        assert "nothing done" in reader.run("Renewal", "device")
        assert DeviceFiles(device).is_enrolled
        assert "revoked" in reader.run("Revocation")
        assert "systemctl reload" in reader.run("Revocation", "broker")
        restart(broker)
        assert "cert" in refusal(login_with(device, broker))
        assert refusal(login_with(tmp_path / "garden", broker)) == ""


def restart(broker: BrokerProcess) -> None:
    broker.stop()
    broker.start()
