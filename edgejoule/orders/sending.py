"""Sends an order to its devices and hears what they reply, until there is nothing to wait for."""

import secrets
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from edge_agent.wire.codec import decode
from edge_agent.wire.errors import ConfigurationError, RejectedRecordError
from edge_agent.wire.mqtt import BrokerSettings
from edge_agent.wire.orders import Action, Command, CommandReply, Deferral
from edge_agent.wire.records import Status
from edge_agent.wire.topics import parse_up_topic, topic_for, up_filter
from edgejoule.orders.dispatch import Dispatch, Sending
from edgejoule.orders.keys import OperatorKey
from edgejoule.orders.link import Came, Link

POLL_S: Final = 0.5
MOST_TOPICS: Final = 100
"""With more devices it listens to the whole fleet."""


def new_command_id(kind: str, now_unix_ns: int) -> str:
    """Return a name that no other order has: kind, time (UTC) and chance."""
    when = datetime.fromtimestamp(now_unix_ns // 10**9, tz=UTC)
    return f"{kind}-{when:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


def make_sendings(
    key: OperatorKey,
    fleet: str,
    devices: Sequence[str],
    action: Action,
    valid_s: float,
    defer: Deferral | None = None,
) -> list[Sending]:
    """Sign one order for each device, all under one name, from now on valid for ``valid_s``."""
    now_unix_ns, now_s = time.time_ns(), time.monotonic()
    if defer is not None and defer.deadline_unix_ns < now_unix_ns:
        raise ConfigurationError("--defer-until: that time is over; name a later one, such as +8h")
    command_id = new_command_id(str(action.__struct_config__.tag), now_unix_ns)
    commands = [
        Command(
            command_id=command_id,
            fleet=fleet,
            device_id=device_id,
            issued_unix_ns=now_unix_ns,
            expires_unix_ns=now_unix_ns + round(valid_s * 1e9),
            action=action,
            defer=defer,
        )
        for device_id in devices
    ]
    return [Sending(command, key.sign(command), now_s + valid_s) for command in commands]


def send(
    broker: BrokerSettings,
    dispatch: Dispatch,
    *,
    ends_s: float,
    show: Callable[[Dispatch, str], None] = lambda _dispatch, _trouble: None,
) -> None:
    """Send until all is settled, at the latest until ``ends_s`` (monotonic).

    ``show`` hears of every change, and why there is no connection now. Raises BrokerUnavailableError when there is
    none at the start, or the broker forbids it.
    """
    fleet = dispatch.sendings[0].command.fleet
    devices = [sending.command.device_id for sending in dispatch.sendings]
    with Link(broker, _topics(fleet, devices)) as link:
        connects = link.connects
        while not dispatch.settled(now_s := time.monotonic()) and now_s < ends_s:
            if link.keep_up(now_s):
                if connects != (connects := link.connects):
                    dispatch.ask_again()
                for sending in dispatch.due(now_s):
                    topic = topic_for(fleet, sending.command.device_id, "cmd/run")
                    link.publish(topic, sending.payload, sending.expires_s - now_s)
            show(dispatch, link.trouble)
            for came in link.receive(min(POLL_S, max(dispatch.next_s(now_s) - now_s, 0.01))):
                take(dispatch, came, time.monotonic())
        show(dispatch, link.trouble)


def take(dispatch: Dispatch, came: Came, now_s: float) -> None:
    """Tell ``dispatch`` what a message says; what is none of ours is passed over."""
    try:
        topic = parse_up_topic(came.topic)
        if topic.channel == "reply" and not came.retained:
            reply = decode(came.payload, CommandReply)
            if reply.device_id == topic.device_id:
                dispatch.take(topic.fleet, reply)
        elif topic.channel == "status" and decode(came.payload, Status).online and not came.retained:
            dispatch.online(topic.fleet, topic.device_id, now_s)
    except RejectedRecordError:
        return


def _topics(fleet: str, devices: Sequence[str]) -> list[str]:
    if len(devices) > MOST_TOPICS:
        return [up_filter(fleet, "reply"), up_filter(fleet, "status")]
    return [topic_for(fleet, device_id, channel) for device_id in devices for channel in ("reply", "status")]
