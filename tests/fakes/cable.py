"""The cable of an emulated meter, pulled when the test says so: a planned time would meet a slow machine too early."""

from firmware_bridge.emulate import MeterEmulator


def pull_cable(emulator: MeterEmulator, seconds: float) -> None:
    """Let the port of a running emulator go away now, and come back after ``seconds``."""
    now_s = emulator.seconds
    emulator._planned += [(now_s, "unplug"), (now_s + seconds, "plug")]
