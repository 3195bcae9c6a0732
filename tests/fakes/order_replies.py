"""Replies to orders, as a device would make them."""

from typing import Any

from edge_agent.wire.orders import CommandReply, Stage
from tests.fakes.windows import T0_UNIX_NS


def make_reply(stage: Stage, command_id: str = "bench-1", device_id: str = "pi4-01", **more: Any) -> CommandReply:
    return CommandReply(
        device_id=device_id,
        boot_id="boot",
        reply_id=f"{command_id}.{stage}",
        command_id=command_id,
        kind="bench",
        stage=stage,
        t_unix_ns=T0_UNIX_NS,
        clock_state="synchronised",
        **more,
    )
