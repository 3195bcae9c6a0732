"""One device in the fleet: its connection, its faults, and what it is to do when."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from edge_agent.delivery import BackOff
from edge_agent.wire.codec import decode
from edge_agent.wire.errors import BrokerUnavailableError, RejectedRecordError
from edge_agent.wire.mqtt_packets import ConnectOptions, Protocol
from edge_agent.wire.records import StoreAck
from edge_agent.wire.topics import topic_for
from edgejoule.simulate.agenda import Agenda
from edgejoule.simulate.device import SimulatedDevice, draw_log
from edgejoule.simulate.link import Link, Target, open_link
from edgejoule.simulate.outbox import Settled
from edgejoule.simulate.plan import Plan
from edgejoule.simulate.tally import Played

STEADY_AFTER_S: Final = 10.0
_LONGEST_REPLAY_S: Final = 5.0
_JUMP_S: Final = (1.0, 3 * 86_400.0)
_HELD_BACK_S: Final = 1.0
_LAST_WORDS_S: Final = 2.0


@dataclass(slots=True)
class Login:
    """How a device names itself to the broker. ``{device}`` in the user name stands for its id."""

    target: Target
    protocol: Protocol
    keepalive_s: int
    username: str = ""
    password: str | None = None


@dataclass(slots=True)
class Surroundings:
    """What all members share. ``on_settled`` is called with what an acknowledgement settled."""

    plan: Plan
    login: Login
    agenda: Agenda
    now_s: Callable[[], float]
    on_settled: Callable[[list[Settled]], None]
    gate: asyncio.Semaphore
    played: Played = field(default_factory=Played)
    tasks: set["asyncio.Task[None]"] = field(default_factory=set)
    last_error: str = ""
    live: bool = True
    ending: bool = False
    collector_heard: asyncio.Event = field(default_factory=asyncio.Event)


class Member:
    """See the module's text."""

    def __init__(self, around: Surroundings, device: SimulatedDevice) -> None:
        self.device = device
        self._around = around
        self._plan = around.plan
        self._draw = random.Random(f"faults/{self._plan.seed}/{device.number}")  # noqa: S311  to be repeatable
        self._link: Link | None = None
        self._connecting = False
        self._away_until_s = 0.0
        self._connected_s = 0.0
        self._pauses = BackOff(draw=self._draw)
        self._held_back: bytes | None = None
        self._next_send_s = 0.0
        self._last_ping_s = 0.0
        self._windows_left = self._plan.windows
        self._own_doing = False

    @property
    def online(self) -> bool:
        """Return whether the broker has accepted the device and the connection stands."""
        return self._link is not None and not self._link.ended

    def begin(self) -> None:
        """Enter what will happen to the device."""
        faults, agenda = self._plan.faults, self._around.agenda
        agenda.enter(self._draw.random() / self._plan.rate_hz, self._window)
        agenda.enter(self._draw.random() * self._plan.health_s, self._health)
        agenda.enter(0.0, lambda _: self.connect())
        for per_min, action in (
            (faults.losses_per_min, self._lose),
            (faults.outages_per_min, self._go_away),
            (faults.clock_jumps_per_min, self._jump),
            (faults.reboots_per_min, self._reboot),
        ):
            if per_min > 0.0:
                self._repeat(0.0, per_min, action)
        if self.device.traits.vanishes_at_s is not None:
            agenda.enter(self.device.traits.vanishes_at_s, self._vanish)

    def _repeat(self, after_s: float, per_min: float, action: Callable[[float], None]) -> None:
        def act(at_s: float) -> None:
            if self._around.live and not self.device.vanished:
                action(at_s)
                self._repeat(at_s, per_min, action)

        self._around.agenda.enter(after_s + self._draw.expovariate(per_min / 60.0), act)

    def end_live(self) -> None:
        """Make no more windows, and deliver what there is."""
        self.device.flush = True
        self._away_until_s = 0.0
        self.connect()
        self.pump()

    def say_goodbye(self) -> None:
        """Leave the broker as an agent that is stopped."""
        if self._link is not None and self.online:
            self._publish_status(online=False, reason="stopped")
            self._link.say_goodbye()

    async def gone(self) -> None:
        """Wait until the connection is closed."""
        if self._link is not None:
            await self._link.closed()

    def cut(self) -> None:
        """Leave nothing open, by our own doing."""
        self._own_doing = True
        if self._link is not None:
            self._link.cut()

    def sweep(self, now_s: float) -> None:
        """Do what is late: send again, ping, connect."""
        if not self.online:
            self.connect()
            return
        assert self._link is not None
        self._around.last_error = self._link.refusal or self._around.last_error
        if now_s - self._last_ping_s > self._around.login.keepalive_s / 2:
            self._last_ping_s = now_s
            self._link.ping()
        if self.device.wait_s(now_s) == 0.0 or self.device.traits.slow_s:
            self.pump()

    def connect(self) -> None:
        """Try to connect, unless that is under way or the device is to be away."""
        around = self._around
        away = self._connecting or self.online or around.now_s() < self._away_until_s
        if away or self.device.vanished or around.ending:
            return
        self._connecting = True
        task = asyncio.get_running_loop().create_task(self._connect())
        around.tasks.add(task)
        task.add_done_callback(around.tasks.discard)

    async def _connect(self) -> None:
        around, login = self._around, self._around.login
        try:
            async with around.gate:
                if around.ending:
                    return
                self._link = await open_link(
                    login.target, self._options(), self._topic("ack"), self._take_payload, self._lost
                )
        except BrokerUnavailableError as error:
            around.played.failed_connects += 1
            around.last_error = str(error)
            self._away_until_s = around.now_s() + self._pauses.next_s()
            return
        finally:
            self._connecting = False
        around.played.connects += 1
        self._connected_s = self._last_ping_s = around.now_s()
        self._held_back = None
        self._own_doing = False
        self.device.connected()
        self._link.publish(self._topic("birth"), self.device.birth(self._connected_s), retain=True)
        self._publish_status(online=True)
        self.pump()

    def _options(self) -> ConnectOptions:
        login, device = self._around.login, self.device
        return ConnectOptions(
            client_id=f"edgejoule-{self._plan.fleet}-{device.device_id}",
            protocol=login.protocol,
            clean_start=True,
            keepalive_s=login.keepalive_s,
            username=login.username.replace("{device}", device.device_id),
            password=login.password,
            will_topic=self._topic("status"),
            will_payload=device.status(self._around.now_s(), online=False, reason="connection lost"),
            will_retain=True,
        )

    def _lost(self, reason: str) -> None:
        around, link = self._around, self._link
        if link is None:
            return
        around.played.bytes += link.sent_bytes
        around.played.refused_by_broker += link.refusals
        self._link = None
        now_s = around.now_s()
        if now_s - self._connected_s > STEADY_AFTER_S:
            self._pauses.reset()
        if not self._own_doing and not around.ending and not self.device.vanished:
            around.played.lost_by_broker += 1
            around.last_error = f"{self.device.device_id}: {reason}"
            self._away_until_s = now_s + self._pauses.next_s()

    def pump(self) -> None:
        """Send what is due, as far as the connection takes it; a slow device sends one message and pauses."""
        link, now_s = self._link, self._around.now_s()
        if link is None or not link.has_room or now_s < self._next_send_s or self.device.vanished:
            return
        slow_s = self.device.traits.slow_s
        for payload in self.device.due(now_s):
            self._send(link, payload)
            if slow_s:
                self._next_send_s = now_s + slow_s
                link.hold(reading=False)
                self._around.agenda.enter(now_s + slow_s, self._read_again)
                return

    def _read_again(self, _at_s: float) -> None:
        if self._link is not None:
            self._link.hold(reading=True)
        self.pump()

    def _send(self, link: Link, payload: bytes) -> None:
        faults, draw, around = self._plan.faults, self._draw, self._around
        topic = self._topic("windows")
        around.played.messages += 1
        if self._held_back is None and draw.random() < faults.reorder_ratio:
            self._held_back = payload
            around.agenda.enter(around.now_s() + _HELD_BACK_S, lambda _: self._let_go())
            return
        link.publish(topic, payload)
        if self._held_back is not None:
            around.played.reordered += 1
            self._let_go()
        if draw.random() < faults.duplicate_ratio:
            around.agenda.enter(
                around.now_s() + draw.uniform(0.0, _LONGEST_REPLAY_S), lambda _: self._send_again(payload)
            )

    def _let_go(self) -> None:
        if self._held_back is not None and self._link is not None:
            self._link.publish(self._topic("windows"), self._held_back)
        self._held_back = None

    def _send_again(self, payload: bytes) -> None:
        if self._link is not None and self.online:
            self._around.played.duplicates += 1
            self._link.publish(self._topic("windows"), payload)

    def _take_payload(self, payload: bytes) -> None:
        try:
            ack = decode(payload, StoreAck)
        except RejectedRecordError as error:
            self._around.played.bad_acks += 1
            self._around.last_error = f"{self.device.device_id}: a store-ack that is none: {error}"
            return
        settled = self.device.take_ack(ack)
        if settled:
            self._around.collector_heard.set()
            self._around.on_settled(settled)
        self.pump()

    def _window(self, at_s: float) -> None:
        if not self._around.live or self.device.vanished or self._windows_left == 0:
            return
        if self._windows_left is not None:
            self._windows_left -= 1
        self.device.close_window(at_s, connected=self.online)
        self._around.agenda.enter(at_s + 1.0 / self._plan.rate_hz, self._window)
        self.pump()

    def _health(self, at_s: float) -> None:
        if not self._around.live or self.device.vanished:
            return
        self._around.agenda.enter(at_s + self._plan.health_s, self._health)
        if self._link is not None:
            self._link.publish(self._topic("health"), self.device.health(at_s))

    def _lose(self, _at_s: float) -> None:
        if self.online:
            self._around.played.losses += 1
            self._away_until_s = self._around.now_s() + self._pauses.next_s()
            self.cut()

    def _go_away(self, at_s: float) -> None:
        self._around.played.outages += 1
        length_s = self._draw.expovariate(1.0 / self._plan.faults.outage_length_s)
        self._away_until_s = max(self._away_until_s, at_s + length_s)
        self.cut()

    def _jump(self, _at_s: float) -> None:
        self._around.played.clock_jumps += 1
        self.device.jump_clock(self._draw.choice((-1, 1)) * draw_log(self._draw, *_JUMP_S))

    def _reboot(self, at_s: float) -> None:
        self._around.played.reboots += 1
        self._away_until_s = max(self._away_until_s, at_s + self._draw.uniform(0.5, 3.0))
        self.cut()
        self.device.boot()

    def _vanish(self, at_s: float) -> None:
        """Close windows that nobody will ever get, say how far it counted, and be gone."""
        if not self._around.live or not self.online:
            if self._around.live:
                self._around.agenda.enter(at_s + 1.0, self._vanish)
            return
        assert self._link is not None
        self._around.played.vanished += 1
        self.device.vanished = True
        for _ in range(3):
            self.device.close_window(at_s, connected=False)
        self._link.hold(reading=True)
        self._link.publish(self._topic("health"), self.device.health(at_s))
        self._around.agenda.enter(at_s + _LAST_WORDS_S, lambda _: self.cut())

    def _publish_status(self, *, online: bool, reason: str = "") -> None:
        assert self._link is not None
        payload = self.device.status(self._around.now_s(), online=online, reason=reason)
        self._link.publish(self._topic("status"), payload, retain=True)

    def _topic(self, channel: str) -> str:
        return topic_for(self._plan.fleet, self.device.device_id, channel)  # type: ignore[arg-type]
