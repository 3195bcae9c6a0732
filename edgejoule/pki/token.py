"""One-time tokens: whoever shows one may have a certificate in the name of one device, once.

``ej1.<64 letters>.<name>``: the letters are 16 random bytes and the SHA-256 of the authority's certificate, so that a
device knows from the token alone which server it may show it to.
"""

import base64
import binascii
import hashlib
import re
import secrets
from typing import Final, NamedTuple

from edgejoule.pki.errors import RefusedError

SECRET_BYTES: Final = 16
_FORM: Final = re.compile(r"ej1\.([A-Za-z0-9_-]{64})\.([A-Za-z0-9][A-Za-z0-9_.-]{0,63})")


class Token(NamedTuple):
    """``fingerprint``: of the authority's certificate, in hexadecimal."""

    secret: bytes
    fingerprint: str
    name: str

    def __str__(self) -> str:
        letters = base64.urlsafe_b64encode(self.secret + bytes.fromhex(self.fingerprint)).decode()
        return f"ej1.{letters}.{self.name}"

    @property
    def digest(self) -> str:
        """Return what the authority keeps of it: the secret has 128 random bits, so one plain hash will do."""
        return hashlib.sha256(self.secret + self.name.encode()).hexdigest()


def new_token(name: str, fingerprint: str) -> Token:
    """Return a token that nobody can guess."""
    return Token(secrets.token_bytes(SECRET_BYTES), fingerprint, name)


def parse_token(text: str) -> Token:
    """Return the parts. Raises RefusedError, in whose line the token does not stand."""
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise RefusedError("this is no token: copy the whole line that `edgejoule pki token` printed, from 'ej1.' on")
    try:
        letters = base64.b64decode(found[1], altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise RefusedError("this is no token: some of its letters are damaged") from error
    return Token(letters[:SECRET_BYTES], letters[SECRET_BYTES:].hex(), found[2])
