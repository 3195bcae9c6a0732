"""Certificates: ``edgejoule pki``.

One file for each verb, with ``add_arguments`` and ``run``; it is imported when the verb is named.
"""

import argparse
import sys
from typing import Final

from edgejoule.output import EXIT_NO
from edgejoule.verbs import declare, run_verb

VERBS: Final[dict[str, str]] = {
    "init": "make an authority: the key that signs a fleet's devices",
    "server-cert": "give a server a certificate: the broker's",
    "token": "let one device ask for one certificate, once",
    "serve": "answer devices that enrol or renew, over HTTPS",
    "enrol": "on a device: make a key here and have it signed; the key stays",
    "sign": "sign a request that came by hand: on a stick, or over SSH",
    "renew": "on a device: get the next certificate, with a new key, before this one ends",
    "revoke": "take a device's certificates back, or one by its serial number",
    "crl": "write the list of revoked certificates, for the broker",
    "list": "every certificate that was given: who, until when, due or revoked",
    "broker-config": "the lines for mosquitto",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verbs."""
    declare(parser, __name__, VERBS)


def run(arguments: argparse.Namespace) -> int:
    """Run the verb and return the exit code. Raises ConfigurationError as the verb does."""
    from edgejoule.pki.errors import PkiError

    try:
        return run_verb(__name__, arguments.what, arguments)
    except PkiError as error:
        sys.stderr.write(f"edgejoule: {error}\n")
        return EXIT_NO
