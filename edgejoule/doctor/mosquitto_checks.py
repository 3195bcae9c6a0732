"""What a mosquitto.conf does to a fleet's telemetry: queues that survive, room for them, and the traps.

Defaults and options: mosquitto.conf(5). What each costs was tried on mosquitto 2.0.11: with the default
max_queued_messages 1000, 4000 of 5000 acknowledged messages to an absent subscriber were dropped; with persistence
and the default autosave_interval 1800, a SIGKILL lost all 5000. Agents send again what the collector has not stored,
so that these cost time and traffic, not readings.
"""

import os
import re
import shutil
import subprocess
from typing import Final

from edge_agent.wire.records import MAX_PAYLOAD_BYTES
from edgejoule.doctor.finding import Finding, failure, ok, warning
from edgejoule.doctor.mosquitto_access import check_listener
from edgejoule.doctor.mosquitto_conf import MosquittoConf, Settings, whole

TOPIC: Final = "mosquitto.conf"
DEFAULT_AUTOSAVE_S: Final = 1800
LONGEST_AUTOSAVE_S: Final = 60
DEFAULT_QUEUED_MESSAGES: Final = 1000
FEWEST_QUEUED_MESSAGES: Final = 10_000
DEFAULT_INFLIGHT: Final = 20
SHORTEST_EXPIRATION_D: Final = 1.0
DAYS: Final = {"h": 1 / 24, "d": 1.0, "w": 7.0, "m": 30.0, "y": 365.0}
Version = tuple[int, int, int]
ANY_QUEUE_BROKEN_IN: Final[Version] = (2, 0, 16)
"""max_queued_messages 0 queues nothing there: eclipse-mosquitto issue 2879."""
SESSIONS_BROKEN_IN: Final[tuple[Version, Version]] = ((2, 0, 12), (2, 0, 18))
"""per_listener_settings breaks persistent sessions: eclipse-mosquitto issue 2618, thin-edge issue 3185."""


def installed_version() -> Version | None:
    """Return the version of the mosquitto on this machine, None when there is none that says so."""
    program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None:
        return None
    try:
        shown = subprocess.run([program, "-h"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"mosquitto version (\d+)\.(\d+)\.(\d+)", shown)
    return None if found is None else (int(found[1]), int(found[2]), int(found[3]))


def check_mosquitto_conf(conf: MosquittoConf, version: Version | None = None) -> list[Finding]:
    """Judge the file, for mosquitto ``version``, or for any when that is unknown."""
    everything = conf.merged
    findings = [
        *_check_persistence(everything),
        *_check_queues(everything, version),
        *_check_traps(everything, version),
    ]
    for listener in conf.listeners:
        findings.extend(check_listener(listener, conf.seen_by(listener)))
    if any(finding.level != "ok" for finding in findings):
        return findings
    return [ok(TOPIC, "queues survive a restart, have room, and no listener is open to strangers")]


def _check_persistence(settings: Settings) -> list[Finding]:
    if settings.get("persistence", "false") != "true":
        text = "persistence is off: a restart of the broker forgets queues and retained messages"
        return [warning(TOPIC, text, "persistence true, with persistence_location on a disk")]
    findings: list[Finding] = []
    if _autosave_is_slow(settings):
        interval_s = whole(settings, "autosave_interval", DEFAULT_AUTOSAVE_S)
        text = f"queues are saved every {interval_s} s only: a power failure loses what came since"
        findings.append(warning(TOPIC, text, f"autosave_interval {LONGEST_AUTOSAVE_S} or less"))
    if "persistence_location" not in settings:
        text = "persistence_location is not set: queues are saved wherever mosquitto is started, or not at all"
        remedy = "persistence_location /var/lib/mosquitto/; check the file that includes this one, it may have it"
        findings.append(warning(TOPIC, text, remedy))
    return findings


def _autosave_is_slow(settings: Settings) -> bool:
    if settings.get("autosave_on_changes", "false") == "true":
        return False
    interval_s = whole(settings, "autosave_interval", DEFAULT_AUTOSAVE_S)
    return interval_s == 0 or interval_s > LONGEST_AUTOSAVE_S


def _check_queues(settings: Settings, version: Version | None) -> list[Finding]:
    findings: list[Finding] = []
    queued = whole(settings, "max_queued_messages", DEFAULT_QUEUED_MESSAGES)
    if queued == 0 and version in (None, ANY_QUEUE_BROKEN_IN):
        text = "max_queued_messages 0 means without limit, but mosquitto 2.0.16 takes it as none at all"
        findings.append(warning(TOPIC, text, "write a large number: max_queued_messages 100000"))
    elif 0 < queued < FEWEST_QUEUED_MESSAGES:
        text = f"only {queued} messages wait for an absent collector; the broker drops later ones without a word"
        findings.append(warning(TOPIC, text, "max_queued_messages 100000"))
    inflight = whole(settings, "max_inflight_messages", DEFAULT_INFLIGHT)
    if 0 < inflight < DEFAULT_INFLIGHT:
        text = f"max_inflight_messages {inflight}: a device or collector waits for the broker after every {inflight}"
        findings.append(warning(TOPIC, text, "max_inflight_messages 500"))
    findings.extend(_check_expiration(settings.get("persistent_client_expiration")))
    return findings


def _check_expiration(text: str | None) -> list[Finding]:
    if text is None:
        words = "persistent_client_expiration is not set: the queue of a client that never comes back stays for ever"
        return [warning(TOPIC, words, "persistent_client_expiration 60d")]
    number, unit = text[:-1], text[-1:]
    if not number.isdecimal() or unit not in DAYS:
        words = f"persistent_client_expiration {text!r} is no whole number followed by h, d, w, m or y"
        return [failure(TOPIC, words, "persistent_client_expiration 60d")]
    if int(number) * DAYS[unit] < SHORTEST_EXPIRATION_D:
        words = f"persistent_client_expiration {text}: the queue of a collector that is away longer is dropped"
        return [warning(TOPIC, words, "persistent_client_expiration 60d")]
    return []


def _check_traps(settings: Settings, version: Version | None) -> list[Finding]:
    findings: list[Finding] = []
    first, last = SESSIONS_BROKEN_IN
    if settings.get("per_listener_settings", "false") == "true" and (version is None or first <= version <= last):
        text = "per_listener_settings breaks persistent sessions in mosquitto 2.0.12 to 2.0.18"
        findings.append(warning(TOPIC, text, "per_listener_settings false, or mosquitto 2.0.19 and later"))
    if settings.get("retain_available", "true") == "false":
        text = "retained messages are off, which birth, status and ack are"
        findings.append(failure(TOPIC, text, "retain_available true"))
    for key in ("max_packet_size", "message_size_limit"):
        size_bytes = whole(settings, key, 0)
        if 0 < size_bytes < MAX_PAYLOAD_BYTES:
            text = f"{key} {size_bytes} is smaller than an agent's largest message, {MAX_PAYLOAD_BYTES} bytes"
            findings.append(warning(TOPIC, text, f"{key} {MAX_PAYLOAD_BYTES + 4096}"))
    return findings
