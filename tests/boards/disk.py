"""A board's disk: an overlay over this machine's own tree, whose upper layer is a tmpfs of a stated size."""

import contextlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

ROOTS_HOME: Final = "/root"
_SOURCE: Final = "edgejoule-board-of-"
_EMPTY: Final = (
    "/opt",
    "/etc/edgejoule",
    "/etc/systemd/system",
    "/etc/udev/rules.d",
    "/var/log/journal",
    f"{ROOTS_HOME}/.ssh",
)
_GONE: Final = (
    "/etc/environment",
    f"{ROOTS_HOME}/.pam_environment",
    f"{ROOTS_HOME}/.bashrc",
    f"{ROOTS_HOME}/.profile",
    "/etc/ssh/ssh_host_*",
    "/etc/systemd/timesyncd.conf.d",
    "/var/lib/edgejoule*",
    "/var/lib/private/*",
)
_TARGET: Final = """[Unit]
Description=A board that is up
Requires=basic.target
Wants=multi-user.target ssh.service systemd-user-sessions.service
After=basic.target
AllowIsolate=yes
"""
_SSHD: Final = "PermitRootLogin prohibit-password\nUsePAM yes\nPrintMotd no\nUseDNS no\nSubsystem sftp internal-sftp\n"


class Disk:
    """``root`` is where it is mounted, with the files of a fresh board."""

    def __init__(self, folder: Path, size_bytes: int) -> None:
        _remove_leftovers()
        self._folder = folder
        self.root = folder / "root"
        folder.mkdir(parents=True)
        _mount("-t", "tmpfs", "-o", f"size={size_bytes},mode=755", f"{_SOURCE}{os.getpid()}", str(folder))
        for name in ("upper", "work", "root"):
            (folder / name).mkdir()
        layers = f"lowerdir=/,upperdir={folder}/upper,workdir={folder}/work"
        _mount("-t", "overlay", "-o", layers, f"{_SOURCE}{os.getpid()}", str(self.root))

    def furnish(self, name: str, number: int, public_key: str) -> None:
        """Give it a name, keys, and nothing that starts by itself but sshd."""
        for place in _GONE:
            for path in self.root.glob(place.lstrip("/")):
                _remove(path)
        for place in _EMPTY:
            _remove(self.path(place))
            self.path(place).mkdir(parents=True, mode=0o700 if place.endswith(".ssh") else 0o755)
        self.path(f"{ROOTS_HOME}/.ssh/authorized_keys").write_text(public_key)
        self.path("/etc/hostname").write_text(f"{name}\n")
        self.path("/etc/hosts").write_text(f"127.0.0.1 localhost {name}\n::1 localhost\n")
        self.path("/etc/machine-id").write_text(f"{number:032x}\n")
        self.path("/etc/systemd/system/board.target").write_text(_TARGET)
        self.path("/etc/ssh/sshd_config").write_text(_SSHD)
        self.path("/etc/default/ssh").write_text("")
        for unit in self._unwanted():
            self.path(f"/etc/systemd/system/{unit}").symlink_to("/dev/null")
        key = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.path("/etc/ssh/ssh_host_ed25519_key"))]
        subprocess.run(key, check=True)

    def _unwanted(self) -> set[str]:
        """Return what a package of this machine would start in every system."""
        units = self.root / "usr/lib/systemd/system"
        wanted = {path.name for folder in units.glob("multi-user.target.wants") for path in folder.iterdir()}
        return (wanted | {"systemd-ask-password-console.path", "systemd-ask-password-wall.path"}) - {
            "dbus.service",
            "systemd-logind.service",
            "systemd-user-sessions.service",
        }

    def path(self, place: str) -> Path:
        """Return where this side sees the board's file."""
        return self.root / place.lstrip("/")

    def close(self) -> None:
        """Unmount and forget it."""
        for place in (self.root, self._folder):
            with contextlib.suppress(subprocess.CalledProcessError):
                subprocess.run(["umount", "--lazy", str(place)], check=True, capture_output=True)


def _remove_leftovers() -> None:
    """Unmount the disks of test runs that were killed: each holds memory."""
    mounts = [line.split()[:2] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for source, place in reversed(mounts):
        owner = source.removeprefix(_SOURCE)
        if owner != source and not Path(f"/proc/{owner}").is_dir():
            subprocess.run(["umount", "--lazy", place], check=False, capture_output=True)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, capture_output=True)
