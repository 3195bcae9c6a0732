"""``edgejoule order publish``: put files where the collector serves them to devices."""

import argparse
from pathlib import Path

from edge_agent.wire.errors import ConfigurationError
from edgejoule.commands.order.arguments import add_config, add_json, config_of
from edgejoule.output import EXIT_DONE, stdout_console, write_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="a model, a check set")
    parser.add_argument("--blobs", dest="blob_dir", type=Path, metavar="DIR", help="the collector's [orders] blob_dir")
    add_config(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Copy them. Raises ConfigurationError."""
    from collector.blobs import BlobStore

    config = config_of(arguments)
    if not config.blob_dir:
        raise ConfigurationError("order publish: where to? give --blobs DIR, the collector's [orders] blob_dir")
    store = BlobStore(Path(config.blob_dir))
    found = [(path, store.put(path)) for path in arguments.files]
    if arguments.json:
        write_json({"files": [{"file": str(path), **blob._asdict()} for path, blob in found]})
        return EXIT_DONE
    for path, blob in found:
        there = "published" if blob.new else "was there already"
        stdout_console().print(
            f"{blob.sha256}  {path}  {blob.size_bytes} bytes, {there}", markup=False, soft_wrap=True
        )
    return EXIT_DONE
