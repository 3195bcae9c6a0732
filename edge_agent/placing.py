"""Where a window lies in time when the clock was not set as it closed. Pure: times are arguments.

A window's start on CLOCK_BOOTTIME is certain; what is missing is one number for each boot, UTC minus boot time. It
comes from the kernel once that is synchronised, else from the collector's clock. Of an earlier boot for which it never
came, only bounds are known: it lies after the last time that anybody trusted and before the boot that followed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from edge_agent.wire.records import ClockState, InferenceWindow

Source = Literal["kernel", "collector", "estimate"]

FIRST_PLAUSIBLE_UNIX_NS: Final = 1_735_689_600 * 10**9
"""2025-01-01, before which there was no such agent: an unset clock that shows an earlier time is wrong."""


@dataclass(frozen=True, slots=True)
class Placing:
    """From ``first_seq`` on, until the next placing of the same boot: UTC = boot time + ``offset_ns``.

    ``bound_s``: for "collector" the limit (+-) on the error; for "estimate" by how much the true time may lie before
    it, None if nobody can say. None for "kernel".
    """

    first_seq: int
    offset_ns: int
    source: Source
    bound_s: float | None = None


@dataclass(frozen=True, slots=True)
class UnsetBoot:
    """A boot whose clock nobody set. Times on its own CLOCK_BOOTTIME; ``own_offset_ns``: of its unset clock, last.

    ``not_before_unix_ns``: the last trusted time when it began, None if there was none.
    """

    number: int
    first_start_ns: int
    last_end_ns: int
    own_offset_ns: int
    not_before_unix_ns: int | None


def needs_placing(window: InferenceWindow) -> bool:
    """Tell whether the window's stamp is of an unset clock, and can be replaced."""
    return window.clock_state == "unsynchronised" and window.t_start_boot_ns is not None


def end_boot_ns(window: InferenceWindow) -> int:
    """Return the window's end on CLOCK_BOOTTIME, 0 where it is not known."""
    start_ns = window.t_start_boot_ns
    return 0 if start_ns is None else start_ns + round(window.duration_s * 1e9)


def placed(window: InferenceWindow, placing: Placing) -> InferenceWindow:
    """Return the window with its final stamp, and what that is worth."""
    assert window.t_start_boot_ns is not None
    t_start_unix_ns = max(0, window.t_start_boot_ns + placing.offset_ns)
    estimated = placing.source == "estimate"
    return msgspec.structs.replace(
        window,
        t_start_unix_ns=t_start_unix_ns,
        clock_state="unsynchronised" if estimated else "rebased",
        t_start_early_s=placing.bound_s if estimated else None,
    )


def placing_of(seq: int, placings: Sequence[Placing]) -> Placing | None:
    """Return which of a boot's placings, in order of ``first_seq``, holds for window ``seq``."""
    found = None
    for one in placings:
        if one.first_seq > seq:
            break
        found = one
    return found


def state_of(placing: Placing | None, *, kernel_synchronised: bool) -> ClockState:
    """Return what a window that closes now would be worth."""
    if kernel_synchronised:
        return "synchronised"
    return "unsynchronised" if placing is None or placing.source == "estimate" else "rebased"


def estimates(boots: Sequence[UnsetBoot], next_start_unix_ns: int) -> list[Placing]:
    """Return an estimate for each of ``boots``, which follow each other and end before ``next_start_unix_ns``.

    A boot keeps what its own clock said where that lies between the last trusted time and the boot after it;
    else it is put as late as it can be. Either way it may have been earlier, by what is left before it.
    """
    found: list[Placing] = []
    upper_ns = next_start_unix_ns
    for index in range(len(boots) - 1, -1, -1):
        boot, earlier = boots[index], boots[:index]
        trusted_ns = boots[0].not_before_unix_ns
        lower_ns = FIRST_PLAUSIBLE_UNIX_NS if trusted_ns is None else trusted_ns
        lower_ns += sum(one.last_end_ns for one in earlier)
        starts_after = boot.own_offset_ns + boot.first_start_ns >= lower_ns
        kept = starts_after and boot.own_offset_ns + boot.last_end_ns <= upper_ns
        offset_ns = boot.own_offset_ns if kept else upper_ns - boot.last_end_ns
        early_s = None if trusted_ns is None else max(0, offset_ns - lower_ns) / 1e9
        found.append(Placing(1, offset_ns, "estimate", early_s))
        upper_ns = max(offset_ns, lower_ns) if kept else offset_ns
    return found[::-1]
