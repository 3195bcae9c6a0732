"""``edgejoule dashboards build``: write the files."""

import argparse

from edge_agent.wire.errors import ConfigurationError
from edgejoule.commands.dashboards.builder import add_directory, load_builder, show
from edgejoule.output import EXIT_DONE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_directory(parser)


def run(arguments: argparse.Namespace) -> int:
    """Build. Raises ConfigurationError when the files cannot be written."""
    builder = load_builder()
    try:
        files = [str(path) for path in builder.build(arguments.dir or builder.HERE)]
    except OSError as error:
        raise ConfigurationError(f"dashboards: cannot write {error.filename}: {error.strerror}") from error
    show(arguments, {"written": files}, [f"written: {file}" for file in files])
    return EXIT_DONE
