"""The bad citizen: messages that no collector may take, each one different, each one to be found as a dead letter."""

import random
from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from edge_agent.wire.records import MAX_PAYLOAD_BYTES
from edge_agent.wire.topics import UpChannel

_HUGE_EVERY: Final = 50


class Garbage(NamedTuple):
    """One message and what is wrong with it."""

    channel: UpChannel
    payload: bytes
    fault: str


def garbage(seed: int, device_id: str, victim_id: str, count: int) -> Iterator[Garbage]:
    """Yield ``count`` messages, published by ``device_id`` under its own topics. The same for the same seed."""
    draw = random.Random(f"garbage/{seed}")  # noqa: S311  to be repeatable
    for number in range(count):
        if number % _HUGE_EVERY == _HUGE_EVERY - 1:
            filler = b'{"schema_version":1,"number":%d,"x":"' % number
            yield Garbage("windows", filler.ljust(MAX_PAYLOAD_BYTES + 1, b"x"), "too long")
            continue
        yield _one(draw, number, device_id, victim_id)


def _one(draw: random.Random, number: int, device_id: str, victim_id: str) -> Garbage:
    good = {
        "schema_version": 1,
        "device_id": device_id,
        "boot_id": f"garbage-{number}",
        "oldest_seq": 1,
        "last_seq": 0,
        "sent_unix_ns": number,
        "records": [],
    }
    kinds: tuple[Garbage, ...] = (
        Garbage("windows", b"%d" % number + draw.randbytes(draw.randrange(1, 400)), "random bytes"),
        Garbage("windows", _json(good)[: draw.randrange(2, 60)] + b"%d" % number, "cut short"),
        Garbage("windows", _json(good | {"schema_version": 999}), "a version that does not exist"),
        Garbage("windows", _json(good | {"device_id": victim_id}), "another device's identity"),
        Garbage("windows", _json(good | {"oldest_seq": 9, "last_seq": 1}), "bounds that contradict each other"),
        Garbage("windows", b"[" * (2000 + number), "nested without end"),
        Garbage("birth", _json({"schema_version": 1, "device_id": device_id, "number": number}), "a birth of nobody"),
        Garbage("status", _json({"schema_version": 1, "online": "maybe", "number": number}), "wrong types"),
        Garbage("health", b"\xff\xfe%d" % number, "not UTF-8"),
    )
    return draw.choice(kinds)


def _json(fields: dict[str, object]) -> bytes:
    return msgspec.json.encode(fields)
