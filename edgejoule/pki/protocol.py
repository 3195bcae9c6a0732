"""What devices and the enrolment server say to each other: JSON over HTTPS, small and versioned by its paths."""

from typing import Final

import msgspec

from edgejoule.pki.requests import MAX_BYTES

AUTHORITY_PATH: Final = "/v1/ca"
LIST_PATH: Final = "/v1/crl"
ENROL_PATH: Final = "/v1/enrol"
RENEW_PATH: Final = "/v1/renew"
WHOAMI_PATH: Final = "/v1/whoami"
DEFAULT_PORT: Final = 8442
MAX_BODY_BYTES: Final = MAX_BYTES + 4096
"""A request, and a token or what JSON adds."""
MAX_ANSWER_BYTES: Final = 8 * 2**20
"""A list of a hundred thousand revoked certificates has about four megabytes."""


class EnrolBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """To ENROL_PATH, by a device that has nothing but a token."""

    token: str
    request: str


class RenewBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """To RENEW_PATH, by a device that shows its present certificate."""

    request: str


class IssuedBody(msgspec.Struct, frozen=True):
    """The answer to both."""

    certificate: str
    authority: str


class AuthorityBody(msgspec.Struct, frozen=True):
    """The answer of AUTHORITY_PATH: what a token's fingerprint is of."""

    authority: str


class ListBody(msgspec.Struct, frozen=True):
    """The answer of LIST_PATH."""

    list: str


class WhoamiBody(msgspec.Struct, frozen=True):
    """The answer of WHOAMI_PATH: as whom the certificate shown is known, "" without one."""

    name: str


class ErrorBody(msgspec.Struct, frozen=True):
    """Every answer that is not 200: one line."""

    error: str
