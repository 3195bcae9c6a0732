"""The MQTT broker as a client sees it: reachable, closed to strangers, large enough for our messages."""

import ipaddress
import time
from typing import TYPE_CHECKING, Any, Final

import msgspec

from edge_agent.wire.mqtt import (
    BrokerAddress,
    BrokerSettings,
    explain_connect_error,
    explain_refusal,
    explain_silence,
    log_in,
    parse_broker_url,
)
from edge_agent.wire.mqtt_version import first_version
from edge_agent.wire.records import MAX_PAYLOAD_BYTES
from edgejoule.doctor.finding import Finding, failure, ok, warning

if TYPE_CHECKING:
    from paho.mqtt.client import Client

TIMEOUT_S: Final = 5.0
SYS_TIMEOUT_S: Final = 1.0
RUMQTTD_ALIAS_MAXIMUM: Final = 4096
"""The topic alias maximum that rumqttd answers, the embedded broker's engine; mosquitto answers 10 by default."""


class BrokerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What one connection with the configured credentials, and one without any, showed.

    ``properties``: those of the MQTT 5 CONNACK, by the names of the standard; empty with 3.1.1. ``name``: what
    $SYS/broker/version says, "" if nothing. ``anonymous``: whether a client without credentials is accepted, None if
    that was not tried.
    """

    address: BrokerAddress
    loopback: bool
    fault: str = ""
    properties: dict[str, int] = {}
    name: str = ""
    anonymous: bool | None = None


def gather_broker_facts(settings: BrokerSettings) -> BrokerFacts:
    """Connect once as configured and once as a stranger. Publishes nothing. Raises ConfigurationError."""
    address = parse_broker_url(settings.url)
    known = _probe(settings, ask_name=True)
    stranger = None
    if not known.fault and settings.username:
        plain = msgspec.structs.replace(settings, username="", password_file="")
        stranger = not _probe(plain, ask_name=False).fault
    elif not known.fault:
        stranger = not settings.cert_file
    return BrokerFacts(
        address=address,
        loopback=is_loopback(address.host),
        fault=known.fault,
        properties=known.properties,
        name=known.name,
        anonymous=stranger,
    )


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches ``host``."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_broker(facts: BrokerFacts) -> list[Finding]:
    """Judge what was seen."""
    if facts.fault:
        return [failure("broker", facts.fault, "correct [broker] in the configuration, or the broker's own")]
    findings = [ok("broker", f"{facts.address} accepts this client{f' ({facts.name})' if facts.name else ''}")]
    findings.extend(_check_access(facts))
    findings.extend(_check_limits(facts.properties))
    findings.extend(_check_kind(facts))
    return findings


def _check_access(facts: BrokerFacts) -> list[Finding]:
    if facts.loopback:
        return [ok("broker access", "named by a loopback address; what other addresses show was not looked at")]
    findings: list[Finding] = []
    if facts.anonymous:
        findings.append(
            failure(
                "broker access",
                f"{facts.address} lets anybody in without a password: anyone on the network can forge readings",
                "mosquitto: allow_anonymous false and password_file or certificates, then [broker] username",
            )
        )
    if not facts.address.tls:
        findings.append(
            warning(
                "broker access",
                f"{facts.address} is not encrypted: password and readings can be read on the way",
                "a TLS listener on the broker, and url = mqtts://... in [broker]",
            )
        )
    return findings or [ok("broker access", "encrypted, and closed to clients without credentials")]


def _check_limits(properties: dict[str, int]) -> list[Finding]:
    findings: list[Finding] = []
    if properties.get("RetainAvailable", 1) == 0:
        findings.append(
            failure("broker limits", "it keeps no retained messages, which birth and ack are", "retain_available true")
        )
    if properties.get("MaximumQoS", 2) < 1:
        findings.append(failure("broker limits", "it offers only QoS 0, which loses messages", "allow QoS 1"))
    largest = properties.get("MaximumPacketSize")
    if largest is not None and largest < MAX_PAYLOAD_BYTES + 1024:
        findings.append(
            warning(
                "broker limits",
                f"it takes packets up to {largest} bytes, agents may send {MAX_PAYLOAD_BYTES}",
                f"max_packet_size {MAX_PAYLOAD_BYTES + 4096}",
            )
        )
    return findings or [ok("broker limits", "no limit announced that gets in the way")]


def _check_kind(facts: BrokerFacts) -> list[Finding]:
    if facts.name or facts.properties.get("TopicAliasMaximum") != RUMQTTD_ALIAS_MAXIMUM:
        return []
    return [
        warning(
            "broker kind",
            "it answers like the embedded broker: all in memory, no access control beyond its address",
            "nothing is lost by its restart, as agents send again; for a fleet use mosquitto",
        )
    ]


class _Probe(msgspec.Struct, frozen=True):
    fault: str
    properties: dict[str, int] = {}
    name: str = ""


class _Answers:
    """What the callbacks of one connection heard."""

    def __init__(self) -> None:
        self.refusal: str | None = None
        self.properties: dict[str, int] = {}
        self.name = ""

    def connected(self, _client: Any, _data: Any, _flags: Any, reason: Any, properties: Any) -> None:
        self.refusal = explain_refusal(reason) if reason.is_failure else ""
        heard: dict[str, Any] = properties.json() if properties is not None else {}
        self.properties = {name: value for name, value in heard.items() if isinstance(value, int)}

    def message(self, _client: Any, _data: Any, message: Any) -> None:
        self.name = bytes(message.payload).decode(errors="replace")


def _probe(settings: BrokerSettings, *, ask_name: bool) -> _Probe:
    """Connect in this very thread, so that nothing runs on after the answer."""
    from paho.mqtt.client import Client  # noqa: PLC0415  an optional dependency
    from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion  # noqa: PLC0415

    version = MQTTProtocolVersion.MQTTv5 if first_version(settings) == "5" else MQTTProtocolVersion.MQTTv311
    client = Client(CallbackAPIVersion.VERSION2, protocol=version, reconnect_on_failure=False)
    log_in(client, settings)
    client.connect_timeout = TIMEOUT_S
    answers = _Answers()
    client.on_connect, client.on_message = answers.connected, answers.message
    address = parse_broker_url(settings.url)
    try:
        client.connect(address.host, address.port, settings.keepalive_s)
        fault = _wait_for_answer(client, answers, address)
        if not fault and ask_name:
            _ask_name(client, answers)
    except OSError as error:
        fault = explain_connect_error(error, address)
    finally:
        client.disconnect()
        client.loop(timeout=0.05)
    return _Probe(fault, answers.properties, answers.name)


def _wait_for_answer(client: "Client", answers: _Answers, address: BrokerAddress) -> str:
    deadline_s = time.monotonic() + TIMEOUT_S
    while answers.refusal is None and time.monotonic() < deadline_s:
        if client.loop(timeout=0.1) != 0 and answers.refusal is None:
            return f"{address} ends the connection without an answer: is it MQTT, TLS, or the other MQTT version?"
    if answers.refusal is None:
        return explain_silence(address)
    return answers.refusal


def _ask_name(client: "Client", answers: _Answers) -> None:
    client.subscribe("$SYS/broker/version")
    deadline_s = time.monotonic() + SYS_TIMEOUT_S
    while not answers.name and time.monotonic() < deadline_s:
        if client.loop(timeout=0.1) != 0:
            return
