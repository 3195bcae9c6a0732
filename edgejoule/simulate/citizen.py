"""The bad citizen at work: its garbage, message by message, each counted once the broker has it."""

import asyncio
import contextlib
import time
from typing import Final

from edge_agent.wire.codec import encode
from edge_agent.wire.errors import BrokerUnavailableError
from edge_agent.wire.mqtt_packets import ConnectOptions
from edge_agent.wire.topics import topic_for
from edgejoule.simulate.figures import make_birth
from edgejoule.simulate.garbage import garbage
from edgejoule.simulate.link import Link, open_link
from edgejoule.simulate.member import Surroundings

_LONGEST_PAUSE_S: Final = 1.0
_ANSWER_S: Final = 30.0
_RETRY_S: Final = 2.0


async def misbehave(around: Surroundings, device_id: str) -> None:
    """Send the plan's garbage, spread over the live part; one true birth first, so that the ledger knows the name.

    A message whose acknowledgement by the broker is lost with the connection is sent again and counted as unsure:
    nobody can say whether it came once or twice.
    """
    plan, played = around.plan, around.played
    count = plan.faults.garbage_messages
    pause_s = min(_LONGEST_PAUSE_S, 0.7 * (plan.live_s or 60.0) / count)
    topic = topic_for(plan.fleet, device_id, "birth")
    birth = encode(make_birth(device_id, device_id, time.time_ns(), plan.window_s, ()))
    link: Link | None = None
    await around.collector_heard.wait()  # before it has subscribed for the first time, nobody gets anything
    try:
        link = await _sent(around, device_id, link, (topic, birth))
        for one in garbage(plan.seed, device_id, plan.device_id(1), count):
            link = await _sent(around, device_id, link, (topic_for(plan.fleet, device_id, one.channel), one.payload))
            played.garbage += 1
            await asyncio.sleep(pause_s)
    finally:
        if link is not None:
            link.say_goodbye()


async def _sent(around: Surroundings, device_id: str, link: Link | None, message: tuple[str, bytes]) -> Link:
    """Send one message, on a new connection where the old one is gone, until the broker has acknowledged it."""
    while True:
        if link is None or link.ended:
            link = await _connected(around, device_id)
        link.publish(*message)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_ANSWER_S):
                await link.quiet()
        if link.idle:
            around.played.refused_by_broker += link.refusals
            link.refusals = 0
            return link
        around.played.garbage_unsure += 1
        link.cut()
        await asyncio.sleep(_RETRY_S)


async def _connected(around: Surroundings, device_id: str) -> Link:
    login = around.login
    options = ConnectOptions(
        client_id=f"edgejoule-{around.plan.fleet}-{device_id}",
        protocol=login.protocol,
        clean_start=True,
        keepalive_s=login.keepalive_s,
        username=login.username.replace("{device}", device_id),
        password=login.password,
    )
    ack_topic = topic_for(around.plan.fleet, device_id, "ack")
    while True:
        try:
            return await open_link(login.target, options, ack_topic, lambda _: None, lambda _: None)
        except BrokerUnavailableError as error:
            around.last_error = f"{device_id}: {error}"
            await asyncio.sleep(_RETRY_S)
