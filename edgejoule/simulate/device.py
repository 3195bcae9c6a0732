"""One simulated device: what it sends and when, and what it makes of acknowledgements. Pure: time is an argument.

Two lanes for each boot: windows that were there when the connection began go out from the oldest on; newer ones go
past them in messages of their own, so that a backlog does not hold up what is new.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from edge_agent.delivery import InFlight, Pace
from edge_agent.wire.codec import encode
from edge_agent.wire.records import MAX_WINDOWS_PER_MESSAGE, Health, Status, StoreAck, WindowBatch
from edgejoule.simulate import figures
from edgejoule.simulate.outbox import Boot, MemoryOutbox, Settled
from edgejoule.simulate.plan import Plan

MAX_MESSAGES_IN_FLIGHT: Final = 8
_LONGEST_SKEW_S: Final = 2 * 86_400.0
_LARGEST_DRIFT_RATIO: Final = 200e-6
_SLOWEST_S: Final = 2.0


@dataclass(slots=True)
class Clock:
    """The device's UTC clock: wrong from the start, drifting, or set anew while it runs."""

    base_unix_ns: int
    speed: float = 1.0
    offset_s: float = 0.0
    drift_ratio: float = 0.0

    def unix_ns(self, now_s: float) -> int:
        """Return what the clock shows ``now_s`` after the run began; never before 1970."""
        shown_s = now_s * self.speed * (1.0 + self.drift_ratio) + self.offset_s
        return max(0, self.base_unix_ns + round(shown_s * 1e9))


@dataclass(slots=True)
class Lanes:
    """What is on its way of one boot: ``old`` up to ``boundary_seq``, ``new`` above."""

    boundary_seq: int
    old: InFlight
    new: InFlight


@dataclass(slots=True)
class Traits:
    """What is wrong with a device from the start, drawn once."""

    slow_s: float = 0.0
    vanishes_at_s: float | None = None
    outbox_windows: int = 1_000_000
    clock: Clock = field(default_factory=lambda: Clock(0))


def draw_traits(plan: Plan, number: int, base_unix_ns: int) -> Traits:
    """Return the traits of device ``number``, the same for the same seed."""
    faults, draw = plan.faults, random.Random(f"traits/{plan.seed}/{number}")  # noqa: S311  to be repeatable
    slow, small, vanishes, skewed = (draw.random() for _ in range(4))
    slow_s, at_ratio = draw.uniform(0.1, _SLOWEST_S), draw.uniform(0.2, 0.9)
    clock = Clock(base_unix_ns, plan.speed)
    if skewed < faults.skewed_ratio:
        clock.offset_s = draw.choice((-1, 1)) * draw_log(draw, 0.1, _LONGEST_SKEW_S)
        clock.drift_ratio = draw.uniform(-_LARGEST_DRIFT_RATIO, _LARGEST_DRIFT_RATIO)
    return Traits(
        slow_s if slow < faults.slow_ratio else 0.0,
        at_ratio * (plan.live_s or 60.0) if vanishes < faults.vanish_ratio else None,
        faults.small_outbox_windows if small < faults.small_outbox_ratio else plan.outbox_windows,
        clock,
    )


def draw_log(draw: random.Random, low: float, high: float) -> float:
    """Return a number between the limits whose logarithm is drawn evenly."""
    return math.exp(draw.uniform(math.log(low), math.log(high)))


class SimulatedDevice:
    """See the module's text. ``now_s`` is the time since the run began, on a clock that is never set."""

    def __init__(self, plan: Plan, number: int, base_unix_ns: int) -> None:
        self.plan = plan
        self.number = number
        self.device_id = plan.device_id(number)
        self.traits = draw_traits(plan, number, base_unix_ns)
        self.clock = self.traits.clock
        self.outbox = MemoryOutbox(self.traits.outbox_windows)
        self.vanished = False
        self.flush = False
        self._flights: dict[str, Lanes] = {}
        self._pace = Pace(plan.resend_s, max_messages=MAX_MESSAGES_IN_FLIGHT)
        self._stepped = False
        self._boots = 0
        self._jitter = random.Random(f"jitter/{plan.seed}/{number}")  # noqa: S311
        self.boot()

    @property
    def backlog(self) -> int:
        """Return how many windows from before the first connection are still held."""
        return sum(boot.held.count_up_to(boot.live_after_seq) for boot in self.outbox.boots.values())

    @property
    def settled(self) -> bool:
        """Return whether nothing is left to deliver."""
        return next(self.outbox.backlogs(), None) is None

    def boot(self) -> None:
        """Begin a new boot; what was not delivered stays in the outbox."""
        self._boots += 1
        source = figures.Source(self.plan.seed, self.number, self._boots, self.plan.window_s, self.device_id)
        self.outbox.enter(Boot(self.plan.boot_id(self.number, self._boots), source))

    def jump_clock(self, seconds: float) -> None:
        """Set the clock; the next window says so."""
        self.clock.offset_s += seconds
        self._stepped = True

    def close_window(self, now_s: float, *, connected: bool) -> None:
        """Close one more window, which began ``window_s`` ago; its delay counts if it could have gone at once."""
        start_unix_ns = self.clock.unix_ns(now_s) - round(self.plan.window_s * 1e9) + self._jitter.randrange(1000)
        closed_s = now_s if connected else math.nan
        self.outbox.add(max(0, start_unix_ns), closed_s=closed_s, stepped=self._stepped)
        self._stepped = False

    def suffer_outage(self) -> None:
        """Close all windows of an outage that ends now, back to back."""
        window_ns, end_unix_ns = round(self.plan.window_s * 1e9), self.clock.unix_ns(0.0)
        for left in range(self.plan.outage_windows, 0, -1):
            self.outbox.add(max(0, end_unix_ns - left * window_ns - self._jitter.randrange(1000)))
        self.outbox.boot.live_after_seq = self.outbox.boot.last_seq

    def connected(self) -> None:
        """Begin all over what is not acknowledged: the connection is new."""
        self._flights.clear()

    def take_ack(self, ack: StoreAck) -> list[Settled]:
        """Forget what is stored; return which windows that were."""
        return self.outbox.apply(ack) if ack.device_id == self.device_id else []

    def due(self, now_s: float) -> Iterator[bytes]:
        """Yield the messages with windows to send now, as payloads; what is not acknowledged in time comes again."""
        boots = list(self.outbox.backlogs())
        for boot in reversed(boots):
            yield from self._from_lane(boot, self._lanes(boot).new, now_s)
        for boot in boots:
            lane = self._lanes(boot).old
            yield from self._from_lane(boot, lane, now_s)
            if not lane.has_room:
                return

    def _from_lane(self, boot: Boot, lane: InFlight, now_s: float) -> Iterator[bytes]:
        lanes = self._lanes(boot)
        new = lane is lanes.new
        first_new_seq = boot.held.first_above(lanes.boundary_seq) or boot.last_seq + 1
        lane.note_acked(first_new_seq - 1 if new else boot.settled_seq, now_s)
        lane.go_back_if_late(now_s)
        while lane.has_room:
            seqs = self._new_seqs(boot, lanes) if new else self._old_seqs(boot, lanes)
            if not seqs and (new or not boot.drops or lane.resume_after_seq >= boot.drops[-1].last_seq):
                return
            lane.note_sent(seqs[-1] if seqs else boot.drops[-1].last_seq, now_s)
            yield encode(self._batch(boot, seqs, now_s))

    def wait_s(self, now_s: float) -> float:
        """Return the seconds until a message is late, infinity when none is on its way."""
        lanes = (lane for pair in self._flights.values() for lane in (pair.old, pair.new))
        return min((wait_s for lane in lanes if (wait_s := lane.wait_s(now_s)) is not None), default=math.inf)

    def _lanes(self, boot: Boot) -> Lanes:
        lanes = self._flights.get(boot.boot_id)
        if lanes is None:
            boundary_seq = boot.last_seq if boot.held.count > self.plan.windows_per_message else 0
            old, new = (InFlight(self._pace) for _ in range(2))
            lanes = self._flights[boot.boot_id] = Lanes(boundary_seq, old, new)
        return lanes

    @staticmethod
    def _old_seqs(boot: Boot, lanes: Lanes) -> list[int]:
        return boot.held.take_above(lanes.old.resume_after_seq, MAX_WINDOWS_PER_MESSAGE, lanes.boundary_seq)

    def _new_seqs(self, boot: Boot, lanes: Lanes) -> list[int]:
        """Return what makes a full message; the rest too when nothing will come after it.

        A slow device sends as much as a message holds, or it would never catch up.
        """
        full = self.plan.windows_per_message
        limit = MAX_WINDOWS_PER_MESSAGE if self.traits.slow_s else full
        after_seq = max(lanes.new.resume_after_seq, lanes.boundary_seq)
        seqs = boot.held.take_above(after_seq, limit, boot.last_seq)
        complete = len(seqs) >= full or self.flush or boot is not self.outbox.boot
        return seqs if complete else []

    def _batch(self, boot: Boot, seqs: list[int], now_s: float) -> WindowBatch:
        return WindowBatch(
            device_id=self.device_id,
            boot_id=boot.boot_id,
            oldest_seq=boot.oldest_seq,
            last_seq=boot.last_seq,
            sent_unix_ns=self.clock.unix_ns(now_s),
            records=tuple(boot.window(seq) for seq in seqs),
            dropped=tuple(boot.drops),
        )

    def birth(self, now_s: float) -> bytes:
        """Return who this device is."""
        boot_id, t_unix_ns = self.outbox.boot.boot_id, self.clock.unix_ns(now_s)
        held_boots = self.outbox.held_boots()
        return encode(figures.make_birth(self.device_id, boot_id, t_unix_ns, self.plan.window_s, held_boots))

    def status(self, now_s: float, *, online: bool, reason: str = "") -> bytes:
        """Return a status; ``online`` false is the last will."""
        return encode(
            Status(
                device_id=self.device_id,
                boot_id=self.outbox.boot.boot_id,
                online=online,
                t_unix_ns=self.clock.unix_ns(now_s),
                reason=reason,
            )
        )

    def health(self, now_s: float) -> bytes:
        """Return the numbers about itself."""
        boot = self.outbox.boot
        return encode(
            Health(
                device_id=self.device_id,
                boot_id=boot.boot_id,
                t_unix_ns=self.clock.unix_ns(now_s),
                clock_state="synchronised",
                last_seq=boot.last_seq,
                acked_seq=boot.settled_seq,
                outbox_windows=self.outbox.windows,
                outbox_bytes=0,
                dropped_windows=sum(one.dropped.windows for one in self.outbox.boots.values()),
                meter_connected=True,
            )
        )
