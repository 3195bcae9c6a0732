"""What several verbs of ``edgejoule meter`` share."""

import argparse
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgejoule.signals import STOP_SIGNALS, handled, setting
from firmware_bridge.driver import Options
from firmware_bridge.errors import ConfigurationError


@contextmanager
def stop_on_signal() -> Iterator[threading.Event]:
    """Yield an event that SIGINT and SIGTERM set, so that whatever runs ends in order."""
    stop = threading.Event()
    with handled(STOP_SIGNALS, setting(stop)):
        yield stop


def options_of(arguments: argparse.Namespace) -> Options:
    """Return the driver's options as they were typed."""
    return dict(arguments.option)


def refuse_to_overwrite(path: Path, *, force: bool) -> None:
    """Raise ConfigurationError where there is a file of that name already."""
    if path.is_file() and not force:
        raise ConfigurationError(f"{path}: exists already; name another file, or overwrite it with --force")
