"""An installer that goes on when the connection that started it breaks: it writes what it says into a file.

Whoever started it, or asks for it later by its id, reads along until the result is there.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterator

from .files import is_full
from .problems import InstallError

if TYPE_CHECKING:
    from typing import Callable

    from .layout import Layout

POLL_S = 0.2
SILENT_S = 15.0
"""So long nothing may be said by a job whose process is not there: a slow board takes seconds to start Python."""
KEPT = 10
JOB_VARIABLE = "EDGEJOULE_INSTALLER_JOB"


@contextmanager
def only_one(layout: Layout) -> Iterator[None]:
    """Hold the board's lock, which the kernel drops with the process. InstallError where another installer runs."""
    try:
        layout.root.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(str(layout.root / ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise _not_writable(layout.root, error) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            words = os.pread(descriptor, 128, 0).decode("ascii", "replace").split(maxsplit=3)
            holder = f"process {words[1]}, {words[3].strip()}" if len(words) > 3 else "unknown"
            raise InstallError(
                "busy", f"{layout.root}: another installer runs ({holder})", "wait for it: follow"
            ) from error
        os.ftruncate(descriptor, 0)
        job, begun = os.environ.get(JOB_VARIABLE, "by hand"), _begun(os.getpid())
        os.pwrite(descriptor, f"process {os.getpid()} {begun} {job}\n".encode(), 0)
        try:
            yield
        finally:
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def start(layout: Layout, words: list[str], folder: Path) -> str:
    """Start this program again with ``words``, in a session of its own; return the job's id.

    ``folder``: where names of files in ``words`` hold from.
    """
    job = "{}-{}".format(time.strftime("%Y%m%dT%H%M%S", time.gmtime()), secrets.token_hex(3))
    try:
        layout.jobs.mkdir(parents=True, exist_ok=True)
        _tidy(layout)
        log = _log(layout, job).open("ab")
    except OSError as error:
        raise _not_writable(layout.jobs, error) from error
    with log:
        subprocess.Popen(
            [sys.executable, *words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd=str(folder),
            env={**os.environ, JOB_VARIABLE: job},
        )
    return job


def _not_writable(place: Path, error: OSError) -> InstallError:
    if is_full(error):
        return InstallError("no-space", f"{place}: {error.strerror}", "free some space; nothing was changed")
    remedy = "install as root (sudo), or below a folder of your own: --no-service --root FOLDER"
    return InstallError("permission", f"{place}: {error.strerror}", remedy)


def leave_folder() -> None:
    """Let go of the folder that a job was started in, such as a stick's."""
    if JOB_VARIABLE in os.environ:
        os.chdir("/")


def latest(layout: Layout) -> str:
    """Return the id of the job that began last. Raises InstallError if there is none."""
    found = sorted(layout.jobs.glob("*.jsonl")) if layout.jobs.is_dir() else []
    if not found:
        raise InstallError("usage", f"{layout.root}: no installer has run here")
    return found[-1].stem


def follow(layout: Layout, job: str, tell: Callable[[dict[str, Any]], None]) -> int:
    """Tell what a job says from its beginning, until its result; return its exit code. Raises InstallError."""
    path = _log(layout, job)
    if "/" in job or not path.is_file():
        raise InstallError("usage", f"{job}: no such job", f"see the names in {layout.jobs}")
    with path.open(encoding="utf-8", errors="replace") as file:
        left = ""
        heard_s = time.monotonic()
        while True:
            text = file.read()
            lines = (left + text).split("\n")
            left = lines.pop()
            for line in lines:
                event = _event(line)
                tell(event)
                if event["event"] == "result":
                    return int(event.get("exit", 1))
            now_s = time.monotonic()
            if text or _running(layout):
                heard_s = now_s
            elif now_s > heard_s + SILENT_S:
                raise InstallError("interrupted", f"{job}: ended without a result", "install again")
            time.sleep(POLL_S)


def _running(layout: Layout) -> bool:
    """Tell whether an installer runs, by what it wrote into the lock: asking for the lock could keep one out."""
    try:
        words = (layout.root / ".lock").read_text(encoding="ascii", errors="replace").split()
        return words[2] == _begun(int(words[1]))
    except (OSError, ValueError, IndexError):
        return False


def _begun(pid: int) -> str:
    """Return when a process began, by this boot: another may have its number after a power cut. Raises OSError."""
    said = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
    return "{}-{}".format(boot_id[:8], said.rpartition(")")[2].split()[19])


def _event(line: str) -> dict[str, Any]:
    """Return one event; whatever else was written, such as a traceback, is passed on as a note."""
    try:
        event = json.loads(line)
    except ValueError:
        event = None
    return event if isinstance(event, dict) and "event" in event else {"event": "note", "text": line}


def _tidy(layout: Layout) -> None:
    for old in sorted(layout.jobs.glob("*.jsonl"))[: -KEPT + 1]:
        old.unlink()


def _log(layout: Layout, job: str) -> Path:
    return layout.jobs / (job + ".jsonl")
