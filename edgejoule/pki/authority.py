"""The authority: a directory with a key, a certificate and a register, and what may be asked of it.

It decides. Names come from tokens and commands, never from requests; times come from its own clock.
"""

import datetime as dt
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from cryptography import x509

from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.text_file import read_text
from edgejoule.pki import certificates, keys, names
from edgejoule.pki.certificates import Issuer, Revoked, to_pem
from edgejoule.pki.errors import RefusedError
from edgejoule.pki.files import PUBLIC, SECRET, locked, make_folder, refuse_open_file, write_whole
from edgejoule.pki.names import Identity
from edgejoule.pki.register import Entry, Register, TokenEntry, Via, create_register, transaction
from edgejoule.pki.requests import Request, check_identity, read_request
from edgejoule.pki.token import Token, new_token

AUTHORITY_DAYS: Final = 3652
CLIENT_DAYS: Final = 365
SERVER_DAYS: Final = 730
LIST_DAYS: Final = 365
"""Long, as it travels by hand: a list that is out of date stops every device, and none becomes safer by it."""
LIST_NAME: Final = "fleet.crl"
REGISTER: Final = "register.sqlite3"
_OWN: Final = (REGISTER, LIST_NAME, "ca.crt", "ca.key.", "lock", "lost+found")
"""How the files begin that a new authority's directory may hold."""


class Issued(NamedTuple):
    """A certificate and that of the authority, as PEM text."""

    certificate: str
    authority: str


class Outcome(NamedTuple):
    """What a revocation did."""

    revoked: list[Entry]
    tokens: int


def create_authority(
    directory: Path,
    name: str,
    *,
    passphrase: bytes | None = None,
    days: int = AUTHORITY_DAYS,
    now_unix_s: Callable[[], float] = time.time,
) -> "Authority":
    """Make a new authority in ``directory``, readable by its owner alone. Raises ConfigurationError."""
    make_folder(directory, 0o700)
    _check_vacant(directory)  # before a lock is left in it
    with locked(directory):
        _check_vacant(directory)
        _close(directory)
        key = keys.new_key()
        certificate = certificates.authority_certificate(name, key, _utc(now_unix_s()), days)
        create_register(directory / REGISTER)
        write_whole(directory / "ca.crt", to_pem(certificate).encode(), PUBLIC)
        write_whole(directory / "ca.key", keys.key_pem(key, passphrase), SECRET)  # last: with it there is an authority
        authority = Authority(directory, passphrase, now_unix_s=now_unix_s)
        authority.write_list()
    return authority


def _check_vacant(directory: Path) -> None:
    """Refuse a directory that holds more than an init that broke off left. Raises ConfigurationError."""
    try:
        there = sorted(path.name for path in directory.iterdir())
    except OSError as error:
        raise ConfigurationError(f"{directory}: cannot read it: {error.strerror}; name another") from error
    if "ca.key" in there:
        raise ConfigurationError(f"{directory}: there is an authority already; it stays as it is")
    foreign = next((name for name in there if not name.lstrip(".").startswith(_OWN)), None)
    if foreign is not None:
        raise ConfigurationError(
            f"{directory}: holds {foreign!r}; name a new directory, which will be closed to others"
        )
    if REGISTER in there and entries_of(directory):
        raise ConfigurationError(
            f"{directory}: holds the register of an authority, but not its ca.key: put that back, or name another"
        )


def _close(directory: Path) -> None:
    try:
        directory.chmod(0o700)
    except OSError as error:
        raise ConfigurationError(f"{directory}: cannot close it to others: {error.strerror}; name another") from error


class Authority:
    """An open authority. ``now_unix_s``: its clock."""

    def __init__(
        self, directory: Path, passphrase: bytes | None = None, *, now_unix_s: Callable[[], float] = time.time
    ) -> None:
        """Read the key. Raises ConfigurationError."""
        self.directory = directory
        self._register = directory / REGISTER
        self._now_unix_s = now_unix_s
        remedy = f"make an authority: edgejoule pki init {directory}"
        self.pem = read_text(directory / "ca.crt", remedy=remedy)
        self.certificate = certificates.read_certificate(self.pem, str(directory / "ca.crt"))
        key_path = directory / "ca.key"
        pem = read_text(key_path, remedy=remedy).encode()
        refuse_open_file(key_path, str(key_path))
        key = keys.load_key(pem, str(key_path), passphrase)
        self._issuer = Issuer(self.certificate, key)

    @property
    def fingerprint(self) -> str:
        """Return the SHA-256 of its certificate, in hexadecimal."""
        return certificates.fingerprint(self.certificate)

    def give_token(self, identity: Identity, valid_s: float) -> Token:
        """Return a token for one certificate in the name of ``identity``."""
        token, now_unix_s = new_token(identity.name, self.fingerprint), self._now_unix_s()
        with transaction(self._register) as register:
            register.add_token(token.digest, identity, now_unix_s, now_unix_s + valid_s)
        return token

    def redeem(self, token: Token, request_pem: str, days: int = CLIENT_DAYS) -> Issued:
        """Sign a request that comes with a token. Shown again with the same key, it gets the same certificate.

        Raises RefusedError.
        """
        request = read_request(request_pem)
        with transaction(self._register) as register:
            entry = register.token(token.digest)
            _check_token(entry, token, keys.key_id(request.key), self._now_unix_s())
            assert entry is not None
            issued = self._sign(register, request, Identity(entry.name, entry.role), "token", days)
            register.use_token(token.digest, keys.key_id(request.key), self._now_unix_s())
        return issued

    def renew(self, present: x509.Certificate, request_pem: str, days: int = CLIENT_DAYS) -> Issued:
        """Sign a request of whoever logged in with ``present``. Raises RefusedError."""
        request = read_request(request_pem)
        with transaction(self._register) as register:
            entry = _check_present(register, present)
            return self._sign(register, request, Identity(entry.name, entry.role), "renewal", days)

    def name_of(self, present: x509.Certificate) -> str:
        """Return whose certificate this is. Raises RefusedError for one that is revoked, or of no client."""
        with transaction(self._register) as register:
            return _check_present(register, present).name

    def sign(self, request_pem: str, identity: Identity, days: int = CLIENT_DAYS) -> Issued:
        """Sign a request that came by hand; who asks vouches for it. Raises RefusedError."""
        request = read_request(request_pem)
        with transaction(self._register) as register:
            return self._sign(register, request, identity, "sign", days)

    def sign_server(
        self,
        key: keys.PublicKey,
        hosts: Sequence[str],
        addresses: Sequence[str],
        days: int = SERVER_DAYS,
        *,
        purpose: str = "",
    ) -> Issued:
        """Return a certificate for a server under these names and addresses. Raises RefusedError.

        ``purpose``: stands before the name in the register, where one machine has several servers.
        """
        if not hosts and not addresses:
            raise RefusedError("a server's certificate needs the names or addresses that devices reach it by")
        self._check_time()
        checked = [names.check_host(host) for host in hosts]
        certificate = certificates.server_certificate(self._issuer, checked, addresses, key, self._now(), days)
        with transaction(self._register) as register:
            name = f"{purpose}{[*hosts, *addresses][0]}"
            register.add(self._entry(certificate, Identity(name, "server"), key, "server"))
        return Issued(to_pem(certificate), self.pem)

    def revoke(self, name_or_serial: str) -> Outcome:
        """Revoke a certificate by its serial number, or all that a name has, its unused tokens too.

        Writes the new list. Raises RefusedError when there is none of this name or number.
        """
        now_unix_s = self._now_unix_s()
        with transaction(self._register) as register:
            found = register.by_name(name_or_serial)
            tokens = register.withdraw_tokens(name_or_serial, now_unix_s)
            if not found:
                one = register.by_serial(name_or_serial.upper().replace(":", "").lstrip("0"))
                found = [] if one is None else [one]
            if not found and not tokens:
                raise RefusedError(f"no certificate of this name or number: {name_or_serial[:80]!r}; see pki list")
            revoked = [e for e in found if e.revoked_unix_s is None and e.not_after_unix_s > now_unix_s]
            for entry in revoked:
                register.revoke(entry.serial, now_unix_s)
        self.write_list()
        return Outcome(revoked, tokens)

    def write_list(self, days: int = LIST_DAYS) -> Path:
        """Write the list of revoked certificates anew and return its path; expired ones no longer stand in it."""
        now_unix_s = self._now_unix_s()
        with transaction(self._register) as register:
            revoked = [
                Revoked(int(entry.serial, 16), _utc(entry.revoked_unix_s))
                for entry in register.entries()
                if entry.revoked_unix_s is not None and entry.not_after_unix_s + 86_400 > now_unix_s
            ]
            number = register.next_list_number()
            made = certificates.revocation_list(self._issuer, revoked, number, self._now(), days)
            write_whole(self.directory / LIST_NAME, to_pem(made).encode(), PUBLIC)
        return self.directory / LIST_NAME

    def entries(self) -> list[Entry]:
        """Return every certificate that was given."""
        return entries_of(self.directory)

    def _check_time(self) -> None:
        end = self.certificate.not_valid_after_utc
        if self._now() >= end:
            raise RefusedError(
                f"the authority ended on {end:%Y-%m-%d}, and this clock says {self._now():%Y-%m-%d}: make a new one, "
                "and enrol every device there"
            )

    def _sign(self, register: Register, request: Request, identity: Identity, via: Via, days: int) -> Issued:
        self._check_time()
        check_identity(request, identity)
        key_id = keys.key_id(request.key)
        for known in register.by_key(key_id):
            if known.name != identity.name:
                raise RefusedError(
                    f"this key is that of {known.name!r}: was its card copied? make {identity.name!r} a key of its own"
                )
            if known.revoked_unix_s is not None:
                raise RefusedError(f"this key of {known.name!r} was revoked: make a new one on the device")
            if not self._is_due(known):
                return Issued(known.pem, self.pem)
        made = certificates.client_certificate(self._issuer, identity, request.key, self._now(), days)
        register.add(self._entry(made, identity, request.key, via))
        return Issued(to_pem(made), self.pem)

    def _entry(self, certificate: x509.Certificate, identity: Identity, key: keys.PublicKey, via: Via) -> Entry:
        return Entry(
            certificates.serial_text(certificate.serial_number),
            *(identity.name, identity.role, keys.key_id(key), via),
            *(self._now_unix_s(), certificate.not_valid_after_utc.timestamp(), None, to_pem(certificate)),
        )

    def _is_due(self, entry: Entry) -> bool:
        return certificates.due_at(certificates.read_certificate(entry.pem, entry.serial)) <= self._now()

    def _now(self) -> dt.datetime:
        return _utc(self._now_unix_s())


def entries_of(directory: Path) -> list[Entry]:
    """Return every certificate that the authority in ``directory`` gave; its key is not needed for that.

    Raises ConfigurationError.
    """
    with transaction(directory / REGISTER) as register:
        return register.entries()


def _check_present(register: Register, present: x509.Certificate) -> Entry:
    entry = register.by_serial(certificates.serial_text(present.serial_number))
    if entry is None or entry.role == "server":
        raise RefusedError("the certificate shown is none of a device: ask for a token")
    if entry.revoked_unix_s is not None:
        raise RefusedError(f"the certificate of {entry.name!r} is revoked: ask for a token")
    return entry


def _check_token(entry: TokenEntry | None, token: Token, key_id: str, now_unix_s: float) -> None:
    again = "ask for a new one: edgejoule pki token"
    if entry is None:
        raise RefusedError(f"this token is not known here: {again}")
    if entry.withdrawn_unix_s is not None:
        raise RefusedError(f"the token of {token.name!r} was withdrawn: {again}")
    if now_unix_s > entry.ends_unix_s:
        raise RefusedError(
            f"the token of {token.name!r} ended at {_utc(entry.ends_unix_s):%Y-%m-%d %H:%M} UTC: {again}"
        )
    if entry.used_unix_s is not None and entry.key_id != key_id:
        raise RefusedError(f"the token of {token.name!r} was used before, for another key: {again}, if that was you")


def _utc(unix_s: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(unix_s, dt.UTC)
