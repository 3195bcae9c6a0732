"""The operator's settings: one TOML file, read into a frozen struct; unknown keys are refused.

Paths in the file are relative to the file. The key is named by file, never written into the configuration.
"""

from pathlib import Path

import msgspec

from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.mqtt import BrokerSettings, check_settings
from edge_agent.wire.records import Identifier
from edge_agent.wire.text_file import read_text
from edge_agent.wire.toml_config import TOML_REMEDY, decode_toml


class OrderConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file. ``key``: the operator's private key. ``passphrase_file``: empty for a key without one.

    ``inventory``: the collector's, which says where devices stand. ``blob_dir``: the collector's, where this machine
    can write it.
    """

    fleet: Identifier = "default"
    key: str = ""
    passphrase_file: str = ""
    inventory: str = ""
    blob_dir: str = ""
    broker: BrokerSettings = BrokerSettings()


def read_config(path: Path) -> OrderConfig:
    """Read the file, make its paths absolute and check what can be checked. Raises ConfigurationError."""
    return parse_config(read_text(path, remedy=TOML_REMEDY), str(path), path.absolute().parent)


def parse_config(text: str, where: str, base: Path) -> OrderConfig:
    """Decode the text of a configuration whose relative paths start at ``base``. Raises ConfigurationError."""
    config = decode_toml(text, OrderConfig, where)
    broker_files = ("password_file", "ca_file", "cert_file", "key_file")
    broker = msgspec.structs.replace(
        config.broker, **{name: _at(base, getattr(config.broker, name)) for name in broker_files}
    )
    files = ("key", "passphrase_file", "inventory", "blob_dir")
    config = msgspec.structs.replace(
        config, broker=broker, **{name: _at(base, getattr(config, name)) for name in files}
    )
    try:
        check_settings(config.broker)
    except ConfigurationError as error:
        raise ConfigurationError(f"{where}: {error}") from error
    return config


def _at(base: Path, name: str) -> str:
    return str(base / Path(name).expanduser()) if name else ""
