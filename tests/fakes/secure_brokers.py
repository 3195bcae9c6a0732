"""mosquitto with TLS and certificates on both sides, as lines for ``running_broker`` and settings for its clients."""

from pathlib import Path
from typing import Literal

import msgspec

from edge_agent.connection import Connection
from edge_agent.wire.errors import BrokerUnavailableError, ConfigurationError
from edge_agent.wire.mqtt import BrokerSettings
from tests.fakes.brokers import BrokerProcess, listens
from tests.fakes.certificates import Authority, Pair
from tests.fakes.delivery import wait_until

DEPLOY = Path(__file__).parents[2] / "deploy"
Scheme = Literal["mqtt", "mqtts", "ws", "wss"]


def tls_lines(
    authority: Authority, broker: Pair, *, client_certificates: bool = True, access_list: bool = False
) -> str:
    """Return the lines below mosquitto's listener: its own certificate, and what it asks of clients."""
    lines = [f"cafile {authority.path}", f"certfile {broker.cert}", f"keyfile {broker.key}"]
    if client_certificates:
        lines += ["require_certificate true", "use_identity_as_username true"]
    if access_list:
        lines += ["allow_anonymous false", f"acl_file {DEPLOY / 'edgejoule.acl'}"]
    return "\n".join(lines) + "\n"


def login(
    broker: BrokerProcess, authority: Authority, pair: Pair | None = None, *, host: str = "127.0.0.1"
) -> BrokerSettings:
    """Return the settings of a client that trusts ``authority`` and shows the certificate of ``pair``, if any."""
    settings = BrokerSettings(url=f"mqtts://{host}:{broker.port}", ca_file=str(authority.path))
    if pair is None:
        return settings
    return msgspec.structs.replace(settings, cert_file=str(pair.cert), key_file=str(pair.key))


def refusal(settings: BrokerSettings, client_id: str = "visitor") -> str:
    """Return the one line on why a device cannot connect, "" when it can.

    Not ``pytest.raises``: the exception's traceback would keep the client, and its sockets, until the next collection.
    """
    try:
        connect(settings, client_id)
    except (ConfigurationError, BrokerUnavailableError) as error:
        line = str(error)
    else:
        return ""
    assert "\n" not in line
    return line


def connect(settings: BrokerSettings, client_id: str = "visitor") -> None:
    """Connect as a device does, and leave. Raises ConfigurationError or BrokerUnavailableError."""
    connection = Connection(settings, client_id, [f"edgejoule/v1/home/{client_id}/ack"], lambda *_: None, lambda: None)
    connection.open(f"edgejoule/v1/home/{client_id}/status", b"gone")
    connection.close()


def wait_until_listening(port: int) -> None:
    """Return when a listener beside the broker's first one is there."""
    wait_until(lambda: listens(port), f"port {port} listens")
