"""Who may use a listener of mosquitto and as whom, by its configuration: mosquitto.conf(5)."""

from typing import Final

from edgejoule.doctor.finding import Finding, failure, warning
from edgejoule.doctor.mosquitto_conf import Listener, Settings

TOPIC: Final = "mosquitto.conf"
PASSWORD_KEYS: Final = ("password_file", "plugin", "auth_plugin", "psk_file")
RIGHTS_KEYS: Final = ("acl_file", "plugin", "auth_plugin")
NAME_KEYS: Final = ("use_identity_as_username", "use_subject_as_username")


def check_listener(listener: Listener, settings: Settings) -> list[Finding]:
    """Judge one listener by the ``settings`` that hold for it; one that only this machine reaches passes."""
    if listener.loopback:
        return []
    place = f"listener {listener.port} {listener.address or 'on every interface'}"
    findings = [*_check_strangers(place, settings), *_check_names(place, settings), *_check_rights(place, settings)]
    if not listener.encrypted:
        text = f"{place} is not encrypted: passwords and readings can be read on the way"
        findings.append(warning(TOPIC, text, "cafile, certfile and keyfile below the listener; mqtts:// in [broker]"))
    return findings


def _check_strangers(place: str, settings: Settings) -> list[Finding]:
    if _is_true(settings, "require_certificate"):
        if "cafile" in settings or "capath" in settings:
            return []
        text = f"{place} requires certificates but trusts no authority: nobody can connect"
        return [failure(TOPIC, text, "cafile FILE, the certificate of the authority that signs the devices")]
    if _is_true(settings, "allow_anonymous"):
        text = f"{place} lets anybody in: anyone on the network can forge readings"
        return [failure(TOPIC, text, "allow_anonymous false, with password_file or require_certificate true")]
    if not _has(settings, PASSWORD_KEYS):
        text = f"{place} has neither passwords nor certificates: nobody can log in"
        return [failure(TOPIC, text, "password_file FILE (made by mosquitto_passwd)")]
    if any(_is_true(settings, key) for key in NAME_KEYS):
        text = f"{place} takes names from certificates but does not require them"
        return [warning(TOPIC, text, "require_certificate true")]
    return []


def _check_names(place: str, settings: Settings) -> list[Finding]:
    """Find a listener where a client with any certificate may call itself as it likes."""
    if not _is_true(settings, "require_certificate") or any(_is_true(settings, key) for key in NAME_KEYS):
        return []
    if _has(settings, PASSWORD_KEYS) and not _is_true(settings, "allow_anonymous"):
        return []
    text = f"{place} checks certificates but takes the user name from the client: the access list binds nobody"
    return [failure(TOPIC, text, "use_identity_as_username true: the name in the certificate is the user's")]


def _check_rights(place: str, settings: Settings) -> list[Finding]:
    if _has(settings, RIGHTS_KEYS):
        return []
    text = f"{place} has no access list: every device may write as any other, and read what the others send"
    return [warning(TOPIC, text, "acl_file FILE: deploy/edgejoule.acl of the sources")]


def _is_true(settings: Settings, key: str) -> bool:
    return settings.get(key, "false") == "true"


def _has(settings: Settings, keys: tuple[str, ...]) -> bool:
    return any(key in settings for key in keys)
