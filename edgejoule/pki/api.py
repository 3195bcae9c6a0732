"""What a roll-out needs of certificates, in three functions: the key is made on the board and stays there.

On the board: ``make_request`` and, with the answer, ``install_certificate``. At the authority: ``sign_request``.
"""

from pathlib import Path

from edgejoule.pki import names
from edgejoule.pki.authority import CLIENT_DAYS, Authority
from edgejoule.pki.device_files import DeviceFiles
from edgejoule.pki.passphrase import read_passphrase


def make_request(directory: Path, device_id: str) -> str:
    """Return a request (PEM) for ``device_id``; its key is made in ``directory``, or is there from an earlier try.

    Raises ConfigurationError, and RefusedError for a name that no device can have.
    """
    return DeviceFiles(directory).request(names.device(device_id))


def install_certificate(directory: Path, certificate_pem: str, authority_pem: str) -> None:
    """Put what the authority answered beside its key: ``device.crt``, ``device.key`` and ``ca.crt``, all at once.

    Raises ConfigurationError and RefusedError, and leaves what was there.
    """
    DeviceFiles(directory).adopt(certificate_pem, authority_pem)


def sign_request(
    authority: Path, request_pem: str, device_id: str, *, passphrase_file: Path | None = None, days: int = CLIENT_DAYS
) -> tuple[str, str]:
    """Return a certificate for ``device_id`` and that of the authority (PEM).

    Raises ConfigurationError for an authority that cannot be opened, RefusedError for a request that is not signed.
    """
    opened = Authority(authority, read_passphrase(passphrase_file))
    issued = opened.sign(request_pem, names.device(device_id), days)
    return issued.certificate, issued.authority
