"""The key and certificates of one device, in a directory: ``device.key``, ``device.crt`` and ``ca.crt``.

The three are links through one further link, ``current``, to a numbered directory: a renewal exchanges key and
certificate in one step, and a power cut leaves either the old pair or the new one, never half of each. The pair before
the present one is kept. A number above that of ``current`` is pending: a key whose certificate is not there yet, or is
there and not in use, so that a try that broke off goes on with the same key.
"""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
from cryptography import x509

from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.text_file import read_text
from edgejoule.pki import certificates, keys
from edgejoule.pki.certificates import common_name
from edgejoule.pki.errors import RefusedError
from edgejoule.pki.files import PUBLIC, SECRET, link_whole, locked, make_folder, write_whole
from edgejoule.pki.names import Identity
from edgejoule.pki.requests import make_request, read_request

KEY: Final = "device.key"
CERTIFICATE: Final = "device.crt"
AUTHORITY: Final = "ca.crt"
FILES: Final = (KEY, CERTIFICATE, AUTHORITY)
_REQUEST: Final = "request.csr"
_CURRENT: Final = "current"
_SERVER: Final = "enrolment.json"


class Enrolment(msgspec.Struct, frozen=True):
    """``enrolment.json``: where this device renews its certificate, "" where it was signed by hand."""

    server: str = ""
    schema: int = 1


class DeviceFiles:
    """One such directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._is_alone = False

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep others out until the block ends: from the question to the use of its answer.

        Raises ConfigurationError, and UnreachableError while another enrols or renews here.
        """
        self._refuse_foreign_files()
        make_folder(self.directory, 0o755)
        with locked(self.directory, wait=False):
            self._is_alone = True
            try:
                yield
            finally:
                self._is_alone = False

    @property
    def is_enrolled(self) -> bool:
        """Tell whether there is a certificate in use."""
        return (self.directory / _CURRENT).is_symlink()

    def certificate(self) -> x509.Certificate:
        """Return the certificate in use. Raises ConfigurationError."""
        return _read_certificate(self.directory / CERTIFICATE, "enrol first: edgejoule pki enrol")

    def authority(self) -> x509.Certificate:
        """Return the authority's certificate. Raises ConfigurationError."""
        return _read_certificate(self.directory / AUTHORITY, "enrol first: edgejoule pki enrol")

    def server(self) -> str:
        """Return the url of the enrolment server, "" where none is known. Raises ConfigurationError."""
        path = self.directory / _SERVER
        if not path.exists():
            return ""
        try:
            return msgspec.json.decode(read_text(path), type=Enrolment).server
        except msgspec.MsgspecError as error:
            raise ConfigurationError(
                f"{path}: {error}; enrol again, or write the server's url with --server"
            ) from error

    def remember_server(self, url: str) -> None:
        """Keep the url for renewals. Raises ConfigurationError."""
        write_whole(self.directory / _SERVER, msgspec.json.encode(Enrolment(url)) + b"\n", PUBLIC)

    def request(self, identity: Identity) -> str:
        """Return the request of the pending key, which is made if there is none for this name.

        Raises ConfigurationError.
        """
        self._refuse_foreign_files()
        make_folder(self.directory, 0o755)
        with self._locked():
            return self._pending_request(identity) or self._new_request(identity)

    def hold(self, certificate_pem: str, authority_pem: str) -> None:
        """Keep a certificate beside the pending key, without using it yet.

        Raises ConfigurationError; RefusedError for one that does not belong to the key or is of a foreign authority.
        """
        with self._locked():
            self._hold(certificate_pem, authority_pem)

    def held(self) -> tuple[Path, Path, Path] | None:
        """Return key, certificate and authority that are held and not in use yet, None if there are none."""
        pending = self._pending
        paths = (pending / KEY, pending / CERTIFICATE, pending / AUTHORITY)
        return paths if all(path.is_file() for path in paths) else None

    def use_held(self) -> None:
        """Put what is held in the place of what is in use, in one step. Raises ConfigurationError."""
        with self._locked():
            if self.held() is None:
                raise ConfigurationError(f"{self.directory}: what was to be used is gone; ask again")
            before, fresh = self._current_number(), self._pending
            try:
                for name in FILES:
                    link_whole(self.directory / name, f"{_CURRENT}/{name}")
                link_whole(self.directory / _CURRENT, fresh.name)
                (fresh / _REQUEST).unlink(missing_ok=True)
            except OSError as error:
                raise ConfigurationError(f"{self.directory}: cannot change it: {error.strerror}") from error
            self._remove_numbers_but(before, self._current_number())

    def adopt(self, certificate_pem: str, authority_pem: str) -> None:
        """Hold a certificate and use it at once. Raises RefusedError and ConfigurationError."""
        self.hold(certificate_pem, authority_pem)
        self.use_held()

    def drop_pending(self) -> None:
        """Forget the pending key, and what was held beside it."""
        with self._locked():
            shutil.rmtree(self._pending, ignore_errors=True)

    def back(self) -> bool:
        """Use the pair before the present one again, if there is one; tell whether there was.

        The present one is held from then on. Raises ConfigurationError.
        """
        with self._locked():
            now = self._current_number()
            before = [number for number in self._numbers() if number < now]
            if not before:
                return False
            try:
                link_whole(self.directory / _CURRENT, _folder_name(before[-1]))
            except OSError as error:
                raise ConfigurationError(f"{self.directory}: cannot change it: {error.strerror}") from error
            return True

    def check_authority(self, authority: x509.Certificate) -> None:
        """Refuse another authority than that of the pair in use. Raises RefusedError and ConfigurationError."""
        if self.is_enrolled and self.authority() != authority:
            raise RefusedError(
                f"the certificate is of another authority than {self.directory / AUTHORITY}: move that directory away"
                " if this device is to change its fleet"
            )

    def _locked(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext() if self._is_alone else locked(self.directory)

    @property
    def _pending(self) -> Path:
        """Return where a pending key is, or will be."""
        later = [number for number in self._numbers() if number > self._current_number()]
        return self.directory / _folder_name(later[-1] if later else self._current_number() + 1)

    def _pending_request(self, identity: Identity) -> str:
        """Return what is left of an earlier try for the same name, "" if nothing is."""
        pending = self._pending
        try:
            key = keys.load_key((pending / KEY).read_bytes(), str(pending / KEY))
            pem = (pending / _REQUEST).read_text(encoding="ascii")
            request = read_request(pem)
        except (OSError, ValueError, ConfigurationError, RefusedError):
            return ""
        fits = request.common_name == identity.name and keys.key_id(request.key) == keys.key_id(key.public_key())
        return pem if fits else ""

    def _new_request(self, identity: Identity) -> str:
        pending = self._pending
        shutil.rmtree(pending, ignore_errors=True)
        make_folder(pending, 0o755)
        key = keys.new_key()
        pem = make_request(key, identity)
        write_whole(pending / KEY, keys.key_pem(key), SECRET)
        write_whole(pending / _REQUEST, pem.encode(), PUBLIC)
        return pem

    def _hold(self, certificate_pem: str, authority_pem: str) -> None:
        pending = self._pending
        key_path = pending / KEY
        remedy = "ask for a request first: edgejoule pki enrol --csr-only"
        key = keys.load_key(read_text(key_path, remedy=remedy).encode(), str(key_path))
        certificate = certificates.read_certificate(certificate_pem, "the answer")
        authority = certificates.read_certificate(authority_pem, "the answer's authority")
        if certificate.public_key() != key.public_key():
            raise RefusedError(
                f"the certificate of {common_name(certificate)!r} is not for the key in {pending}: it belongs to"
                " another request or another device"
            )
        if not certificates.is_signed_by(certificate, authority):
            raise RefusedError("the certificate is not signed by the authority that came with it")
        wanted = read_request(read_text(pending / _REQUEST)).common_name
        if common_name(certificate) != wanted:
            raise RefusedError(f"the certificate names {common_name(certificate)!r}, but {wanted!r} was asked for")
        self.check_authority(authority)
        write_whole(pending / AUTHORITY, certificates.to_pem(authority).encode(), PUBLIC)
        write_whole(pending / CERTIFICATE, certificates.to_pem(certificate).encode(), PUBLIC)

    def _refuse_foreign_files(self) -> None:
        for name in FILES:
            path = self.directory / name
            try:
                is_foreign = path.exists() and not path.is_symlink()
            except OSError as error:
                raise ConfigurationError(f"{path}: {error.strerror}; are you its owner?") from error
            if is_foreign:
                raise ConfigurationError(
                    f"{path}: is there and was made by something else; move it away, or name another --out"
                )

    def _numbers(self) -> list[int]:
        return sorted(int(path.name) for path in self.directory.glob("[0-9]" * 4) if path.is_dir())

    def _current_number(self) -> int:
        """Return the number of the pair in use, 0 where there is none."""
        try:
            return int((self.directory / _CURRENT).readlink().name)
        except (OSError, ValueError):
            return 0

    def _remove_numbers_but(self, *kept: int) -> None:
        for number in self._numbers():
            if number not in kept:
                shutil.rmtree(self.directory / _folder_name(number), ignore_errors=True)


def _folder_name(number: int) -> str:
    return f"{number:04d}"


def _read_certificate(path: Path, remedy: str) -> x509.Certificate:
    return certificates.read_certificate(read_text(path, remedy=remedy), str(path))
