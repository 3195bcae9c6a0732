"""Which journal a verb reads."""

import argparse
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from edge_agent.wire.errors import ConfigurationError

if TYPE_CHECKING:
    from collector.config import CollectorConfig
    from collector.journal import Journal


def config_of(arguments: argparse.Namespace) -> "CollectorConfig":
    """Return the collector's configuration; ``--state-dir`` replaces its state directory, and with it the lake.

    Raises ConfigurationError.
    """
    import msgspec

    from collector.config import CollectorConfig, read_config

    if arguments.config is None and arguments.state_dir is None:
        raise ConfigurationError("fleet: nothing to read; give --state-dir DIR or --config collector.toml")
    config = CollectorConfig() if arguments.config is None else read_config(arguments.config)
    if arguments.state_dir is None:
        return config
    return msgspec.structs.replace(config, state_dir=str(arguments.state_dir))


@contextmanager
def opened(arguments: argparse.Namespace) -> "Iterator[Journal]":
    """Open the journal to read. Raises ConfigurationError when there is none."""
    from collector.journal import Journal

    with closing(Journal(config_of(arguments).journal_path, read_only=True)) as journal:
        yield journal
