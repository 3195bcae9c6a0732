"""Where things are on a board. Everything below ``root`` moves with ``--root``; see ``docs/deploy-boards.md``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

DEFAULT_ROOT = Path("/opt/edgejoule")
DEFAULT_ETC = Path("/etc/edgejoule")
UNIT = "edgejoule-agent.service"
CONFIRM_UNIT = "edgejoule-confirm.service"
RENEW_TIMER = "edgejoule-renew.timer"
RENEW_UNITS = ("edgejoule-renew.service", RENEW_TIMER)
COMPLETE = "complete.json"
RESTORE = "restore.json"


@dataclass(frozen=True)
class Layout:
    """``etc``: edgejoule's own configuration; ``system``: the machine's ``/etc``."""

    root: Path
    etc: Path
    system: Path

    @staticmethod
    def at(root: Path = DEFAULT_ROOT, etc: Path | None = None, system: Path = Path("/etc")) -> Layout:
        """Return the layout below ``root``; ``etc`` is ``/etc/edgejoule`` for the usual root, else below it."""
        usual = DEFAULT_ETC if root == DEFAULT_ROOT else root / "etc"
        return Layout(root, etc or usual, system)

    @property
    def versions(self) -> Path:
        """Return the folder of the versions."""
        return self.root / "versions"

    @property
    def current(self) -> Path:
        """Return the link to the version that runs."""
        return self.root / "current"

    @property
    def previous(self) -> Path:
        """Return the link to the version that ran before."""
        return self.root / "previous"

    @property
    def pending(self) -> Path:
        """Return the file that is there while a switch is not confirmed."""
        return self.root / "pending.json"

    @property
    def history(self) -> Path:
        """Return the file with one line for whatever was done here."""
        return self.root / "history.jsonl"

    @property
    def jobs(self) -> Path:
        """Return the folder of what detached installers said."""
        return self.root / "jobs"

    @property
    def installer(self) -> Path:
        """Return the installer that stays on the board, for the boot that finishes what was pending."""
        return self.root / "installer.pyz"

    @property
    def config(self) -> Path:
        """Return the agent's configuration."""
        return self.etc / "agent.toml"

    @property
    def units(self) -> Path:
        """Return the folder of the units."""
        return self.system / "systemd" / "system"

    @property
    def drop_ins(self) -> Path:
        """Return the folder of the drop-ins of the agent's unit."""
        return self.units / (UNIT + ".d")

    @property
    def udev_rule(self) -> Path:
        """Return the rule that names the meter."""
        return self.system / "udev" / "rules.d" / "70-edgejoule-meter.rules"

    @property
    def timesyncd(self) -> Path:
        """Return the drop-in of systemd-timesyncd."""
        return self.system / "systemd" / "timesyncd.conf.d" / "10-edgejoule.conf"

    @property
    def chrony(self) -> Path:
        """Return the drop-in of chrony."""
        return self.system / "chrony" / "conf.d" / "10-edgejoule.conf"

    def version(self, release: str) -> Path:
        """Return the folder of a version."""
        return self.versions / release

    def is_complete(self, release: str) -> bool:
        """Tell whether a version was built to its end."""
        return (self.version(release) / COMPLETE).is_file()

    def releases(self) -> list[str]:
        """Return every folder of a version, whole or not."""
        return sorted(one.name for one in self.versions.iterdir()) if self.versions.is_dir() else []

    @property
    def current_release(self) -> str | None:
        """Return which version ``current`` points to."""
        return _release_behind(self.current)

    @property
    def previous_release(self) -> str | None:
        """Return which version ``previous`` points to."""
        return _release_behind(self.previous)


def _release_behind(link: Path) -> str | None:
    try:
        return Path(os.readlink(str(link))).name
    except OSError:
        return None
