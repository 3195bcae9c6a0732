"""Words to the service manager: ready, alive, stopping (systemd sd_notify(3)), and its request to stop.

Imports next to nothing: a request to stop must be heard before the agent is loaded.
"""

import os
import socket
from typing import Final

WATCHDOG_S: Final = 5.0
"""How often the agent says that it is alive; the unit file allows it several times as long."""


def notify(state: str) -> bool:
    """Send ``state`` ("READY=1", "WATCHDOG=1", "STOPPING=1"); return whether there was somebody to tell."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.connect(address)
            channel.send(state.encode())
    except OSError:
        return False
    return True


class StopFlag:
    """Set by a signal handler or another thread, polled by the loop: no lock, so safe inside a handler."""

    def __init__(self) -> None:
        self.count = 0

    def request(self) -> None:
        """Ask to stop; every further request is counted."""
        self.count += 1

    @property
    def requested(self) -> bool:
        """Return whether stopping was asked for."""
        return self.count > 0


class Watchdog:
    """Tells the service manager that the agent makes progress, no more often than every ``WATCHDOG_S``."""

    def __init__(self) -> None:
        self._t_next_s = 0.0

    def feed(self, now_s: float) -> None:
        """Say so at host time ``now_s``, if it is time."""
        if now_s >= self._t_next_s:
            self._t_next_s = now_s + WATCHDOG_S
            notify("WATCHDOG=1")
