"""One push: for each thing, look what the server has and do what is missing. Repeating it changes nothing."""

from collections.abc import Iterable, Iterator
from typing import Literal, Protocol

import msgspec

from edgejoule.grafana_push.difference import Difference, differences
from edgejoule.grafana_push.refusals import RefusedError
from edgejoule.grafana_push.remote import Present
from edgejoule.grafana_push.things import Thing

Did = Literal["created", "updated", "unchanged", "failed", "skipped"]


class Server(Protocol):
    """Where to."""

    def find(self, thing: Thing) -> Present | None:
        """Return what is there of it. Raises RefusedError."""

    def create(self, thing: Thing) -> None:
        """Make it. Raises RefusedError."""

    def update(self, thing: Thing, present: Present) -> None:
        """Change it. Raises RefusedError."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one thing, or would become of it. ``reason``: of a failure, or why it was left out."""

    kind: str
    uid: str
    name: str
    did: Did
    differences: tuple[Difference, ...] = ()
    reason: str = ""


def push(
    things: Iterable[Thing], server: Server, *, dry_run: bool = False, secrets: bool = False
) -> Iterator[Outcome]:
    """Bring each thing up to date and yield what was done. A failure stops only what would fail as well.

    ``dry_run``: only look. ``secrets``: write tokens and passwords again, which cannot be compared.
    """
    stopped = ""
    folder_reason = ""
    for thing in things:
        reason = stopped or (folder_reason if thing.folder_uid else "") or thing.left_out
        if reason:
            yield _outcome(thing, "skipped", reason=reason)
            continue
        try:
            yield _bring(thing, server, dry_run=dry_run, secrets=secrets)
        except RefusedError as error:
            yield _outcome(thing, "failed", reason=str(error))
            if error.final:
                stopped = "not tried any more"
            elif thing.kind == "folder":
                folder_reason = "its folder is not there"


def _bring(thing: Thing, server: Server, *, dry_run: bool, secrets: bool) -> Outcome:
    present = server.find(thing)
    if present is None:
        if not dry_run:
            server.create(thing)
        return _outcome(thing, "created")
    found = differences(thing.wanted, present.content)
    if thing.kind == "dashboard" and present.folder_uid != thing.folder_uid:
        found.insert(0, Difference(path="folder", was=present.folder_uid or "General", becomes=thing.folder_uid))
    missing = thing.secret.keys() if secrets else thing.secret.keys() - present.secret_names
    found += [Difference(path=f"secret {name}", was=None, becomes="(hidden)") for name in sorted(missing)]
    if not found:
        return _outcome(thing, "unchanged")
    if present.locked:
        return _outcome(thing, "skipped", found, present.locked)
    if not dry_run:
        server.update(thing, present)
    return _outcome(thing, "updated", found)


def _outcome(thing: Thing, did: Did, found: Iterable[Difference] = (), reason: str = "") -> Outcome:
    return Outcome(kind=thing.kind, uid=thing.uid, name=thing.name, did=did, differences=tuple(found), reason=reason)
