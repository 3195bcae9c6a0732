"""A fleet's authority with its enrolment server on loopback, and devices that ask it, as ``edgejoule pki`` does."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from edge_agent.wire.mqtt import BrokerSettings
from edgejoule.pki import enrolment, names
from edgejoule.pki.authority import Authority, create_authority
from edgejoule.pki.broker_config import broker_lines
from edgejoule.pki.files import make_folder
from edgejoule.pki.server import EnrolmentServer, Place, serving
from tests.fakes.brokers import BrokerProcess
from tests.fakes.certificates import LOOPBACK

DEPLOY = Path(__file__).parents[2] / "deploy"
HERE = Place("127.0.0.1", 0, [LOOPBACK[0]], [LOOPBACK[1]])


class Fleet:
    """An authority, its server and where its devices keep their keys."""

    def __init__(self, directory: Path, authority: Authority, server: EnrolmentServer) -> None:
        self.directory = directory
        self.authority = authority
        self.server = server
        self.url = f"https://127.0.0.1:{server.server_port}"

    def token(self, name: str, valid_s: float = 3600) -> str:
        return str(self.authority.give_token(names.client(name, is_service=name in names.SERVICES), valid_s))

    def enrol(self, name: str, place: str = "") -> Path:
        """Return the directory of an enrolled device."""
        out = self.directory / (place or name)
        enrolment.enrol(out, self.url, self.token(name))
        return out

    def broker_lines(self) -> str:
        """Return what `pki broker-config` prints, with a broker's certificate made for loopback and no second port."""
        place = self.directory / "broker"
        if not place.exists():
            make_broker_files(self.authority, place)
        lines = broker_lines(port=1, certificates=str(place), access_list=str(DEPLOY / "edgejoule.acl"))
        return lines.replace("listener 1\n", "")


def make_broker_files(authority: Authority, place: Path) -> None:
    """Write what `pki server-cert` writes."""
    from edgejoule.cli import main  # noqa: PLC0415  the command itself

    make_folder(place, 0o755)
    assert main(["pki", "server-cert", str(authority.directory), *host_words(), "--out", str(place)]) == 0


def host_words() -> list[str]:
    return ["--name", LOOPBACK[0], "--ip", LOOPBACK[1]]


@contextlib.contextmanager
def running_fleet(directory: Path, days: int = 365) -> Iterator[Fleet]:
    authority = create_authority(directory / "ca", "fleet")
    with serving(authority, HERE, days) as server:
        yield Fleet(directory, authority, server)


def login_with(place: Path, broker: BrokerProcess) -> BrokerSettings:
    """Return the settings of a client that keeps its files in ``place``."""
    return BrokerSettings(
        url=f"mqtts://127.0.0.1:{broker.port}",
        ca_file=str(place / "ca.crt"),
        cert_file=str(place / "device.crt"),
        key_file=str(place / "device.key"),
    )


def without_certificate(settings: BrokerSettings) -> BrokerSettings:
    return msgspec.structs.replace(settings, cert_file="", key_file="")
