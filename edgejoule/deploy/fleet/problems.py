"""What stands in the way at one board: a line, and the remedy."""

from typing import Final

import msgspec

from edgejoule.output import printable


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """``kind``: for programs. ``journal``: the agent's last words, where it ran and failed."""

    kind: str
    text: str
    remedy: str
    journal: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Let nothing that a board says move a cursor."""
        for name in ("kind", "text", "remedy"):
            msgspec.structs.force_setattr(self, name, printable(getattr(self, name)))
        msgspec.structs.force_setattr(self, "journal", tuple(map(printable, self.journal)))


class BoardError(Exception):
    """Something stands in the way at one board; the others are not concerned."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(f"{problem.text}; {problem.remedy}")


_REMEDIES: Final = {
    "host-key-unknown": (
        "{host}: its key is in no known_hosts file",
        "log in once with ssh and compare the fingerprint, or take new keys as they are: --accept-new-host-keys",
    ),
    "host-key-changed": (
        "{host}: shows another key than known_hosts has",
        "if it was set up anew: ssh-keygen -R {host}; else somebody sits in between",
    ),
    "login": (
        "{host}: does not let us in ({said})",
        "put your public key there (ssh-copy-id), or name user and ssh_key in the fleet file",
    ),
    "ssh-key": (
        "{host}: {said}",
        "correct ssh_key in the fleet file; a key with a passphrase goes into ssh-agent, and ssh_key is left out",
    ),
    "no-such-host": ("{host}: no such name ({said})", "correct host in the fleet file, or the name service"),
    "no-sftp": ("{host}: its sshd serves no files", "let it: Subsystem sftp internal-sftp in its sshd_config"),
    "unreachable": ("{host}: cannot be reached ({said})", "is it switched on and in the network? then run this again"),
    "lost": ("{host}: the connection broke ({said})", "run this again: it goes on where it was"),
    "file": ("{host}: a file cannot be copied ({said})", "is its disk full or read-only? df -h there shows it"),
    "ssh": ("{host}: SSH fails ({said})", "log in there with ssh and see; then run this again"),
    "worker": ("no SSH any more ({said})", "run this again"),
}


def problem_here(error: Exception) -> Problem:
    """Return what to say where not the board, but this machine stands in the way: a file, the authority."""
    return Problem(kind="here", text=f"on this machine: {error}", remedy="mend that and run this again")


LOST_KINDS: Final = ("lost", "unreachable")


def connection_problem(kind: str, said: str, host: str) -> Problem:
    """Return what to say of a board that was not reached."""
    text, remedy = _REMEDIES[kind]
    words = {"host": host, "said": said}
    return Problem(kind=kind, text=text.format(**words), remedy=remedy.format(**words))
