"""The run: a thousand devices in one event loop, live until told, then drained, then gone."""

import asyncio
import contextlib
import dataclasses
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from edgejoule.simulate.agenda import Agenda
from edgejoule.simulate.citizen import misbehave
from edgejoule.simulate.counters import FleetCounters, device_counters
from edgejoule.simulate.device import SimulatedDevice
from edgejoule.simulate.member import Login, Member, Surroundings
from edgejoule.simulate.outbox import Settled
from edgejoule.simulate.plan import Plan
from edgejoule.simulate.tally import Delays, delay_figures

TICK_S: Final = 0.02
SWEEP_S: Final = 0.25
GOODBYE_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Stand:
    """How far a run is. ``left_s``: of the live part, or None when only a signal ends it."""

    phase: str
    now_s: float
    left_s: float | None
    devices: int
    online: int
    made: int
    held: int
    backlog: int
    acknowledged: int
    last_error: str


class FleetRun:
    """See the module's text. ``stops_asked``: how often the user asked to stop; once drains, twice ends at once."""

    def __init__(
        self, plan: Plan, login: Login, stops_asked: Callable[[], int], show: Callable[[Stand], None]
    ) -> None:
        self._plan = plan
        self._login = login
        self._stops_asked = stops_asked
        self._show = show
        self._began_s = 0.0
        self._delays = Delays()
        self._backlog_windows = self._backlog = 0
        self._backlog_gone_s: float | None = None
        self._all_acknowledged_s: float | None = None
        self._live_ended_s = 0.0
        self._members: list[Member] = []
        self._bad_citizen = f"bad-{plan.run_id}" if plan.faults.garbage_messages else ""

    async def run(self) -> FleetCounters:
        """Run to the end and return the devices' books. Everything that was opened is closed."""
        plan = self._plan
        agenda = Agenda()
        around = Surroundings(
            plan, self._login, agenda, self._now_s, self._note_settled, asyncio.Semaphore(plan.connecting)
        )
        base_unix_ns = time.time_ns() - round(plan.clock_ahead_s * 1e9)
        self._began_s = time.monotonic()
        for number in range(1, plan.devices + 1):
            device = SimulatedDevice(plan, number, base_unix_ns)
            device.suffer_outage()
            self._members.append(Member(around, device))
            if number % 100 == 0:
                self._show(self._stand(around, "preparing"))
        self._backlog_windows = self._backlog = sum(member.device.backlog for member in self._members)
        self._backlog_gone_s = None if self._backlog else 0.0
        self._began_s = time.monotonic()
        for member in self._members:
            member.begin()
        citizen = asyncio.create_task(misbehave(around, self._bad_citizen)) if self._bad_citizen else None
        try:
            await self._live_and_drain(around, citizen)
            await self._leave(around)
        finally:
            around.ending = True
            pending = [*around.tasks, *([citizen] if citizen else [])]
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
            for member in self._members:
                member.cut()
            await asyncio.sleep(0)  # the transports close in the loop's next round
        return self._counters(around)

    def _now_s(self) -> float:
        return time.monotonic() - self._began_s

    async def _live_and_drain(self, around: Surroundings, citizen: "asyncio.Task[None] | None") -> None:
        next_sweep_s, live_s = 0.0, self._plan.live_s
        drain_until_s = math.inf
        while True:
            now_s = self._now_s()
            around.agenda.run(now_s)
            if now_s >= next_sweep_s:
                next_sweep_s = now_s + SWEEP_S
                for member in self._members:
                    member.sweep(now_s)
                self._look(now_s, around)
                self._show(self._stand(around, "live" if around.live else "draining"))
            asked = self._stops_asked()
            if around.live and (asked or (live_s is not None and now_s >= live_s)):
                around.live = False
                self._live_ended_s = now_s
                drain_until_s = now_s + self._plan.drain_s
                for member in self._members:
                    member.end_live()
            done = self._all_acknowledged_s is not None and (citizen is None or citizen.done() or asked)
            if not around.live and (done or asked > 1 or now_s > drain_until_s):
                return
            await asyncio.sleep(TICK_S)

    def _look(self, now_s: float, around: Surroundings) -> None:
        if self._backlog_gone_s is None:
            self._backlog = sum(member.device.backlog for member in self._members if not member.device.vanished)
            self._backlog_gone_s = None if self._backlog else now_s
        if not around.live and self._all_acknowledged_s is None:
            settled = all(member.device.settled or member.device.vanished for member in self._members)
            self._all_acknowledged_s = now_s if settled else None

    async def _leave(self, around: Surroundings) -> None:
        around.ending = True
        for member in self._members:
            member.say_goodbye()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                await asyncio.gather(*(member.gone() for member in self._members))

    def _note_settled(self, settled: list[Settled]) -> None:
        now_s = self._now_s()
        gone_s = math.inf if self._backlog_gone_s is None else self._backlog_gone_s
        for one in settled:
            self._delays.note(one, now_s, gone_s)

    def _stand(self, around: Surroundings, phase: str) -> Stand:
        now_s, live_s = self._now_s(), self._plan.live_s
        devices = [member.device for member in self._members]
        boots = [boot for device in devices for boot in device.outbox.boots.values()]
        end_s = live_s if around.live else self._live_ended_s + self._plan.drain_s
        return Stand(
            phase=phase,
            now_s=now_s,
            left_s=None if end_s is None else max(0.0, end_s - now_s),
            devices=self._plan.devices,
            online=sum(member.online for member in self._members),
            made=sum(boot.made.windows for boot in boots),
            held=sum(boot.held.count for boot in boots),
            backlog=self._backlog,
            acknowledged=sum(boot.acknowledged for boot in boots),
            last_error=around.last_error,
        )

    def _counters(self, around: Surroundings) -> FleetCounters:
        played = around.played
        played.foreign_acks = sum(member.device.outbox.foreign_acks for member in self._members)
        devices = tuple(device_counters(member.device) for member in self._members)
        acknowledged, took_s = sum(one.acknowledged for one in devices), self._all_acknowledged_s or self._now_s()
        return FleetCounters(
            run_id=self._plan.run_id,
            fleet=self._plan.fleet,
            seed=self._plan.seed,
            window_s=self._plan.window_s,
            simulated=True,
            everything_acknowledged=self._all_acknowledged_s is not None,
            duration_s=self._now_s(),
            live_s=self._live_ended_s,
            backlog_windows=self._backlog_windows,
            backlog_gone_s=self._backlog_gone_s if self._backlog_windows else None,
            all_acknowledged_s=self._all_acknowledged_s,
            windows_per_s=acknowledged / took_s if took_s > 0.0 else 0.0,
            delay_beside_backlog=delay_figures(self._delays.beside_backlog_s),
            delay_alone=delay_figures(self._delays.alone_s),
            played=dataclasses.asdict(played),
            bad_citizen=self._bad_citizen,
            last_error=around.last_error,
            sent=sum(one.sent for one in devices),
            acknowledged=acknowledged,
            declared_dropped=sum(one.declared_dropped for one in devices),
            pending=sum(one.pending for one in devices),
            energy_j=sum(one.energy_j for one in devices),
            kept_energy_j=sum(one.kept_energy_j for one in devices),
            devices=devices,
        )
