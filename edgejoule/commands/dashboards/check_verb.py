"""``edgejoule dashboards check``: what is wrong with the dashboards, and whether their files are up to date."""

import argparse
from pathlib import Path

from edge_agent.wire.errors import ConfigurationError
from edgejoule.commands.dashboards.builder import add_directory, load_builder, load_part, show
from edgejoule.output import EXIT_DONE, EXIT_NO


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_directory(parser)
    parser.add_argument(
        "--grafana-schema",
        type=Path,
        metavar="DIR",
        help="check also against Grafana's own types, with Node.js; DIR is where npm installed @grafana/schema, "
        "typescript, ts-json-schema-generator and ajv",
    )


def run(arguments: argparse.Namespace) -> int:
    """Check; exit code 1 where there is a fault. Raises ConfigurationError for what cannot be read."""
    builder = load_builder()
    try:
        faults = builder.check(arguments.dir or builder.HERE)
    except OSError as error:
        raise ConfigurationError(f"dashboards: cannot read {error.filename}: {error.strerror}") from error
    if arguments.grafana_schema is not None:
        faults += load_part("typecheck").schema_faults(builder.dashboards(), arguments.grafana_schema)
    show(arguments, {"ok": not faults, "faults": faults}, faults or ["dashboards: in order and up to date"])
    return EXIT_NO if faults else EXIT_DONE
