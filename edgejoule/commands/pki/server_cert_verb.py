"""``edgejoule pki server-cert``: a certificate for the broker, under the names that devices reach it by."""

import argparse
from pathlib import Path

from edgejoule.commands.pki.arguments import add_authority, add_days, open_authority
from edgejoule.output import EXIT_DONE, stdout_console


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_authority(parser)
    add_days(parser, 730)
    parser.add_argument("--name", action="append", default=[], metavar="HOST", help="as in the url; may be repeated")
    parser.add_argument("--ip", action="append", default=[], metavar="ADDRESS", help="likewise; may be repeated")
    parser.add_argument(
        "--csr", type=Path, metavar="FILE", help="a request made on the server; else a key is made here"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="gets broker.crt, ca.crt, fleet.crl, and broker.key"
    )


def run(arguments: argparse.Namespace) -> int:
    """Sign and write. Raises ConfigurationError and RefusedError."""
    from edge_agent.wire.text_file import read_text
    from edgejoule.pki import keys
    from edgejoule.pki.authority import LIST_NAME
    from edgejoule.pki.files import PUBLIC, SECRET, make_folder, write_whole
    from edgejoule.pki.requests import read_request

    authority = open_authority(arguments)
    out: Path = arguments.out
    own = None if arguments.csr else keys.new_key()
    public = own.public_key() if own else read_request(read_text(arguments.csr)).key
    issued = authority.sign_server(public, arguments.name, arguments.ip, arguments.days)
    make_folder(out, 0o755)
    if own:
        write_whole(out / "broker.key", keys.key_pem(own), SECRET)
    write_whole(out / "broker.crt", issued.certificate.encode(), PUBLIC)
    write_whole(out / "ca.crt", issued.authority.encode(), PUBLIC)
    write_whole(out / LIST_NAME, read_text(authority.write_list()).encode(), PUBLIC)
    made = ["broker.key", "broker.crt"] if own else ["broker.crt"]
    console = stdout_console()
    console.print(f"{', '.join([*made, 'ca.crt'])} and {LIST_NAME} in {out}", markup=False, soft_wrap=True)
    return EXIT_DONE
