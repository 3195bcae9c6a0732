"""What a simulated fleet is to do and what is to go wrong. Pure values; nothing is drawn here."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

from edge_agent.wire.records import MAX_WINDOWS_PER_MESSAGE


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong. ``_per_min``: for each device and minute. ``_ratio``: of messages, or of devices."""

    losses_per_min: float = 0.0
    outages_per_min: float = 0.0
    outage_length_s: float = 10.0
    duplicate_ratio: float = 0.0
    reorder_ratio: float = 0.0
    clock_jumps_per_min: float = 0.0
    reboots_per_min: float = 0.0
    skewed_ratio: float = 0.0
    slow_ratio: float = 0.0
    small_outbox_ratio: float = 0.0
    small_outbox_windows: int = 5
    vanish_ratio: float = 0.0
    garbage_messages: int = 0

    def over(self, given: Mapping[str, Any]) -> "Faults":
        """Return these faults with what was ``given`` in their place; None stands for "not given"."""
        names = {one.name for one in fields(self)}
        return replace(self, **{key: value for key, value in given.items() if key in names and value is not None})


CHAOS: Final = Faults(
    losses_per_min=0.5,
    outages_per_min=0.1,
    duplicate_ratio=0.02,
    reorder_ratio=0.02,
    clock_jumps_per_min=0.05,
    reboots_per_min=0.05,
    skewed_ratio=0.1,
    slow_ratio=0.05,
    small_outbox_ratio=0.1,
    vanish_ratio=0.02,
    garbage_messages=100,
)


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole run. ``rate_hz``: windows per real second of each device; ``window_s``: how long one says it lasted.

    ``speed``: how many seconds the devices' clocks count in a real one. ``seconds`` or ``windows`` (of each device)
    end the live part, neither of them: a signal does. ``outage_windows``: how many windows each device holds before
    it connects for the first time. ``run_id`` is part of every device id and boot id, so that two runs never mix.
    """

    run_id: str
    fleet: str = "simulated"
    devices: int = 10
    rate_hz: float = 0.1
    window_s: float = 10.0
    windows_per_message: int = 1
    speed: float = 1.0
    seconds: float | None = None
    windows: int | None = None
    outage_windows: int = 0
    outbox_windows: int = 1_000_000
    health_s: float = 60.0
    drain_s: float = 120.0
    resend_s: float = 5.0
    connecting: int = 20
    seed: int = 1
    faults: Faults = field(default_factory=Faults)

    def __post_init__(self) -> None:
        if not 1 <= self.windows_per_message <= MAX_WINDOWS_PER_MESSAGE:
            raise ValueError(f"windows_per_message {self.windows_per_message}: 1 to {MAX_WINDOWS_PER_MESSAGE}")

    @property
    def live_s(self) -> float | None:
        """Return the length of the live part in real seconds, None when only a signal ends it."""
        if self.seconds is not None:
            return self.seconds
        return None if self.windows is None else self.windows / self.rate_hz

    @property
    def clock_ahead_s(self) -> float:
        """Return by how much a fast clock would be ahead at the end of the live part: it starts so much earlier."""
        return (self.speed - 1.0) * (self.live_s or 0.0)

    def device_id(self, number: int) -> str:
        """Return the id of device ``number``, from 1 on."""
        return f"sim-{self.run_id}-{number:0{len(str(self.devices))}}"

    def boot_id(self, number: int, boot: int) -> str:
        """Return the id of a device's boot, both counted from 1."""
        return f"{self.run_id}-{number}-{boot}"
