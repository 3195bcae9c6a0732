"""What every verb of ``edgejoule models`` takes."""

import argparse
from pathlib import Path


def add_common(parser: argparse.ArgumentParser) -> None:
    """Declare which catalogue, and whether JSON is wanted."""
    parser.add_argument("--catalog-dir", type=Path, metavar="DIR", help="another folder that holds catalog.toml")
    parser.add_argument("--json", action="store_true", help="JSON on stdout and nothing else")


def directory_of(arguments: argparse.Namespace) -> Path:
    """Return the folder of the catalogue: the one that is named, else the one that comes along."""
    from edge_agent.model_catalog import models_dir

    named: Path | None = arguments.catalog_dir
    return models_dir() if named is None else named
