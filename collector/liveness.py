"""Whether a device is there, by when it was last heard. Pure."""

from typing import Final, Literal

from collector.values import DeviceState

Liveness = Literal["online", "offline", "silent"]
"""Heard lately; said goodbye, or its broker did for it; neither."""
_ALIVE_WINDOWS: Final = 3.0
_ALIVE_AT_LEAST_S: Final = 60.0


def is_alive(state: DeviceState, now_unix_ns: int) -> bool:
    """Return whether the device was heard in its last three windows, or within a minute."""
    window_s = state.birth.window_s if state.birth else 0.0
    return now_unix_ns - state.last_seen_unix_ns <= max(_ALIVE_WINDOWS * window_s, _ALIVE_AT_LEAST_S) * 1e9


def liveness(state: DeviceState, now_unix_ns: int) -> Liveness:
    """Return what can be said of the device now."""
    if state.status is not None and not state.status.online:
        return "offline"
    return "online" if is_alive(state, now_unix_ns) else "silent"
