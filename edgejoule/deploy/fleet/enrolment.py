"""Certificates in a roll-out: the key is made on the board and stays there; the request comes here and is signed."""

import datetime as dt
from pathlib import Path
from typing import Final

from edge_agent.wire.errors import ConfigurationError
from edgejoule.deploy.fleet.fleet_file import PkiSection
from edgejoule.pki.answer_file import join_answer
from edgejoule.pki.authority import Authority
from edgejoule.pki.certificates import common_name, due_at, is_signed_by, read_certificate
from edgejoule.pki.errors import RefusedError
from edgejoule.pki.names import device
from edgejoule.pki.passphrase import read_passphrase

DIRECTORY: Final = "/etc/edgejoule/pki"


class Enrolment:
    """The authority of a fleet file. Raises ConfigurationError when it cannot be opened."""

    def __init__(self, section: PkiSection, base: Path) -> None:
        passphrase = read_passphrase(base / section.passphrase_file if section.passphrase_file else None)
        self._authority = Authority(base / Path(section.directory).expanduser(), passphrase)
        self._days = section.days

    def lack(self, device_id: str, certificate_pem: str, now: dt.datetime) -> str:
        """Return why a board needs a certificate from here; "" for a present one that will do."""
        if not certificate_pem.strip():
            return "no certificate yet"
        try:
            certificate = read_certificate(certificate_pem, "device.crt")
        except ConfigurationError:
            return "its certificate cannot be read"
        if not is_signed_by(certificate, self._authority.certificate):
            return "its certificate is of another authority"
        if common_name(certificate) != device_id:
            return f"its certificate names {common_name(certificate)!r}"
        if now >= due_at(certificate):
            return f"its certificate ends on {certificate.not_valid_after_utc:%Y-%m-%d}"
        return ""

    def answer(self, device_id: str, request_pem: str) -> str:
        """Return what the board is to take over. Raises RefusedError."""
        return join_answer(self._authority.sign(request_pem, device(device_id), self._days))


__all__ = ["DIRECTORY", "Enrolment", "RefusedError"]
