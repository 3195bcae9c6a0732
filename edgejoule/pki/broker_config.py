"""The lines for mosquitto: TLS, names from certificates, the access list and the list of revoked certificates."""

from edgejoule.pki.authority import LIST_NAME


def broker_lines(*, port: int, certificates: str, access_list: str) -> str:
    """Return the lines of a listener. ``certificates``: the directory of its files on the broker's machine."""
    place = certificates.rstrip("/")
    return "\n".join(
        [
            f"listener {port}",
            f"cafile {place}/ca.crt",
            f"certfile {place}/broker.crt",
            f"keyfile {place}/broker.key",
            f"crlfile {place}/{LIST_NAME}",
            "require_certificate true",
            "use_identity_as_username true",
            "allow_anonymous false",
            f"acl_file {access_list}",
            "",
        ]
    )
