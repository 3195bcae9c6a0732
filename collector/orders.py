"""What became of each order, from the replies that devices sent. Pure."""

from collections.abc import Iterable
from itertools import groupby
from typing import Final

import msgspec

from collector.values import StoredReply
from edge_agent.wire.orders import FINAL_STAGES, CarbonTiming, CommandReply, RefusalKind, Stage

_PROGRESS: Final[tuple[Stage, ...]] = ("refused", "accepted", "waiting", "running", "failed", "rolled_back", "done")
"""From early to late: who refused a command and then accepted it was only busy, or without a clock, for a while."""


class StageTime(msgspec.Struct, frozen=True, kw_only=True):
    """When a device said that an order had come so far, by its own clock, and when that was stored."""

    stage: Stage
    t_unix_ns: int
    clock_state: str
    received_unix_ns: int


class OrderEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One order at one device. ``final``: nothing more is to come. ``stages``: in the order of their progress."""

    fleet: str
    device_id: str
    command_id: str
    kind: str
    stage: Stage
    final: bool
    refusal: RefusalKind | None
    reason: str
    progress_ratio: float | None
    result: dict[str, str | int | float | bool | None]
    carbon: CarbonTiming | None
    stages: tuple[StageTime, ...]


def orders(stored: Iterable[StoredReply]) -> list[OrderEntry]:
    """Return each order at each device, the latest first."""
    ordered = sorted(stored, key=_key)
    found = [_entry(list(group)) for _, group in groupby(ordered, key=_key)]
    return sorted(found, key=lambda entry: max(one.received_unix_ns for one in entry.stages), reverse=True)


def _key(row: StoredReply) -> tuple[str, str, str]:
    return row.fleet, row.device_id, row.reply.command_id


def _entry(rows: list[StoredReply]) -> OrderEntry:
    rows.sort(key=lambda row: (_PROGRESS.index(row.reply.stage), row.row_id))
    last = rows[-1].reply
    return OrderEntry(
        fleet=rows[-1].fleet,
        device_id=last.device_id,
        command_id=last.command_id,
        kind=last.kind,
        stage=last.stage,
        final=last.stage in FINAL_STAGES,
        refusal=last.refusal,
        reason=last.reason,
        progress_ratio=last.progress_ratio,
        result=last.result,
        carbon=_carbon([row.reply for row in rows]),
        stages=tuple(
            StageTime(
                stage=row.reply.stage,
                t_unix_ns=row.reply.t_unix_ns,
                clock_state=row.reply.clock_state,
                received_unix_ns=row.received_unix_ns,
            )
            for row in rows
        ),
    )


def _carbon(replies: list[CommandReply]) -> CarbonTiming | None:
    """Return the latest word on when it ran and what that saved: an early reply has the plan, the last the outcome."""
    return next((reply.carbon for reply in reversed(replies) if reply.carbon is not None), None)
