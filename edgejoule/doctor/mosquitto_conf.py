"""A mosquitto.conf, read into settings and listeners as mosquitto reads it: mosquitto.conf(5)."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.text_file import read_text
from edgejoule.doctor.broker import is_loopback

DEFAULT_PORT = 1883
ACCESS_KEYS = ("allow_anonymous", "password_file", "acl_file", "plugin", "auth_plugin", "psk_file")
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

    @property
    def merged(self) -> Settings:
        """Return every setting of the file: general ones may also stand below a listener."""
        merged = dict(self.general)
        for listener in self.listeners:
            merged.update(listener.settings)
        return merged

    def seen_by(self, listener: Listener) -> Settings:
        """Return what decides who may use ``listener``: its own settings only, if the file says so."""
        if self.general.get("per_listener_settings") == "true":
            return listener.settings
        merged = self.merged
        return {key: merged[key] for key in ACCESS_KEYS if key in merged} | listener.settings


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
        port = whole(general, "port", DEFAULT_PORT)
        address = general.get("bind_address", "" if "port" in general else "127.0.0.1")
        listeners.append(Listener(port, address, dict(general)))
    return MosquittoConf(general, listeners)


def _listener(words: Sequence[str]) -> Listener:
    if not words or not words[0].isdigit():
        raise ConfigurationError(
            f"mosquitto.conf: 'listener {' '.join(words)}' names no port: listener PORT [ADDRESS]"
        )
    return Listener(int(words[0]), words[1] if len(words) > 1 else "", {})


def whole(settings: Settings, key: str, default: int) -> int:
    """Return a whole number of the file. Raises ConfigurationError."""
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
