"""Whom a certificate may name: a device, a service of the fleet, or a server."""

import ipaddress
import re
from typing import Final, Literal, NamedTuple

from edge_agent.wire.topics import RESERVED_NAMES
from edgejoule.pki.errors import RefusedError

Role = Literal["device", "service", "server"]
SERVICES: Final = ("collector", "operator")
"""Identities beside the devices that deploy/edgejoule.acl gives rights to."""
_DEVICE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
"""As ``Identifier`` of the wire: the name is a level of a topic and a file's name."""
_HOST: Final = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?")


class Identity(NamedTuple):
    """A common name and what its holder is."""

    name: str
    role: Role

    @property
    def uri(self) -> str:
        """Return the subject's alternative name: it says the role, which the common name does not."""
        return f"urn:edgejoule:{self.role}:{self.name}"


def device(name: str) -> Identity:
    """Return the identity of a device. Raises RefusedError for a name that is none, or belongs to somebody else."""
    if not _DEVICE.fullmatch(name):
        raise RefusedError(
            f"{name[:80]!r} is no device id: 1 to 64 letters, digits, '_', '.' or '-', the first a letter or digit"
        )
    if name.lower() in RESERVED_NAMES:
        remedy = "say --service if it is meant" if name in SERVICES else "choose another"
        raise RefusedError(f"{name!r} is a reserved name, which no device may have: {remedy}")
    return Identity(name, "device")


def service(name: str) -> Identity:
    """Return the identity of a service. Raises RefusedError for a name that the access list does not know."""
    if name not in SERVICES:
        raise RefusedError(f"{name[:80]!r} is no service of a fleet: choose {' or '.join(SERVICES)}")
    return Identity(name, "service")


def client(name: str, *, is_service: bool) -> Identity:
    """Return the identity of whoever logs in at a broker. Raises RefusedError."""
    return service(name) if is_service else device(name)


def check_host(name: str) -> str:
    """Return a host name that a server's certificate may hold. Raises RefusedError."""
    if len(name) > 253 or not _HOST.fullmatch(name):
        raise RefusedError(f"{name[:80]!r} is no host name: write it as in the url, for example broker.lan")
    return name


def check_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return an IP address. Raises RefusedError."""
    try:
        return ipaddress.ip_address(text)
    except ValueError as error:
        raise RefusedError(f"{text[:80]!r} is no IP address: write one such as 192.168.1.5") from error
