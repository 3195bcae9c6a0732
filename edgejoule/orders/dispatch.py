"""One order to many devices: when to send it to whom again, and what became of it. Pure; seconds are an argument.

A device that is away hears nothing, and the broker keeps nothing for it, so the same signed command is sent again
until the device replies or the command expires. That is harmless: a device accepts a command once, and answers one
that it accepted before with what it replied last.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec

from edge_agent.wire.orders import FINAL_STAGES, CarbonTiming, Command, CommandReply, RefusalKind, Stage

FIRST_REPEAT_S: Final = 5.0
LONGEST_REPEAT_S: Final = 30.0
ONLINE_SPACING_S: Final = 1.0
"""A device that comes online is sent its command at once, but not sooner after the last time."""
GRACE_S: Final = 5.0
"""How long after the command's end an answer may take."""
TEMPORARY: Final[frozenset[str]] = frozenset({"busy", "clock", "not_yet"})
"""Refusals that time may end: the command is sent again as long as it is valid."""
ORDER_OF_STAGES: Final = {"refused": 0, "accepted": 1, "waiting": 2, "running": 3}
Outcome = Literal["waiting", "under_way", "done", "refused", "failed", "rolled_back", "silent"]


class OrderOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the order at one device. ``stage``: of its last reply, None without one."""

    fleet: str
    device_id: str
    command_id: str
    kind: str
    outcome: Outcome
    stage: Stage | None
    refusal: RefusalKind | None
    reason: str
    progress_ratio: float | None
    sent_count: int
    result: dict[str, str | int | float | bool | None]
    carbon: CarbonTiming | None


@dataclass(slots=True)
class Sending:
    """One device's command, as ``payload`` signed, and how far it is."""

    command: Command
    payload: bytes
    expires_s: float
    next_s: float = 0.0
    sent_s: float | None = None
    pause_s: float = FIRST_REPEAT_S
    sent_count: int = 0
    ask: bool = False
    reply: CommandReply | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Return fleet and device."""
        return self.command.fleet, self.command.device_id

    @property
    def open(self) -> bool:
        """Return whether the device may still accept it, as far as we know."""
        reply = self.reply
        return reply is None or (reply.stage == "refused" and reply.refusal in TEMPORARY)

    def final(self, now_s: float) -> bool:
        """Return whether nothing more is to be expected."""
        if self.open:
            return now_s > self.expires_s + GRACE_S
        return self.reply is not None and self.reply.stage in FINAL_STAGES

    def outcome(self, now_s: float) -> Outcome:
        """Return what became of it so far."""
        if self.reply is None:
            return "silent" if self.final(now_s) else "waiting"
        stage = self.reply.stage
        if stage == "refused":
            return "refused" if self.final(now_s) else "waiting"
        if stage in ("done", "failed", "rolled_back"):
            return stage
        return "under_way"


@dataclass(slots=True)
class Dispatch:
    """See the module's text. ``wait``: until each device is done; else until each has accepted or refused."""

    sendings: Sequence[Sending]
    wait: bool = False
    _by_key: dict[tuple[str, str], Sending] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._by_key = {sending.key: sending for sending in self.sendings}

    def due(self, now_s: float) -> list[Sending]:
        """Return what is to be sent now; it then counts as sent."""
        due = [one for one in self._expected(now_s) if one.ask or (one.open and one.next_s <= now_s <= one.expires_s)]
        for sending in due:
            sending.ask = False
            sending.sent_count += 1
            sending.sent_s = now_s
            sending.next_s = now_s + sending.pause_s
            sending.pause_s = min(2 * sending.pause_s, LONGEST_REPEAT_S)
        return due

    def next_s(self, now_s: float) -> float:
        """Return when to look again at the latest."""
        waited_for = (one for one in self._expected(now_s) if one.open)
        times = [one.next_s if now_s <= one.expires_s else one.expires_s + GRACE_S for one in waited_for]
        return min(times, default=now_s + LONGEST_REPEAT_S)

    def online(self, fleet: str, device_id: str, now_s: float) -> None:
        """Note that a device has come: what it has not answered is sent at once."""
        sending = self._by_key.get((fleet, device_id))
        if sending and sending.open:
            soonest_s = now_s if sending.sent_s is None else max(now_s, sending.sent_s + ONLINE_SPACING_S)
            sending.next_s = min(sending.next_s, soonest_s)
            sending.pause_s = FIRST_REPEAT_S

    def ask_again(self) -> None:
        """Note that replies may have been missed: who is not done gets its command once more and tells where it is."""
        for sending in self.sendings:
            sending.ask = not sending.open

    def take(self, fleet: str, reply: CommandReply) -> bool:
        """Take a reply and return whether it is news; late ones of an earlier stage are not."""
        sending = self._by_key.get((fleet, reply.device_id))
        if sending is None or sending.command.command_id != reply.command_id:
            return False
        known = sending.reply
        if known is not None and (known.stage in FINAL_STAGES - {"refused"} or _rank(reply) < _rank(known)):
            return False
        sending.reply = reply
        return reply != known

    def settled(self, now_s: float) -> bool:
        """Return whether there is nothing to wait for any more."""
        return not any(True for _ in self._expected(now_s))

    def _expected(self, now_s: float) -> Iterable[Sending]:
        return (one for one in self.sendings if not one.final(now_s) and (self.wait or one.open))

    def well(self, now_s: float) -> bool:
        """Return whether each device did what this dispatch waits for."""
        good: tuple[Outcome, ...] = ("done",) if self.wait else ("done", "under_way")
        return all(one.outcome(now_s) in good for one in self.sendings)

    def outcomes(self, now_s: float) -> list[OrderOutcome]:
        """Return what became of each, in the order given."""
        return [_outcome(one, now_s) for one in self.sendings]


def _rank(reply: CommandReply) -> int:
    return ORDER_OF_STAGES.get(reply.stage, len(ORDER_OF_STAGES))


def _outcome(sending: Sending, now_s: float) -> OrderOutcome:
    command, reply = sending.command, sending.reply
    return OrderOutcome(
        fleet=command.fleet,
        device_id=command.device_id,
        command_id=command.command_id,
        kind=str(command.action.__struct_config__.tag),
        outcome=sending.outcome(now_s),
        stage=reply.stage if reply else None,
        refusal=reply.refusal if reply else None,
        reason=reply.reason if reply else "",
        progress_ratio=reply.progress_ratio if reply else None,
        sent_count=sending.sent_count,
        result=reply.result if reply else {},
        carbon=reply.carbon if reply else None,
    )
