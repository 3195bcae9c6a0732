"""The words that several verbs of ``edgejoule order`` share, and what they name."""

import argparse
import getpass
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.mqtt import check_settings
from edge_agent.wire.records import Identifier
from edge_agent.wire.text_file import read_text

if TYPE_CHECKING:
    from edgejoule.orders.config import OrderConfig
    from edgejoule.orders.keys import OperatorKey


def add_config(parser: argparse.ArgumentParser) -> None:
    """Declare the operator's settings."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="the operator's TOML; see order.sample.toml")


def add_json(parser: argparse.ArgumentParser) -> None:
    """Declare ``--json``."""
    parser.add_argument("--json", action="store_true", help="JSON on stdout and nothing else")


def add_passphrase(parser: argparse.ArgumentParser) -> None:
    """Declare where the key's passphrase stands."""
    parser.add_argument("--passphrase-file", type=Path, metavar="FILE", help="holds the key's passphrase")


def config_of(arguments: argparse.Namespace) -> "OrderConfig":
    """Return the settings of the file, or the defaults, with what the command line says over them.

    Raises ConfigurationError.
    """
    from edgejoule.orders.config import OrderConfig, read_config

    config = read_config(arguments.config) if arguments.config else OrderConfig()
    given = {
        name: str(value)
        for name in ("key", "passphrase_file", "inventory", "blob_dir", "fleet")
        if (value := getattr(arguments, name, None)) is not None
    }
    config = msgspec.structs.replace(config, **given)
    try:
        msgspec.convert(config.fleet, Identifier)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"--fleet {config.fleet!r}: no fleet is called so; orders go to one fleet") from error
    url = getattr(arguments, "broker", None)
    if url is not None:
        config = msgspec.structs.replace(config, broker=msgspec.structs.replace(config.broker, url=url))
        check_settings(config.broker)
    return config


def key_of(config: "OrderConfig") -> "OperatorKey":
    """Return the operator's key, opened. Raises ConfigurationError."""
    from edgejoule.orders.keys import load_key

    if not config.key:
        raise ConfigurationError("order: no key is named; give --key FILE, or key in the --config")
    return load_key(Path(config.key), passphrase_of(Path(config.key), config.passphrase_file))


def passphrase_of(key: Path, file: str) -> str:
    """Return the passphrase that the file holds, or that somebody types; "" for a key without. ConfigurationError."""
    from edgejoule.orders.keys import is_encrypted

    if file:
        return read_text(Path(file), f"passphrase_file {file}").strip("\r\n")
    if is_encrypted(key) and sys.stdin.isatty():
        return getpass.getpass(f"passphrase of {key}: ")
    return ""
