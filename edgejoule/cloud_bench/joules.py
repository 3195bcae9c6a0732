"""Where the joules of a server's bench come from: energy counters, or CPU seconds times a power that is stated."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Protocol, Self

from collector.analysis.cloud_record import Method
from edgejoule.making.cpu_power import CpuPower
from edgejoule.making.instruments import RAPL_LIMIT_RATIO
from firmware_bridge.internal.reading import InternalSensor
from firmware_bridge.internal.sampler import InternalSampler

NVML_LIMIT_RATIO: Final = 0.05
"""Limits (+-) of a card's own figure: Z. Yang, K. Adamek, W. Armour 2024 (arXiv:2312.02741) find errors of gain of 5 %
against an external meter, on cards of several generations."""
RAPL_UPDATE_S: Final = 0.001
"""Intel SDM, volume 3, "RAPL interfaces": energy status is updated about once a millisecond."""
NVML_UPDATE_S: Final = 0.1
"""Assumed, as nobody states it: cards that were looked at move their counter every 10 to 100 ms."""
COUNTER_INTERVAL_S: Final = 1.0
POWER_INTERVAL_S: Final = 0.05
"""A counter is read only so that no wrap goes unseen; a power sensor is integrated, and some change every 0.1 s."""


@dataclass(frozen=True, slots=True)
class Boundary:
    """What a source's joules are: ``sees`` and ``misses`` in words, and where its figures come from.

    ``limit_ratio``: limits (+-) of a gain that is common to all its figures, rectangular (JCGM 100:2008, 4.3.7).
    ``sees_idle``: whether waiting shows in it. ``update_s``: how old a counter's figure may be, 0 for none.
    """

    method: Method
    sees: str
    misses: str
    source: str
    limit_ratio: float
    sees_idle: bool
    update_s: float = 0.0


RAPL_MISSES: Final = "disks, network cards, fans, supply losses, and memory where these counters do not have it"
NVML_MISSES: Final = "the host: processors, its memory, disks, network cards, fans, supply losses"


@dataclass(frozen=True, slots=True)
class Mark:
    """One moment: seconds of a monotonic clock; since the begin, joules, and seconds of which nothing was seen.

    ``cpu_s``: CPU seconds of this process, all threads.
    """

    t_s: float
    energy_j: float
    gap_s: float
    cpu_s: float


class JouleSource(Protocol):
    """A context manager; ``mark`` may be called inside it."""

    boundary: Boundary

    def __enter__(self) -> Self:
        """Begin to watch."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop all that watches."""
        ...

    def mark(self) -> Mark:
        """Return the joules up to now."""
        ...


class SensorSource:
    """Sensors of this machine that are read by a thread, and at each mark; what they see is added up."""

    def __init__(self, sensors: Mapping[str, InternalSensor], boundary: Boundary, *, interval_s: float) -> None:
        """``sensors``: parts of a whole that do not overlap, by name."""
        self.boundary = boundary
        self._pairs = [(sensor, InternalSampler()) for sensor in sensors.values()]
        self._interval_s = interval_s
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="joules", daemon=True)

    def __enter__(self) -> Self:
        """Read the sensors for the first time and start the thread."""
        self._sample()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Join the thread."""
        self._stop.set()
        self._thread.join()

    def mark(self) -> Mark:
        """Read the sensors now and return what they add up to."""
        cpu_s = time.process_time()
        with self._lock:
            t_s = self._sample()
            totals = [sampler.total() for _, sampler in self._pairs]
        return Mark(t_s, sum(one.energy_j for one in totals), max(one.gap_s for one in totals), cpu_s)

    def _run(self) -> None:
        while not self._stop.wait(self._interval_s):
            with self._lock:
                self._sample()

    def _sample(self) -> float:
        t_s = time.monotonic()
        for sensor, sampler in self._pairs:
            now_s = time.monotonic()
            sampler.add(sensor.read(now_s), now_s)
        return t_s


class CpuTimeSource:
    """CPU seconds of this process times the power of a busy hardware thread: a model, and no measurement."""

    def __init__(self, power: CpuPower, cpu_seconds: Callable[[], float] = time.process_time) -> None:
        middle_w, half_w = power.power_w, 0.5 * (power.high_w - power.low_w)
        self._power_w, self._cpu_seconds = middle_w, cpu_seconds
        self.boundary = Boundary(
            method="cpu_time",
            sees=f"MODELLED, not measured: CPU seconds times {power.low_w:g} W to {power.high_w:g} W for a busy "
            f"hardware thread ({power.basis})",
            misses="what the threads that wait draw, and accelerators",
            source=power.source,
            limit_ratio=half_w / middle_w,
            sees_idle=False,
        )

    def __enter__(self) -> Self:
        """Do nothing: there is nothing to watch."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing."""

    def mark(self) -> Mark:
        """Return the CPU seconds up to now as joules."""
        cpu_s = self._cpu_seconds()
        return Mark(time.monotonic(), self._power_w * cpu_s, 0.0, cpu_s)


def rapl_source(zones: Mapping[str, InternalSensor]) -> SensorSource:
    """Return the processor's counters as a source."""
    boundary = Boundary(
        method="rapl",
        sees=f"energy counters of {', '.join(zones)}: all that the processor does, idle power and other work included",
        misses=RAPL_MISSES,
        source="RAPL (Linux powercap); limits: K. Khan et al. 2018 (doi 10.1145/3177754)",
        limit_ratio=RAPL_LIMIT_RATIO,
        sees_idle=True,
        update_s=RAPL_UPDATE_S,
    )
    return SensorSource(zones, boundary, interval_s=COUNTER_INTERVAL_S)


def nvml_source(card: InternalSensor, title: str, *, has_counter: bool) -> SensorSource:
    """Return a card as a source, by its energy counter where it has one, else by its power, integrated."""
    how = "its energy counter" if has_counter else "its power sensor, integrated"
    boundary = Boundary(
        method="nvml",
        sees=f"{title} with its memory, by {how}: idle power and other work on the card included",
        misses=NVML_MISSES,
        source="NVML; limits: Z. Yang et al. 2024 (arXiv:2312.02741)",
        limit_ratio=NVML_LIMIT_RATIO,
        sees_idle=True,
        update_s=NVML_UPDATE_S if has_counter else 0.0,
    )
    return SensorSource({title: card}, boundary, interval_s=COUNTER_INTERVAL_S if has_counter else POWER_INTERVAL_S)
