"""Words to the service manager: ready, alive, stopping (systemd sd_notify(3)), and its request to stop.

Imports next to nothing: a request to stop must be heard before the agent is loaded.
"""

import os
import socket
from collections.abc import Callable
from typing import Final

WATCHDOG_S: Final = 5.0
"""How often the agent says that it is alive, unless the service manager waits for less than three times as long."""


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


def feeding_interval_s() -> float:
    """Return how often the service manager is told: it says in ``WATCHDOG_USEC`` what it allows, sd_notify(3)."""
    allowed_us = os.environ.get("WATCHDOG_USEC", "")
    return min(WATCHDOG_S, int(allowed_us) / 3e6) if allowed_us.isascii() and allowed_us.isdigit() else WATCHDOG_S


class Watchdog:
    """Tells the service manager that the agent makes progress, no more often than it has to.

    Being asked is progress of the main loop; everything else has to be shown by ``signs``. Where one of them says what
    is wrong, nothing is told: the service manager ends the agent and starts it again.
    """

    def __init__(self) -> None:
        self._interval_s = feeding_interval_s()
        self._t_next_s = 0.0
        self._signs: list[Callable[[float], str]] = []
        self._fault = ""

    def watch(self, sign: Callable[[float], str]) -> None:
        """Ask ``sign`` from now on: it returns what is wrong at a host time, "" for nothing."""
        self._signs.append(sign)

    def forget(self, sign: Callable[[float], str]) -> None:
        """Ask ``sign`` no more: what it stood for is over."""
        self._signs = [one for one in self._signs if one != sign]

    def feed(self, now_s: float) -> None:
        """Say at host time ``now_s`` that there is progress, if there is and it is time."""
        if now_s < self._t_next_s:
            return
        self._t_next_s = now_s + self._interval_s
        fault = next((fault for sign in self._signs if (fault := sign(now_s))), "")
        if not fault:
            notify("WATCHDOG=1")
        if bool(fault) != bool(self._fault):
            self._note(fault)
        self._fault = fault

    def _note(self, fault: str) -> None:
        import structlog  # noqa: PLC0415  a request to stop must be heard before much is loaded

        if fault:
            structlog.get_logger().error("no_progress", reason=fault, note="the watchdog is not fed")
        else:
            structlog.get_logger().info("progress_again")
