"""What a board is now, as its installer's ``facts`` and a look at its files say it."""

from collections.abc import Mapping
from typing import Any

import msgspec

from edgejoule.deploy.fleet.problems import BoardError, Problem
from edgejoule.deploy.targets import BoardFacts


class Clock(msgspec.Struct, frozen=True):
    """``ahead_s``: of ours, while it was asked."""

    ahead_s: float
    synchronised: bool | None = None


class BoardReport(msgspec.Struct, frozen=True, kw_only=True):
    """One board. ``certificate``: PEM, "" for none. ``secret_sha256s``: of the files of its configuration's folder."""

    facts: BoardFacts
    free_bytes: int
    clock: Clock
    systemd_running: bool
    current: str | None = None
    pending: bool = False
    config_sha256: str | None = None
    active: str = "unknown"
    certificate: str = ""
    secret_sha256s: Mapping[str, str] = {}


class _Clock(msgspec.Struct, frozen=True):
    unix_ns: int
    synchronised: bool | None = None


class _Systemd(msgspec.Struct, frozen=True):
    running: bool


class _Reply(BoardFacts, frozen=True, kw_only=True):
    """The answer of ``installer.pyz facts``, as far as we need it."""

    free_bytes: int
    clock: _Clock
    systemd: _Systemd
    current: str | None = None
    pending: Any = None
    config_sha256: str | None = None
    active: str = "unknown"


def read_report(
    reply: str, now_unix_ns: int, *, certificate: str = "", secret_sha256s: Mapping[str, str] | None = None
) -> BoardReport:
    """Return what the installer on a board replied. Raises BoardError when it cannot be read."""
    try:
        said = msgspec.json.decode(reply, type=_Reply)
    except msgspec.MsgspecError as error:
        raise BoardError(
            Problem(kind="facts", text=f"its facts cannot be read ({error})", remedy="does python3 run there?")
        ) from error
    return BoardReport(
        facts=BoardFacts(**{name: getattr(said, name) for name in BoardFacts.__struct_fields__}),
        free_bytes=said.free_bytes,
        clock=Clock((said.clock.unix_ns - now_unix_ns) / 1e9, said.clock.synchronised),
        systemd_running=said.systemd.running,
        current=said.current,
        pending=said.pending is not None,
        config_sha256=said.config_sha256,
        active=said.active,
        certificate=certificate,
        secret_sha256s=secret_sha256s or {},
    )
