"""The MQTT broker as a client sees it: reachable, closed to strangers, large enough for our messages."""

import ipaddress
from typing import TYPE_CHECKING, Final

import msgspec

from edge_agent.wire.mqtt import BrokerAddress, BrokerSettings, MqttVersion, parse_broker_url
from edge_agent.wire.records import MAX_PAYLOAD_BYTES
from edgejoule.doctor.finding import Finding, failure, ok, warning

if TYPE_CHECKING:
    from edgejoule.doctor.visitor import Visitor

SYS_TIMEOUT_S: Final = 1.0
RUMQTTD_ALIAS_MAXIMUM: Final = 4096
"""The topic alias maximum that rumqttd answers, the embedded broker's engine; mosquitto answers 10 by default."""


class BrokerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What one connection with the configured credentials, and one without any, showed.

    ``properties``: those of the MQTT 5 CONNACK, by the names of the standard; empty with 3.1.1. ``name``: what
    $SYS/broker/version says, "" if nothing. ``anonymous``: whether a client without credentials is accepted, None if
    that was not tried. ``without_certificate``: whether one without our certificate is, None if we have none.
    """

    address: BrokerAddress
    loopback: bool
    fault: str = ""
    version: MqttVersion = "5"
    properties: dict[str, int] = {}
    name: str = ""
    anonymous: bool | None = None
    without_certificate: bool | None = None


def gather_broker_facts(settings: BrokerSettings) -> BrokerFacts:
    """Connect once as configured and once or twice as a stranger. Publishes nothing. Raises ConfigurationError."""
    from edgejoule.doctor.visitor import visiting  # noqa: PLC0415  needs paho, an extra

    address = parse_broker_url(settings.url)
    with visiting(settings) as known:
        facts = BrokerFacts(
            address=address,
            loopback=is_loopback(address.host),
            fault=known.fault,
            version=known.version,
            properties=known.properties,
            name="" if known.fault else _ask_name(known),
        )
    if facts.fault:
        return facts
    bare = msgspec.structs.replace(settings, cert_file="", key_file="")
    stranger = msgspec.structs.replace(bare, username="", password_file="")
    with visiting(stranger) as anybody:
        anonymous = not anybody.fault
    without_certificate = None
    if settings.cert_file:
        with visiting(bare) as uncertified:
            without_certificate = not uncertified.fault
    return msgspec.structs.replace(facts, anonymous=anonymous, without_certificate=without_certificate)


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
    name = f" ({facts.name})" if facts.name else ""
    findings = [ok("broker", f"{facts.address} accepts this client in MQTT {facts.version}{name}")]
    findings.extend(_check_access(facts))
    findings.extend(_check_limits(facts.properties))
    findings.extend(_check_kind(facts))
    return findings


def _check_access(facts: BrokerFacts) -> list[Finding]:
    if facts.without_certificate:
        text = f"{facts.address} accepts clients without a certificate though we have one: it does not enforce them"
        remedy = "mosquitto: require_certificate true below that listener; the embedded broker cannot"
        return [failure("broker access", text, remedy)]
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
    if properties.get("SharedSubscriptionAvailable", 1) == 0:
        text = "it has no shared subscriptions: several collectors cannot share the work"
        findings.append(warning("broker limits", text, "one collector only, or another broker"))
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


def _ask_name(visitor: "Visitor") -> str:
    visitor.subscribe("$SYS/broker/version")
    visitor.wait(lambda: bool(visitor.received), SYS_TIMEOUT_S)
    return bytes(visitor.received[0].payload).decode(errors="replace") if visitor.received else ""
