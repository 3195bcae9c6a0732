"""Words to the service manager: ready, alive, stopping (systemd sd_notify(3)). Silent without one."""

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


class Watchdog:
    """Tells the service manager that the agent makes progress, no more often than every ``WATCHDOG_S``."""

    def __init__(self) -> None:
        self._t_next_s = 0.0

    def feed(self, now_s: float) -> None:
        """Say so at host time ``now_s``, if it is time."""
        if now_s >= self._t_next_s:
            self._t_next_s = now_s + WATCHDOG_S
            notify("WATCHDOG=1")
