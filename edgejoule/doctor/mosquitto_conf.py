"""A mosquitto.conf, read for what a fleet's telemetry needs: queues that survive, room for them, no strangers.

Defaults and options: mosquitto.conf(5). What each costs was tried on mosquitto 2.0.11: with the default
max_queued_messages 1000, 4000 of 5000 acknowledged messages to an absent subscriber were dropped; with persistence
and the default autosave_interval 1800, a SIGKILL lost all 5000. Agents send again what the collector has not stored,
so that these cost time and traffic, not readings.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.records import MAX_PAYLOAD_BYTES
from edge_agent.wire.text_file import read_text
from edgejoule.doctor.broker import is_loopback
from edgejoule.doctor.finding import Finding, failure, ok, warning

TOPIC = "mosquitto.conf"
DEFAULT_AUTOSAVE_S = 1800
LONGEST_AUTOSAVE_S = 60
DEFAULT_QUEUED_MESSAGES = 1000
FEWEST_QUEUED_MESSAGES = 10_000
DEFAULT_PORT = 1883
ACCESS_KEYS = ("allow_anonymous", "password_file", "plugin", "auth_plugin", "psk_file")
"""These hold for every listener wherever they stand, unless per_listener_settings is true."""

Settings = dict[str, str]


class Listener(msgspec.Struct, frozen=True):
    """One listener: port, the address it binds ("" for every one), and what stands below it in the file."""

    port: int
    address: str
    settings: Settings

    @property
    def loopback(self) -> bool:
        """Tell whether only this machine reaches it; a port of 0 is a Unix socket."""
        return self.port == 0 or is_loopback(self.address)

    @property
    def encrypted(self) -> bool:
        """Tell whether it speaks TLS."""
        return "certfile" in self.settings or "psk_hint" in self.settings


class MosquittoConf(msgspec.Struct, frozen=True):
    """The file: general settings (last one wins) and the listeners."""

    general: Settings
    listeners: list[Listener]


def read_mosquitto_conf(path: Path) -> MosquittoConf:
    """Read ``path`` and the directories that it includes. Raises ConfigurationError."""
    return parse_mosquitto_conf(_lines_of(path))


def parse_mosquitto_conf(lines: Sequence[str]) -> MosquittoConf:
    """Parse "key value" lines; what follows a ``listener`` line belongs to it. Raises ConfigurationError."""
    general: Settings = {}
    listeners: list[Listener] = []
    for line in lines:
        key, _, value = line.strip().partition(" ")
        if not key or key.startswith("#"):
            continue
        if key == "listener":
            listeners.append(_listener(value.split()))
        elif listeners:
            listeners[-1].settings[key] = value.strip()
        else:
            general[key] = value.strip()
    if (
        not listeners
    ):  # without any, mosquitto 2 listens on the loopback interface only, unless the old words are there
        port = _whole(general, "port", DEFAULT_PORT)
        address = general.get("bind_address", "" if "port" in general else "127.0.0.1")
        listeners.append(Listener(port, address, dict(general)))
    return MosquittoConf(general, listeners)


def check_mosquitto_conf(conf: MosquittoConf) -> list[Finding]:
    """Judge the file."""
    everything = _merged(conf)
    findings = [*_check_queues(everything), *_check_traps(everything)]
    for listener in conf.listeners:
        findings.extend(_check_listener(listener, _seen_by(conf, listener)))
    if any(finding.level != "ok" for finding in findings):
        return findings
    return [ok(TOPIC, "queues survive a restart, have room, and no listener is open to strangers")]


def _check_queues(settings: Settings) -> list[Finding]:
    findings: list[Finding] = []
    if settings.get("persistence", "false") != "true":
        text = "persistence is off: a restart of the broker forgets queues and retained messages"
        findings.append(warning(TOPIC, text, "persistence true, with persistence_location on a disk"))
    elif _autosave_is_slow(settings):
        interval_s = _whole(settings, "autosave_interval", DEFAULT_AUTOSAVE_S)
        text = f"queues are saved every {interval_s} s only: a power failure loses what came since"
        findings.append(warning(TOPIC, text, f"autosave_interval {LONGEST_AUTOSAVE_S} or less"))
    queued = _whole(settings, "max_queued_messages", DEFAULT_QUEUED_MESSAGES)
    if queued == 0:
        text = "max_queued_messages 0 means without limit, but mosquitto 2.0.16 takes it as none at all"
        findings.append(warning(TOPIC, text, "write a large number: max_queued_messages 100000"))
    elif queued < FEWEST_QUEUED_MESSAGES:
        text = f"only {queued} messages wait for an absent collector; the broker drops later ones without a word"
        findings.append(warning(TOPIC, text, "max_queued_messages 100000"))
    return findings


def _autosave_is_slow(settings: Settings) -> bool:
    if settings.get("autosave_on_changes", "false") == "true":
        return False
    interval_s = _whole(settings, "autosave_interval", DEFAULT_AUTOSAVE_S)
    return interval_s == 0 or interval_s > LONGEST_AUTOSAVE_S


def _check_traps(settings: Settings) -> list[Finding]:
    findings: list[Finding] = []
    if settings.get("per_listener_settings", "false") == "true":
        text = "per_listener_settings breaks persistent sessions in mosquitto 2.0.12 to 2.0.18"
        findings.append(warning(TOPIC, text, "per_listener_settings false, or mosquitto 2.0.19 and later"))
    if settings.get("retain_available", "true") == "false":
        text = "retained messages are off, which birth, status and ack are"
        findings.append(failure(TOPIC, text, "retain_available true"))
    for key in ("max_packet_size", "message_size_limit"):
        size_bytes = _whole(settings, key, 0)
        if 0 < size_bytes < MAX_PAYLOAD_BYTES:
            text = f"{key} {size_bytes} is smaller than an agent's largest message, {MAX_PAYLOAD_BYTES} bytes"
            findings.append(warning(TOPIC, text, f"{key} {MAX_PAYLOAD_BYTES + 4096}"))
    return findings


def _check_listener(listener: Listener, settings: Settings) -> list[Finding]:
    if listener.loopback:
        return []
    place = f"listener {listener.port} {listener.address or 'on every interface'}"
    findings: list[Finding] = []
    closed_by_certificate = settings.get("require_certificate", "false") == "true"
    if settings.get("allow_anonymous", "false") == "true" and not closed_by_certificate:
        text = f"{place} lets anybody in: anyone on the network can forge readings"
        findings.append(failure(TOPIC, text, "allow_anonymous false, with password_file or require_certificate true"))
    elif not closed_by_certificate and not _has_passwords(settings):
        text = f"{place} has neither passwords nor certificates: nobody can log in"
        findings.append(failure(TOPIC, text, "password_file FILE (made by mosquitto_passwd)"))
    if not listener.encrypted:
        text = f"{place} is not encrypted: passwords and readings can be read on the way"
        findings.append(warning(TOPIC, text, "cafile, certfile and keyfile below the listener; mqtts:// in [broker]"))
    return findings


def _has_passwords(settings: Settings) -> bool:
    return any(key in settings for key in ("password_file", "plugin", "auth_plugin", "psk_file"))


def _merged(conf: MosquittoConf) -> Settings:
    """Return every setting of the file: general ones may also stand below a listener."""
    merged = dict(conf.general)
    for listener in conf.listeners:
        merged.update(listener.settings)
    return merged


def _seen_by(conf: MosquittoConf, listener: Listener) -> Settings:
    """Return what decides who may use ``listener``: its own settings only, if the file says so."""
    if conf.general.get("per_listener_settings") == "true":
        return listener.settings
    merged = _merged(conf)
    return {key: merged[key] for key in ACCESS_KEYS if key in merged} | listener.settings


def _listener(words: Sequence[str]) -> Listener:
    if not words or not words[0].isdigit():
        raise ConfigurationError(
            f"mosquitto.conf: 'listener {' '.join(words)}' names no port: listener PORT [ADDRESS]"
        )
    return Listener(int(words[0]), words[1] if len(words) > 1 else "", {})


def _whole(settings: Settings, key: str, default: int) -> int:
    text = settings.get(key, str(default))
    try:
        return int(text)
    except ValueError as error:
        raise ConfigurationError(f"mosquitto.conf: {key} {text!r} is not a whole number") from error


def _lines_of(path: Path) -> list[str]:
    remedy = "name mosquitto's configuration file"
    lines = read_text(path, remedy=remedy).splitlines()
    for line in list(lines):
        key, _, value = line.strip().partition(" ")
        if key == "include_dir":
            for included in sorted(Path(value.strip()).glob("*.conf")):
                lines.extend(read_text(included, str(path), remedy).splitlines())
    return lines
