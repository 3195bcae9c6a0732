"""How both ends name, reach and log in to a broker. No MQTT library and no socket in here: settings and words only."""

import ssl
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, Protocol
from urllib.parse import urlsplit

import msgspec

from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.text_file import read_text

DEFAULT_PORT: Final = 1883
DEFAULT_TLS_PORT: Final = 8883


class BrokerAddress(NamedTuple):
    """Where a broker listens."""

    host: str
    port: int
    tls: bool

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"


class BrokerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``[broker]`` table of both ends.

    ``url``: ``mqtt://host[:port]`` or, with TLS, ``mqtts://host[:port]``. Secrets are named by file, never written
    into the configuration. ``protocol``: "5" (default) or "3.1.1" for brokers that know no newer one.
    """

    url: str = "mqtt://127.0.0.1:1883"
    username: str = ""
    password_file: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    protocol: Literal["5", "3.1.1"] = "5"
    keepalive_s: int = msgspec.field(default=30)


class LoginClient(Protocol):
    """What ``log_in`` needs of an MQTT client."""

    def username_pw_set(self, username: str | None, password: str | None = None) -> None:
        """Remember the credentials."""

    def tls_set_context(self, context: ssl.SSLContext | None = None) -> None:
        """Use TLS."""


def parse_broker_url(url: str) -> BrokerAddress:
    """Return the address that ``url`` names. Raises ConfigurationError with the form that is expected."""
    remedy = "write mqtt://host:port, or mqtts://host:port for TLS"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigurationError(f"broker url {url!r}: {error}; {remedy}") from error
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
        raise ConfigurationError(f"broker url {url!r} names no MQTT broker; {remedy}")
    if parts.username or parts.password:
        raise ConfigurationError(
            f"broker url for {parts.hostname!r} holds credentials; use username and password_file instead"
        )
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ConfigurationError(f"broker url {url!r} has something after the port; {remedy}")
    tls = parts.scheme == "mqtts"
    try:
        parts.hostname.encode("idna")
    except UnicodeError as error:
        raise ConfigurationError(f"broker url {url!r}: {parts.hostname!r} is not a host name; {remedy}") from error
    if port == 0:
        raise ConfigurationError(f"broker url {url!r}: port 0 cannot be connected to; {remedy}")
    return BrokerAddress(parts.hostname, port or (DEFAULT_TLS_PORT if tls else DEFAULT_PORT), tls)


def check_settings(settings: BrokerSettings) -> BrokerAddress:
    """Return the address, after a check that every named file is there and that the settings fit together.

    Raises ConfigurationError.
    """
    address = parse_broker_url(settings.url)
    if not 5 <= settings.keepalive_s <= 3600:
        raise ConfigurationError(f"broker keepalive_s = {settings.keepalive_s}: choose 5 to 3600 seconds")
    if settings.password_file and not settings.username:
        raise ConfigurationError("broker password_file is set but username is not: MQTT needs both")
    if bool(settings.cert_file) != bool(settings.key_file):
        raise ConfigurationError("broker cert_file and key_file belong together: set both or none")
    if (settings.ca_file or settings.cert_file) and not address.tls:
        raise ConfigurationError(f"broker ca_file/cert_file are set but {settings.url!r} is not TLS: write mqtts://")
    _ = read_password(settings)
    if address.tls:
        _ = tls_context(settings)
    return address


def read_password(settings: BrokerSettings) -> str | None:
    """Return the password, without the line end of the file that holds it. Raises ConfigurationError."""
    if not settings.password_file:
        return None
    name = f"broker password_file {settings.password_file}"
    return read_text(Path(settings.password_file), name).strip("\r\n")


def tls_context(settings: BrokerSettings) -> ssl.SSLContext:
    """Return the TLS context: the named authority or the system's, and the client's certificate if there is one."""
    try:
        context = ssl.create_default_context(cafile=settings.ca_file or None)
        if settings.cert_file:
            context.load_cert_chain(settings.cert_file, settings.key_file)
    except (OSError, ssl.SSLError) as error:
        names = ", ".join(name for name in (settings.ca_file, settings.cert_file, settings.key_file) if name)
        raise ConfigurationError(f"broker certificates ({names}): {error}; name PEM files that can be read") from error
    return context


def log_in(client: LoginClient, settings: BrokerSettings) -> None:
    """Give the client its credentials and its TLS context. Raises ConfigurationError."""
    if settings.username:
        client.username_pw_set(settings.username, read_password(settings))
    if parse_broker_url(settings.url).tls:
        client.tls_set_context(tls_context(settings))


def explain_connect_error(error: Exception, address: BrokerAddress) -> str:
    """Return one line for a failed connection: what happened and what to look at."""
    if type(error).__name__ == "gaierror":
        return f"no such host {address.host!r}: check the broker url and the name service"
    if isinstance(error, ConnectionRefusedError):
        return f"nothing listens at {address}: start the broker or correct the url"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate of {address} is not trusted ({error.verify_message}): check ca_file and the host name"
    if isinstance(error, ssl.SSLError):
        return f"TLS with {address} failed ({error}): is this the TLS port, and is the client certificate right?"
    if isinstance(error, TimeoutError):
        return f"{address} does not answer: check the network and the firewall"
    return f"cannot connect to {address}: {error}"


def explain_silence(address: BrokerAddress) -> str:
    """Return one line for a connection that was accepted and then never answered."""
    return f"{address} accepts connections but does not answer: is it MQTT?"


def explain_early_end(address: BrokerAddress) -> str:
    """Return one line for a connection that ended before the broker's CONNACK."""
    return f"{address} closed the connection before it answered: check username, password_file and protocol"


def explain_end(reason: Any, other: str, remedy: str) -> str:
    """Return one line for the end of a connection that stood.

    ``reason``: the client library's reason code. ``other``: who else may use our client id, and ``remedy`` then.
    """
    words = str(reason)
    if "taken over" in words.lower():
        return f"another client connected under the same {remedy}"
    return f"the broker or the network went away ({words}); if this repeats, look for a second {other} with this id"


def explain_refusal(reason: Any) -> str:
    """Return one line for a CONNACK that says no; ``reason`` is the client library's reason code."""
    words = str(reason)
    lowered = words.lower()
    if "not authorized" in lowered or "bad user" in lowered or "banned" in lowered:
        return f"the broker refuses this client ({words}): check username, password_file and the broker's access list"
    if "protocol version" in lowered:
        return f'the broker speaks another MQTT version ({words}): set protocol = "3.1.1" in [broker]'
    if "identifier" in lowered:
        return f"the broker refuses the client id ({words}): check the device id and the broker's settings"
    return f"the broker refuses the connection ({words})"
