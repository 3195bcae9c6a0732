"""What a broker does with messages, tried on a topic that no collector takes; everything is taken away again.

Only on request (``--probe``): it publishes some 1,600 small messages. The topic is a command to a device that does
not exist: with the access list that we ship, the collector's own credentials may write and read it.
"""

import secrets
import time
from typing import Final

import msgspec

from edge_agent.wire.mqtt import BrokerSettings
from edge_agent.wire.topics import ROOT
from edgejoule.doctor.finding import Finding, failure, ok, warning
from edgejoule.doctor.visitor import QUIET_S, TIMEOUT_S, Session, Visitor, visiting

TOPIC: Final = "broker probe"
RECEIVE_MAXIMUM: Final = 5
SENT_PAST_IT: Final = 20
QUEUED: Final = 1500
"""More than mosquitto keeps by default for a client that is away: max_queued_messages 1000, mosquitto.conf(5)."""
SHARED: Final = 20


class ProbeFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen; None: not tried, or not to be had in this version of MQTT.

    ``fault``: why nothing could be tried. ``unacknowledged``: how many messages came while Receive Maximum was 5.
    ``kept``: how many of 1500 waited for a subscriber that was away. ``shared``: messages per member of a group.
    """

    topic: str
    fault: str = ""
    unacknowledged: int | None = None
    session_kept: bool | None = None
    kept: int | None = None
    retained: bool | None = None
    shared: tuple[int, int] | None = None


def gather_probe_facts(settings: BrokerSettings) -> ProbeFacts:
    """Try everything, and leave neither session nor retained message. Raises ConfigurationError."""
    name = f"edgejoule-doctor-{secrets.token_hex(6)}"
    topic = f"{ROOT}/doctor/{name}/cmd/probe"
    fault, version = _try_echo(settings, topic)
    if fault:
        return ProbeFacts(topic=topic, fault=fault)
    session_kept, kept = _try_queue(settings, topic, name)
    return ProbeFacts(
        topic=topic,
        unacknowledged=_try_receive_maximum(settings, topic) if version == "5" else None,
        session_kept=session_kept,
        kept=kept,
        retained=_try_retained(settings, topic),
        shared=_try_shared(settings, topic, name),
    )


def _try_echo(settings: BrokerSettings, topic: str) -> tuple[str, str]:
    with visiting(settings) as visitor:
        if visitor.fault:
            return visitor.fault, visitor.version
        granted = visitor.subscribe(topic)
        words = visitor.publish(topic, [b"echo"])
        visitor.wait(lambda: bool(visitor.received), TIMEOUT_S if granted and "Not authorized" not in words else 0.0)
        if visitor.received:
            return "", visitor.version
        return f"this client may not write and read {topic}", visitor.version


def _try_receive_maximum(settings: BrokerSettings, topic: str) -> int:
    slow = Session(receive_maximum=RECEIVE_MAXIMUM, acknowledges=False)
    with visiting(settings, slow) as taker, visiting(settings) as giver:
        taker.subscribe(topic)
        giver.publish(topic, _payloads(SENT_PAST_IT))
        return taker.take_all(SENT_PAST_IT)


def _try_queue(settings: BrokerSettings, topic: str, name: str) -> tuple[bool, int]:
    try:  # not a clean start even the first time, like the collector: rumqttd drops the session of one at its end
        with visiting(settings, Session(name, kept=True, fresh=False)) as absent:
            absent.subscribe(topic)
        with visiting(settings) as giver:
            giver.publish(topic, _payloads(QUEUED))
        with visiting(settings, Session(name, kept=True, fresh=False)) as back:
            return back.session_present, back.take_all(QUEUED)
    finally:
        with visiting(settings, Session(name)):
            pass  # a clean start drops the session


def _try_retained(settings: BrokerSettings, topic: str) -> bool:
    with visiting(settings) as giver:
        giver.publish(topic, [b"kept"], retain=True)
        try:
            with visiting(settings) as later:
                later.subscribe(topic)
                later.wait(lambda: bool(later.received), QUIET_S)
                return any(message.retain for message in later.received)
        finally:
            giver.publish(topic, [b""], retain=True)


def _try_shared(settings: BrokerSettings, topic: str, name: str) -> tuple[int, int]:
    with visiting(settings) as one, visiting(settings) as two, visiting(settings) as giver:
        granted = [member.subscribe(f"$share/{name}/{topic}") for member in (one, two)]
        if not all(granted):
            return 0, 0
        giver.publish(topic, _payloads(SHARED))
        return _share_out(one, two)


def _share_out(one: Visitor, two: Visitor) -> tuple[int, int]:
    quiet_since_s = time.monotonic()
    seen = 0
    while seen < SHARED and time.monotonic() - quiet_since_s < QUIET_S:
        for member in (one, two):
            member.wait(lambda: False, 0.05)
        if (now := len(one.received) + len(two.received)) > seen:
            seen, quiet_since_s = now, time.monotonic()
    return len(one.received), len(two.received)


def _payloads(count: int) -> list[bytes]:
    return [b"%d" % number for number in range(count)]


def check_probe(facts: ProbeFacts) -> list[Finding]:
    """Judge what was seen."""
    if facts.fault:
        remedy = "--collector-config FILE: the collector's credentials may, with the access list that we ship"
        return [warning(TOPIC, f"could not be tried: {facts.fault}", remedy)]
    findings = [*_check_flow(facts), *_check_memory(facts)]
    return findings or [ok(TOPIC, "sessions, queue, retained messages, shared groups and Receive Maximum work")]


def _check_flow(facts: ProbeFacts) -> list[Finding]:
    findings: list[Finding] = []
    if facts.unacknowledged is not None and facts.unacknowledged > RECEIVE_MAXIMUM:
        text = (
            f"it ignores Receive Maximum: {facts.unacknowledged} messages came where {RECEIVE_MAXIMUM} were allowed;"
            " a collector that falls behind cannot slow it down"
        )
        findings.append(warning(TOPIC, text, "mosquitto; or a small limit of the broker's own (max_inflight)"))
    if facts.shared is not None and sum(facts.shared) != SHARED:
        text = f"a shared group of two got {sum(facts.shared)} of {SHARED} messages: several collectors cannot share"
        findings.append(warning(TOPIC, text, "one collector only, or a broker with shared subscriptions"))
    return findings


def _check_memory(facts: ProbeFacts) -> list[Finding]:
    findings: list[Finding] = []
    if facts.session_kept is False and not facts.kept:
        text = "it forgets a session at once: what comes while the collector is away is sent by the devices again"
        findings.append(warning(TOPIC, text, "allow persistent sessions (MQTT 5: Session Expiry Interval)"))
    elif facts.kept is not None and facts.kept < QUEUED:
        text = f"it kept {facts.kept} of {QUEUED} messages for a client that was away, and acknowledged all of them"
        findings.append(warning(TOPIC, text, "mosquitto: max_queued_messages 1000000"))
    if facts.retained is False:
        text = "it keeps no retained messages, which birth, status and ack are"
        findings.append(failure(TOPIC, text, "mosquitto: retain_available true"))
    return findings
