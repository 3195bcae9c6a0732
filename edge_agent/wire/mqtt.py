"""How both ends name, reach and log in to a broker. No MQTT library and no socket in here: settings and words only."""

import ssl
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, Protocol
from urllib.parse import urlsplit

import msgspec

from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.text_file import read_text

MqttVersion = Literal["5", "3.1.1"]
Transport = Literal["tcp", "websockets"]
DEFAULT_WS_PATH: Final = "/mqtt"
REMEDY: Final = "write mqtt://host:port, or mqtts://host:port for TLS; ws://host:port/path and wss:// for web sockets"


class _Scheme(NamedTuple):
    tls: bool
    transport: Transport
    default_port: int


SCHEMES: Final = {
    "mqtt": _Scheme(tls=False, transport="tcp", default_port=1883),
    "mqtts": _Scheme(tls=True, transport="tcp", default_port=8883),
    "ws": _Scheme(tls=False, transport="websockets", default_port=80),  # RFC 6455, section 3
    "wss": _Scheme(tls=True, transport="websockets", default_port=443),
}


class BrokerAddress(NamedTuple):
    """Where a broker listens, and how to speak there. ``path``: of a web socket, "" otherwise."""

    host: str
    port: int
    tls: bool
    transport: Transport = "tcp"
    path: str = ""

    @property
    def scheme(self) -> str:
        """Return mqtt, mqtts, ws or wss."""
        plain = "mqtt" if self.transport == "tcp" else "ws"
        return f"{plain}s" if self.tls else plain

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"


class BrokerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``[broker]`` table of both ends.

    ``url``: ``mqtt://host[:port]``, with TLS ``mqtts://``; over web sockets ``ws://host[:port][/path]``, with TLS
    ``wss://``. Secrets are named by file, never written into the configuration; every named file is read again at each
    connect, so that certificates can be renewed under a running process. ``protocol``: "auto" speaks MQTT 5, and 3.1.1
    with a broker that does not take it; "5" or "3.1.1" speak nothing else.
    """

    url: str = "mqtt://127.0.0.1:1883"
    username: str = ""
    password_file: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    protocol: Literal["auto", "5", "3.1.1"] = "auto"
    keepalive_s: int = msgspec.field(default=30)


class LoginClient(Protocol):
    """What ``log_in`` needs of an MQTT client."""

    def username_pw_set(self, username: str | None, password: str | None = None) -> None:
        """Remember the credentials."""

    def tls_set_context(self, context: ssl.SSLContext | None = None) -> None:
        """Use TLS."""

    def ws_set_options(self, path: str = "/mqtt") -> None:
        """Use this path with web sockets."""


def parse_broker_url(url: str) -> BrokerAddress:
    """Return the address that ``url`` names. Raises ConfigurationError with the form that is expected."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigurationError(f"broker url {url!r}: {error}; {REMEDY}") from error
    scheme = SCHEMES.get(parts.scheme)
    if scheme is None or not parts.hostname:
        raise ConfigurationError(f"broker url {url!r} names no MQTT broker; {REMEDY}")
    if parts.username or parts.password:
        raise ConfigurationError(
            f"broker url for {parts.hostname!r} holds credentials; use username and password_file instead"
        )
    if parts.query or parts.fragment:
        raise ConfigurationError(f"broker url {url!r} has something after the path; {REMEDY}")
    try:
        parts.hostname.encode("idna")
    except UnicodeError as error:
        raise ConfigurationError(f"broker url {url!r}: {parts.hostname!r} is not a host name; {REMEDY}") from error
    if port == 0:
        raise ConfigurationError(f"broker url {url!r}: port 0 cannot be connected to; {REMEDY}")
    path = _path(url, parts.path, scheme.transport)
    return BrokerAddress(parts.hostname, port or scheme.default_port, scheme.tls, scheme.transport, path)


def _path(url: str, path: str, transport: Transport) -> str:
    if transport == "tcp":
        if path not in ("", "/"):
            raise ConfigurationError(f"broker url {url!r} has something after the port; {REMEDY}")
        return ""
    if not all("!" <= letter <= "~" for letter in path):
        raise ConfigurationError(f"broker url {url!r}: write what is not plain ASCII in the path as %XX; {REMEDY}")
    return path or DEFAULT_WS_PATH


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
        raise ConfigurationError(
            f"broker ca_file/cert_file are set but {settings.url!r} is not TLS: write {address.scheme}s://"
        )
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


class _TidySocket(ssl.SSLSocket):
    """Closes itself when its handshake fails: who called ``wrap_socket`` may never have seen it."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002  the signature of ssl
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


def tls_context(settings: BrokerSettings) -> ssl.SSLContext:
    """Return the TLS context: the named authority or the system's, and the client's certificate if there is one.

    Reads the files anew. Raises ConfigurationError: which file, what is wrong with it, what to do.
    """
    if settings.ca_file:
        _read_pem(settings.ca_file, "ca_file", "CERTIFICATE")
    try:
        context = ssl.create_default_context(cafile=settings.ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"broker ca_file {settings.ca_file}: {error}; name the PEM file of the authority that signed the broker"
        ) from error
    context.sslsocket_class = _TidySocket
    if settings.cert_file:
        _load_own_certificate(context, settings)
    return context


def _load_own_certificate(context: ssl.SSLContext, settings: BrokerSettings) -> None:
    _read_pem(settings.cert_file, "cert_file", "CERTIFICATE")
    key = _read_pem(settings.key_file, "key_file", "PRIVATE KEY")
    if "ENCRYPTED" in key:  # loading would ask for a passphrase at the terminal
        raise ConfigurationError(
            f"broker key_file {settings.key_file}: is encrypted, and nobody types a passphrase here; write it open,"
            " mode 0600: openssl pkey -in OLD -out NEW"
        )
    try:
        context.load_cert_chain(settings.cert_file, settings.key_file)
    except ssl.SSLError as error:
        if "MISMATCH" in str(error):
            raise ConfigurationError(
                f"broker key_file {settings.key_file}: is not the key of cert_file {settings.cert_file}; name the key"
                " that the certificate was requested with"
            ) from error
        raise ConfigurationError(
            f"broker cert_file {settings.cert_file}, key_file {settings.key_file}: {error}; name PEM files"
        ) from error


def _read_pem(path: str, setting: str, holds: str) -> str:
    """Return the file's text. Raises ConfigurationError when it cannot be read or holds no such PEM block."""
    name = f"broker {setting} {path}"
    text = read_text(Path(path), name, "name a PEM file that this user can read")
    if f"{holds}-----" not in text:
        raise ConfigurationError(f"{name}: holds no {holds} in PEM form; is it another file, or DER?")
    return text


def log_in(client: LoginClient, settings: BrokerSettings) -> None:
    """Give the client its credentials, its TLS context and its path. Raises ConfigurationError."""
    address = parse_broker_url(settings.url)
    if settings.username:
        client.username_pw_set(settings.username, read_password(settings))
    if address.tls:
        client.tls_set_context(tls_context(settings))
    if address.transport == "websockets":
        client.ws_set_options(path=address.path)


def explain_connect_error(error: Exception, address: BrokerAddress) -> str:
    """Return one line for a failed connection: what happened and what to look at."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _explain_their_certificate(error.verify_message, address)
    if isinstance(error, ssl.SSLError) or (address.tls and isinstance(error, ConnectionResetError)):
        return explain_tls_alert(str(error), address) or f"TLS with {address} failed ({error}): is this the TLS port?"
    if isinstance(error, ConnectionRefusedError):
        return f"nothing listens at {address}: start the broker or correct the url"
    if isinstance(error, TimeoutError):
        return f"{address} does not answer: check the network and the firewall"
    foreign = {
        "gaierror": f"no such host {address.host!r}: check the broker url and the name service",
        "WebsocketConnectionError": f"{address} answers, but opens no web socket ({error}): check port and path",
    }
    return foreign.get(type(error).__name__, f"cannot connect to {address}: {error}")


def _explain_their_certificate(words: str, address: BrokerAddress) -> str:
    lowered = words.lower()
    if "expired" in lowered or "not yet valid" in lowered:
        remedy = "renew it at the broker, or correct this machine's clock"
    elif "mismatch" in lowered:
        remedy = "write in the url the host name that it was made for, or make one with this name (subjectAltName)"
    else:
        remedy = "check ca_file: it names the authority that signed the broker's certificate"
    return f"the certificate of {address} is not trusted ({words}): {remedy}"


_ALERTS: Final = (  # RFC 8446, section 6.2, in the words of OpenSSL
    ("certificate required", "wants a certificate of this client: set cert_file and key_file"),
    ("unknown ca", "does not know the authority that signed cert_file: use one that its cafile holds"),
    ("certificate expired", "says that our certificate has expired: renew cert_file"),
    ("certificate revoked", "says that our certificate is revoked: request a new cert_file"),
    ("bad certificate", "does not accept our certificate: check cert_file, its dates and its authority"),
    ("handshake failure", "ends the TLS handshake: it wants a client certificate (cert_file), or another TLS version"),
    ("wrong version number", "does not speak TLS on this port: correct the port, or write it without TLS"),
)


def explain_tls_alert(words: str, address: BrokerAddress) -> str:
    """Return one line for a TLS error in the library's words, "" for one that says nothing to a user."""
    lowered = words.lower().replace("_", " ")
    return next((f"{address} {meaning}" for alert, meaning in _ALERTS if alert in lowered), "")


def explain_silence(address: BrokerAddress) -> str:
    """Return one line for a connection that was accepted and then never answered."""
    return f"{address} accepts connections but does not answer: is it MQTT?"


def explain_early_end(address: BrokerAddress, words: str = "") -> str:
    """Return one line for a connection that ended before the broker's CONNACK.

    ``words``: what the library said of it; with TLS 1.3 a refused certificate ends the connection only here.
    """
    alert = explain_tls_alert(words, address) if address.tls else ""
    checks = "username, password_file and protocol"
    if address.tls:
        checks = f"cert_file (does the broker ask for one that it trusts?), {checks}"
    elif address.transport == "tcp":
        checks = f"{checks}, and that this is no port for TLS or web sockets"
    return alert or f"{address} closed the connection before it answered: check {checks}"


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
    if is_version_refusal(reason):
        return f'the broker speaks another MQTT version ({words}): set protocol = "auto" in [broker]'
    if "identifier" in lowered:
        return f"the broker refuses the client id ({words}): check the device id and the broker's settings"
    return f"the broker refuses the connection ({words})"


def is_version_refusal(reason: Any) -> bool:
    """Tell whether a CONNACK's reason code says that the broker does not speak this version of MQTT."""
    return "protocol version" in str(reason).lower()


def explain_refused_message(reason: Any, topic: str, name: str) -> str:
    """Return one line for a PUBACK or SUBACK that says no to ``topic``.

    ``reason``: the reason code in words. ``name``: which of our settings the broker's access list goes by.
    """
    words = str(reason)
    lowered = words.lower()
    if "not authorized" in lowered or "unspecified" in lowered:
        return (
            f"the broker refuses {topic} ({words}): its access list goes by user name or certificate; is that the same"
            f" as {name}?"
        )
    if "quota" in lowered:
        return f"the broker refuses {topic} ({words}): raise its limits, or send less"
    return f"the broker refuses {topic} ({words}): look into the broker's log"
