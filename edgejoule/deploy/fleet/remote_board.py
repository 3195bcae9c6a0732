"""One board at the end of an SSH connection: a look at it, files to it, an installer on it that outlives us."""

import json
import shlex
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from edgejoule.deploy.fleet.board_report import BoardReport, read_report
from edgejoule.deploy.fleet.hands import Hands, Said
from edgejoule.deploy.fleet.problems import BoardError, Problem

Tell = Callable[[str, float, str], None]
ROOT: Final = "/opt/edgejoule"
ETC: Final = "/etc/edgejoule"
_MARK: Final = "=== edgejoule ==="
_LOOK_S: Final = 120.0
IS_INSTALLING: Final = f"""set -- $(cat {ROOT}/.lock 2>/dev/null); test -n "$3" && test "$3" = "$(
cut -c 1-8 /proc/sys/kernel/random/boot_id)-$(sed 's/.*) //' "/proc/$2/stat" 2>/dev/null | cut -d ' ' -f 20)\""""
"""A shell's question whether an installer is at work, by what it wrote into its lock: asking for the lock itself could
keep one out. ``onboard/jobs.py`` writes ``process PID BEGUN JOB``, BEGUN of the boot's id and field 22 of its stat."""
_HASH_S: Final = 600.0


class RemoteBoard:
    """``look`` first: it finds out whom we are there and where files may be put."""

    def __init__(self, hands: Hands, device_id: str) -> None:
        self._hands = hands
        self._device_id = device_id
        self._is_root = True
        self.incoming = f"{ROOT}/incoming"

    def look(self, installer: bytes, secret_names: Iterable[str]) -> BoardReport:
        """Return what the board is, and leave nothing there. Raises BoardError."""
        said = self._hands.run(self._device_id, 'id -u && echo "$HOME" && mktemp -d && command -v python3')
        words = said.stdout.split("\n")
        if len(words) < 3 or not words[0].isdecimal():
            raise BoardError(_shell_problem(said))
        self._is_root = words[0] == "0"
        if not self._is_root:
            self.incoming = f"{words[1]}/.cache/edgejoule/incoming"
        try:
            if len(words) < 4:
                raise BoardError(
                    Problem(kind="no-python", text="there is no python3", remedy="apt install python3 there")
                )
            return self._asked(words[2], installer, sorted(secret_names))
        finally:
            self._hands.run(self._device_id, f"rm -rf {shlex.quote(words[2])}")

    def _asked(self, folder: str, installer: bytes, secret_names: list[str]) -> BoardReport:
        self.put_bytes(installer, f"{folder}/installer.pyz")
        names = " ".join(map(shlex.quote, secret_names))
        begin_unix_ns = time.time_ns()
        said = self.run(
            f"python3 {folder}/installer.pyz facts; echo '{_MARK}'; cat {ETC}/pki/device.crt 2>/dev/null; "
            f"echo '{_MARK}'; cd {ETC} 2>/dev/null && sha256sum -- {names or '/dev/null'} 2>/dev/null",
            timeout_s=_LOOK_S,
        )
        parts = said.stdout.split(_MARK)
        if len(parts) != 3:
            raise BoardError(_sudo_problem(said))
        between_unix_ns = (begin_unix_ns + time.time_ns()) // 2
        hashes = dict(line.split("  ", 1)[::-1] for line in parts[2].splitlines() if "  " in line)
        return read_report(parts[0], between_unix_ns, certificate=parts[1].strip(), secret_sha256s=hashes)

    def run(self, command: str, *, timeout_s: float = 60.0) -> Said:
        """Run a shell command as root. Raises BoardError when the board does not answer."""
        words = command if self._is_root else f"sudo -n -H sh -c {shlex.quote(command)}"
        return self._hands.run(self._device_id, words, timeout_s=timeout_s)

    def checked(self, command: str, what: str, *, timeout_s: float = 60.0) -> str:
        """Run a shell command as root and return what it wrote. Raises BoardError with ``what`` could not be done."""
        said = self.run(command, timeout_s=timeout_s)
        if not said.succeeded:
            lines = (said.stderr or said.stdout).strip().splitlines() or ["it said nothing"]
            text = f"{what}: {lines[-1]}"
            raise BoardError(Problem(kind="command", text=text, remedy="log in there and try; then run this again"))
        return said.stdout

    def put_bytes(self, content: bytes, remote: str) -> None:
        """Write a small file, readable by us alone. Raises BoardError."""
        self._hands.put_bytes(self._device_id, content, remote)

    def prepare(self, keep: Iterable[str] = ()) -> None:
        """Make the folder for what we bring, and remove from it all but ``keep`` (names). Raises BoardError.

        Not while an installer is at work there, which another run may have started with what lies in the folder.
        """
        if self._hands.run(self._device_id, IS_INSTALLING).succeeded:
            raise BoardError(
                Problem(
                    kind="busy",
                    text="another installer is at work there",
                    remedy="wait for it (edgejoule deploy follow there shows it), then run this again",
                )
            )
        folder = shlex.quote(self.incoming)
        kept = "".join(f" ! -name {shlex.quote(name)}" for name in keep)
        command = f"mkdir -p {folder} && chmod 700 {folder} && find {folder} -type f{kept} -delete"
        said = self._hands.run(self._device_id, command)
        if not said.succeeded:
            raise BoardError(
                Problem(
                    kind="file",
                    text=f"{self.incoming} cannot be made: {said.stderr.strip()}",
                    remedy="is the disk full or read-only there? df -h",
                )
            )

    def put_large(self, local: Path, sha256: str, remote: str, tell: Tell) -> None:
        """Have a file there under this name with this hash; what an earlier try brought is used. Raises BoardError."""
        if self._sha256(remote) == sha256:
            return
        size_bytes = local.stat().st_size
        part = f"{remote}.part"

        def told(done_bytes: int) -> None:
            tell("upload", 100.0 * done_bytes / size_bytes, f"{done_bytes >> 20} of {size_bytes >> 20} MiB")

        for resume in (True, False):
            self._hands.put(self._device_id, local, part, resume=resume, tell=told)
            if self._sha256(part) == sha256:
                self._hands.run(self._device_id, f"mv {shlex.quote(part)} {shlex.quote(remote)}")
                return
        raise BoardError(
            Problem(kind="file", text="what arrives is not what was sent", remedy="check its disk and its memory")
        )

    def _sha256(self, remote: str) -> str:
        path = shlex.quote(remote)
        said = self._hands.run(self._device_id, f"test ! -e {path} || sha256sum {path}", timeout_s=_HASH_S)
        return said.stdout.split(" ", 1)[0]


def events_of(stdout: str) -> list[dict[str, Any]]:
    """Return the installer's events; a line that is none becomes a note, a torn last line nothing."""
    events: list[dict[str, Any]] = []
    lines = stdout.splitlines()
    for number, line in enumerate(lines):
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if isinstance(event, dict) and isinstance(event.get("event"), str):
            events.append(event)
        elif number < len(lines) - 1 or not line.startswith("{"):
            events.append({"event": "note", "text": line})
    return events


def _shell_problem(said: Said) -> Problem:
    words = (said.stderr or said.stdout).strip().splitlines() or ["it says nothing"]
    if "mktemp" in words[-1]:
        text, remedy = f"no file can be made there: {words[-1]}", "is its disk full or read-only? df -h there shows it"
        return Problem(kind="file", text=text, remedy=remedy)
    return Problem(
        kind="login",
        text=f"its shell does not answer as one does: {words[-1]}",
        remedy="log in with ssh and see; a user with a POSIX shell is needed",
    )


def _sudo_problem(said: Said) -> Problem:
    words = (said.stderr or said.stdout).strip().splitlines() or ["it says nothing"]
    return Problem(
        kind="sudo",
        text=f"nothing can be done as root there: {words[-1]}",
        remedy='let this user sudo without a password, or set user = "root" in the fleet file',
    )
