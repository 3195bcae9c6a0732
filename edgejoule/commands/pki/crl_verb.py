"""``edgejoule pki crl``: the list of revoked certificates, from the authority or over the network."""

import argparse
from pathlib import Path

from edgejoule.commands.pki.arguments import days, open_authority
from edgejoule.output import EXIT_DONE, stdout_console


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("directory", type=Path, nargs="?", metavar="DIR", help="the authority's directory")
    parser.add_argument("--passphrase-file", type=Path, metavar="FILE", help="of the authority's key")
    parser.add_argument(
        "--days", type=days, default=365, metavar="N", help="when it ends, if made anew (default: 365)"
    )
    parser.add_argument("--server", metavar="URL", help="on the broker's machine instead: fetch it from `pki serve`")
    parser.add_argument("--ca", type=Path, metavar="FILE", help="with --server: ca.crt, which has to have signed it")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to; needed with --server")
    parser.epilog = "mosquitto refuses everybody once its list has ended: write a new one before."


def run(arguments: argparse.Namespace) -> int:
    """Write it. Raises ConfigurationError, RefusedError and UnreachableError."""
    from edge_agent.wire.errors import ConfigurationError

    if arguments.server:
        return _fetch(arguments)
    if arguments.directory is None:
        raise ConfigurationError("name the authority's DIR, or --server URL, --ca FILE and --out FILE")
    return _make(arguments)


def _make(arguments: argparse.Namespace) -> int:
    from edge_agent.wire.text_file import read_text
    from edgejoule.pki.certificates import read_list
    from edgejoule.pki.files import PUBLIC, write_whole

    path = open_authority(arguments).write_list(arguments.days)
    text = read_text(path)
    if arguments.out:
        write_whole(arguments.out, text.encode(), PUBLIC)
    made = read_list(text, str(path))
    stdout_console().print(
        f"{arguments.out or path}: {len(made)} revoked, valid until {made.next_update_utc:%Y-%m-%d}",
        markup=False,
        soft_wrap=True,
    )
    return EXIT_DONE


def _fetch(arguments: argparse.Namespace) -> int:
    from edge_agent.wire.errors import ConfigurationError
    from edgejoule.pki.revocations import update_list

    if arguments.ca is None or arguments.out is None:
        raise ConfigurationError("--server needs --ca FILE and --out FILE")
    changed = update_list(arguments.server, arguments.ca, arguments.out)
    words = "new: systemctl reload mosquitto" if changed else "as it was"
    stdout_console().print(f"{arguments.out}: {words}", markup=False, soft_wrap=True)
    return EXIT_DONE
