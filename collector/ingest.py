"""From bytes to the journal: validate, store, or keep as a dead letter with the reason."""

from dataclasses import replace
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

from collector.dead_letters import NewLetter
from collector.journal import Journal
from edge_agent.wire.codec import DecodedWindows, decode, decode_windows, name_of_bench, name_of_reply
from edge_agent.wire.errors import RejectedRecordError
from edge_agent.wire.orders import BlobRequest, CommandReply
from edge_agent.wire.records import MAX_PAYLOAD_BYTES, BenchRecord, Birth, Health, Identifier, Status
from edge_agent.wire.topics import UpTopic, parse_up_topic

REMEMBERED_TOPICS: Final = 10_000
LONGEST_TOPIC: Final = 200
"""With names of 64 characters. MQTT allows 65,535 bytes: such ones are not remembered, nor are their names."""

_NAMED: Final = {"bench": name_of_bench, "reply": name_of_reply}


class Received(NamedTuple):
    """One message as it came. ``retained``: the broker had kept it, so that it says nothing about now.

    ``cut_bytes``: how much of the end of a huge payload was not even kept.
    """

    topic: str
    payload: bytes
    t_unix_ns: int
    retained: bool = False
    cut_bytes: int = 0


def ingest(journal: Journal, message: Received) -> UpTopic | None:
    """Put one message into the journal; return its topic, or None when it became a dead letter.

    Call it inside ``journal.transaction()``: only the commit makes it safe to acknowledge.
    """
    topic: UpTopic | None = None
    try:
        topic = _parse(message.topic) if len(message.topic) <= LONGEST_TOPIC else parse_up_topic(message.topic)
        _check_whole(message)
        if topic.channel in _NAMED:
            _store_named(journal, topic, message)
        else:
            store(journal, topic, message)
    except RejectedRecordError as error:
        journal.add_dead_letter(_letter(topic, message, str(error)))
        return None
    return topic


def store(journal: Journal, topic: UpTopic, message: Received) -> None:
    """Put one message into the journal. Raises RejectedRecordError when it cannot be accepted.

    Validates the whole message first: a transaction may hold others, so nothing of a bad one may be written. What a
    device wants to fetch is only looked at: it is not for the journal.
    """
    _check_name("fleet", topic.fleet)
    if topic.channel == "windows":
        came = decode_windows(message.payload)
        _check_device(topic, came.envelope.device_id)
        _check_batch(came)
        journal.add_windows(topic.fleet, came, message.t_unix_ns)
    elif topic.channel == "birth":
        birth = decode(message.payload, Birth)
        _check_device(topic, birth.device_id)
        journal.put_birth(topic.fleet, birth, _seen_unix_ns(message, birth.t_unix_ns))
    elif topic.channel == "status":
        status = decode(message.payload, Status)
        _check_device(topic, status.device_id)
        journal.put_status(topic.fleet, status, _seen_unix_ns(message, status.t_unix_ns))
    elif topic.channel == "health":
        health = decode(message.payload, Health)
        _check_device(topic, health.device_id)
        journal.put_health(topic.fleet, health, _seen_unix_ns(message, health.t_unix_ns))
    elif topic.channel == "bench":
        bench = decode(message.payload, BenchRecord)
        _check_device(topic, bench.device_id)
        journal.put_bench(topic.fleet, bench, message.t_unix_ns)
    elif topic.channel == "reply":
        reply = decode(message.payload, CommandReply)
        _check_device(topic, reply.device_id)
        journal.put_reply(topic.fleet, reply, message.t_unix_ns)
    elif topic.channel == "fetch":
        _check_device(topic, decode(message.payload, BlobRequest).device_id)
    else:
        raise RejectedRecordError(f"this collector does not store what comes on {topic.channel!r}")


def _store_named(journal: Journal, topic: UpTopic, message: Received) -> None:
    """Store what has a name; what is none but says which it is becomes a dead letter once, not each time."""
    try:
        store(journal, topic, message)
    except RejectedRecordError as error:
        _check_name("fleet", topic.fleet)
        name = _NAMED[topic.channel](message.payload)
        if name is None or name.device_id != topic.device_id:
            raise
        if journal.refuse(topic.fleet, name, message.payload, str(error), message.t_unix_ns):
            journal.add_dead_letter(_letter(topic, message, str(error)))


def _letter(topic: UpTopic | None, message: Received, reason: str) -> NewLetter:
    named = topic if len(message.topic) <= LONGEST_TOPIC else None
    fleet, device_id = (named.fleet, named.device_id) if named else ("", "")
    letter = NewLetter(message.topic, message.payload, reason, message.t_unix_ns, fleet, device_id)
    return replace(letter, cut_bytes=message.cut_bytes) if message.cut_bytes else letter


def _seen_unix_ns(message: Received, said_unix_ns: int) -> int:
    """Return when the device was alive: now, or for what the broker had kept when it says that it was sent."""
    return min(said_unix_ns, message.t_unix_ns) if message.retained else message.t_unix_ns


def _check_whole(message: Received) -> None:
    if message.cut_bytes:
        full_bytes = len(message.payload) + message.cut_bytes
        raise RejectedRecordError(f"a payload of {full_bytes} bytes is over the limit of {MAX_PAYLOAD_BYTES}")


_parse: Final = lru_cache(REMEMBERED_TOPICS)(parse_up_topic)


@lru_cache(REMEMBERED_TOPICS)
def _check_name(what: str, name: str) -> None:
    try:
        msgspec.convert(name, Identifier)
    except msgspec.ValidationError as error:
        raise RejectedRecordError(f"{what} {name!r} in the topic is not an identifier: {error}") from error


def _check_device(topic: UpTopic, device_id: str) -> None:
    if device_id != topic.device_id:
        raise RejectedRecordError(f"the payload is of device {device_id!r}, the topic of {topic.device_id!r}")


def _check_batch(came: DecodedWindows) -> None:
    oldest_seq, last_seq = came.envelope.oldest_seq, came.envelope.last_seq
    if oldest_seq > last_seq + 1:
        raise RejectedRecordError(f"oldest_seq {oldest_seq} is above last_seq {last_seq}")
    highest = max([window.seq for window in came.windows] + [record.seq or 0 for record in came.bad], default=0)
    if highest > last_seq:
        raise RejectedRecordError(f"window {highest} is above last_seq {last_seq}")
    for dropped in came.envelope.dropped:
        if not dropped.first_seq <= dropped.last_seq <= last_seq:
            raise RejectedRecordError(
                f"dropped range {dropped.first_seq}..{dropped.last_seq} does not fit last_seq {last_seq}"
            )
