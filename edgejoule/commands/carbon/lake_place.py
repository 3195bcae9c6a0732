"""Which lake, journal, inventory and intensities a command line names."""

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edge_agent.wire.errors import ConfigurationError
from edgejoule.argument_types import moment, whole
from edgejoule.journals import config_of

if TYPE_CHECKING:
    from rich.progress import Progress

    from collector.assessment.engine import Limits
    from collector.config import CollectorConfig
    from collector.store_config import LakeWhere

NOTHING_TO_READ = "carbon: nothing to read; give --config collector.toml, --state-dir DIR or --lake DIR"
FIVE_MINUTES_NS: Final = 300 * 10**9
_RELATIVE: Final = re.compile(r"now|\+?\d+[smhd]")


def add_place(parser: argparse.ArgumentParser) -> None:
    """Declare where the windows are."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="the collector's TOML: state, lake, inventory")
    parser.add_argument("--state-dir", type=Path, metavar="DIR", help="where the collector keeps its journal and lake")
    parser.add_argument("--lake", metavar="DIR", help="a lake of its own: a directory, or an address such as s3://...")


def add_limits(parser: argparse.ArgumentParser) -> None:
    """Declare who does the work, and what it may use."""
    engines = "who adds the windows up, with the same figures; spark needs Java 17 and edgejoule[spark] (duckdb)"
    parser.add_argument("--engine", choices=("duckdb", "spark"), default="duckdb", help=engines)
    parser.add_argument(
        "--memory-mb", type=whole, default=1000, metavar="MB", help="what the engine may hold at once (default: 1000)"
    )
    parser.add_argument("--threads", type=whole, default=2, metavar="N", help="(default: 2)")
    parser.add_argument("--temp-dir", type=Path, metavar="DIR", help="where what does not fit into memory goes")


def limits_of(arguments: argparse.Namespace) -> "Limits":
    """Return them. Raises ConfigurationError for too little."""
    from collector.assessment.engine import Limits

    return Limits(
        memory_bytes=arguments.memory_mb * 1_000_000,
        threads=arguments.threads,
        temp_dir=arguments.temp_dir,
        engine=arguments.engine,
    )


def place_of(arguments: argparse.Namespace) -> "tuple[CollectorConfig, LakeWhere | None]":
    """Return the configuration and the lake, None where there is none. Raises ConfigurationError."""
    from collector.config import CollectorConfig
    from collector.store_config import LakeUrl, is_url

    if arguments.config is None and arguments.state_dir is None and arguments.lake is not None:
        config = CollectorConfig()
    else:
        config = config_of(arguments, NOTHING_TO_READ)
    if arguments.lake is None:
        return config, config.lake_dir
    if is_url(arguments.lake):
        return config, LakeUrl(arguments.lake, config.lake.options)
    directory = Path(arguments.lake)
    if not directory.is_dir():
        raise ConfigurationError(f"--lake {directory}: no such directory; name the one that holds date=... folders")
    if not any(directory.glob("date=*")) and not any(directory.glob("_rolled_up/date=*")):
        raise ConfigurationError(f"--lake {directory}: no date=... folders in it; name the directory that holds them")
    return config, directory


def bar() -> "Progress":
    """Return a progress bar on stderr; it shows nothing where nobody looks."""
    from rich.progress import Progress

    from edgejoule.output import stderr_console

    console = stderr_console()
    return Progress(console=console, transient=True, disable=not console.is_terminal)


def edge(text: str) -> int:
    """Return a moment; now, and one that is so long ago, is the full five minutes before it."""
    found = moment(text)
    return found - found % FIVE_MINUTES_NS if _RELATIVE.fullmatch(text) else found


def end_edge(text: str) -> int:
    """Return a moment; now, and one that is so long ago, is the full five minutes after it: the last window counts."""
    found = moment(text)
    return found + -found % FIVE_MINUTES_NS if _RELATIVE.fullmatch(text) else found
