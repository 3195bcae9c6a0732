"""Which collector, and which journals, a command line names."""

import argparse
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from edge_agent.wire.errors import ConfigurationError

NOTHING_TO_READ = "fleet: nothing to read; give --state-dir DIR or --config collector.toml"
if TYPE_CHECKING:
    from collector.config import CollectorConfig
    from collector.journal import Journal


def config_of(arguments: argparse.Namespace, nothing_named: str = NOTHING_TO_READ) -> "CollectorConfig":
    """Return the collector's configuration; ``--state-dir`` replaces its state directory, and with it the lake.

    ``nothing_named``: the line for who gave neither. Raises ConfigurationError.
    """
    import msgspec

    from collector.config import CollectorConfig, read_config

    if arguments.config is None and arguments.state_dir is None:
        raise ConfigurationError(nothing_named)
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


@contextmanager
def several_opened(state_dirs: list[Path], configs: list[Path]) -> "Iterator[list[Journal]]":
    """Open every journal that is named, each once, to read. Raises ConfigurationError when one is not there."""
    from collector.config import journal_path, read_config
    from collector.journal import Journal

    named = [*map(journal_path, state_dirs), *(read_config(config).journal_path for config in configs)]
    if not named:
        raise ConfigurationError(NOTHING_TO_READ)
    paths = {path.resolve(): path for path in named}
    with ExitStack() as opened_ones:
        yield [opened_ones.enter_context(closing(Journal(path, read_only=True))) for path in paths.values()]
