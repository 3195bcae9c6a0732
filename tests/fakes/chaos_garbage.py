"""Messages that a collector must refuse, on every upward topic and on topics that look alike, each with its count.

Every message is wrong by construction, so that the number of dead letters is known without the product's decoder.
"""

import random
import string
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import msgspec

from edge_agent.wire.codec import encode
from edge_agent.wire.records import MAX_PAYLOAD_BYTES, Status, WindowBatch
from edge_agent.wire.topics import UP_CHANNELS, UpChannel, topic_for
from tests.fakes.benches import make_bench
from tests.fakes.delivery import make_birth, make_health
from tests.fakes.order_replies import make_reply
from tests.fakes.windows import FLEET, T0_UNIX_NS, make_window

STORED_CHANNELS: Final = tuple(channel for channel in UP_CHANNELS if channel != "fetch")
"""A collector that serves no files does not listen to who fetches one."""
LIAR: Final = "liar-01"
WRONG_VALUES: Final = (b"null", b"true", b"[]", b"{}", b"-1", b"1.5", b"1e999", b"-1e999", b"NaN", b"Infinity", b'"1"')
WRONG_DOCUMENTS: Final = (b"null", b"true", b"42", b'"windows"', b"[]", b"[[]]", b"{}", b"[{}]", b"1e999", b"\x00")
WRONG_VERSIONS: Final = (b"0", b"2", b"-1", b"99999999999999999999999", b"null", b'"1"', b"1.5", b"[1]", b"true")
WRONG_NAMES: Final = (
    "",
    " ",
    "pi ü",
    "пи-1",
    "設備",
    "🔥",
    "-pi",
    "a" * 65,
    "../../etc",
    "pi,x=y",
    'pi"',
    "pi;DROP",
    "NaN x",
)
BURIED: Final = 60_000
"""How deep a document is nested: deeper than any recursion."""


class Junk(NamedTuple):
    """``letters``: how many dead letters it must become. ``what`` names it when a count is wrong."""

    what: str
    topic: str
    payload: bytes
    letters: int = 1
    retain: bool = False


def honest_payload(channel: UpChannel, device_id: str, unique: str) -> bytes:
    """Return a message that a collector takes from ``device_id``; ``unique`` names its boot, bench or order."""
    if channel == "windows":
        window = make_window(1)
        batch = WindowBatch(
            device_id=device_id, boot_id=unique, oldest_seq=1, last_seq=1, sent_unix_ns=T0_UNIX_NS, records=(window,)
        )
        return encode(batch)
    if channel == "birth":
        return encode(make_birth(device_id, unique))
    if channel == "status":
        return encode(Status(device_id=device_id, boot_id=unique, online=True, t_unix_ns=T0_UNIX_NS, reason="x"))
    if channel == "health":
        return encode(make_health(0, device_id=device_id, boot_id=unique))
    if channel == "reply":
        return encode(make_reply("done", unique, device_id))
    return encode(make_bench(unique, device_id=device_id))


class Garbage:
    """Draws junk for one run. ``huge_bytes``: the largest message that the broker lets through."""

    def __init__(self, draw: random.Random, honest_id: str, huge_bytes: int) -> None:
        self._draw = draw
        self._honest_id = honest_id
        self._huge_bytes = huge_bytes
        self._count = 0

    def all(self) -> list[Junk]:
        """Return everything, shuffled."""
        junk = [one for channel in STORED_CHANNELS for one in self._on(channel)]
        junk += [*self._bad_windows(), *self._lying_batches(), *self._alike(), *self._downward()]
        self._draw.shuffle(junk)
        return junk

    def _unique(self) -> str:
        self._count += 1
        return f"x{self._count:05d}"

    def _on(self, channel: UpChannel) -> Iterator[Junk]:
        """Yield whole messages that are wrong, on one channel, under the honest device's name or a liar's."""
        makers: tuple[Callable[[UpChannel, str], Iterator[tuple[str, bytes]]], ...] = (
            self._bytes,
            self._documents,
            self._versions,
            self._identities,
            self._nested,
        )
        for make in makers:
            device_id = self._draw.choice([self._honest_id, LIAR])
            for what, payload in make(channel, device_id):
                yield Junk(f"{what} on {channel}", topic_for(FLEET, device_id, channel), payload)
        what = f"retained garbage on {channel}"
        yield Junk(what, topic_for(FLEET, f"retained-{channel}", channel), b"\xfe garbage", retain=True)
        yield Junk(what + " is cleared", topic_for(FLEET, f"retained-{channel}", channel), b"", retain=True)

    def _bytes(self, channel: UpChannel, device_id: str) -> Iterator[tuple[str, bytes]]:
        honest = honest_payload(channel, device_id, self._unique())
        yield "nothing", b""
        for size in (1, 17, 4000):
            yield "random bytes", b"\xff" + self._draw.randbytes(size)
        for _ in range(3):
            yield "torn message", honest[: self._draw.randrange(1, len(honest))]
        yield "message with a tail", honest + b"\x00"
        yield "message twice", honest + honest
        yield "not UTF-8", honest.replace(device_id.encode(), device_id.encode()[:-1] + b"\xff", 1)
        yield "half a surrogate", honest.replace(device_id.encode(), b"\\ud800", 1)
        yield "UTF-16", honest.decode().encode("utf-16")
        for size in (MAX_PAYLOAD_BYTES + 1, self._huge_bytes):
            yield "huge honest message", honest[:-1] + b" " * (size - len(honest)) + b"}"
        yield "huge random bytes", b"\x80" + self._draw.randbytes(self._huge_bytes - 1)

    def _documents(self, _channel: UpChannel, _device_id: str) -> Iterator[tuple[str, bytes]]:
        for document in WRONG_DOCUMENTS:
            yield f"JSON {document.decode()}", document

    def _versions(self, channel: UpChannel, device_id: str) -> Iterator[tuple[str, bytes]]:
        honest = honest_payload(channel, device_id, self._unique())
        for version in WRONG_VERSIONS:
            changed = honest.replace(b'"schema_version":1', b'"schema_version":' + version, 1)
            yield f"version {version.decode()}", changed
        yield "no version", honest.replace(b'"schema_version":1,', b"", 1)

    def _identities(self, channel: UpChannel, device_id: str) -> Iterator[tuple[str, bytes]]:
        yield "another device's message", honest_payload(channel, "victim-01", self._unique())
        quoted = b'"' + device_id.encode() + b'"'
        for name in WRONG_NAMES:
            honest = honest_payload(channel, device_id, self._unique())
            yield f"device {name!r}", honest.replace(quoted, msgspec.json.encode(name), 1)
        for value in WRONG_VALUES:
            honest = honest_payload(channel, device_id, self._unique())
            yield f"device {value.decode()}", honest.replace(quoted, value, 1)

    def _nested(self, channel: UpChannel, device_id: str) -> Iterator[tuple[str, bytes]]:
        honest = honest_payload(channel, device_id, self._unique())
        for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
            depth = BURIED // len(opening)
            yield "deeply nested", honest[:-1] + b',"new":' + opening * depth + b"1" + closing * depth + b"}"
            yield "deeply nested and torn", honest[:-1] + b',"new":' + opening * depth

    def _bad_windows(self) -> Iterator[Junk]:
        """Yield batches that are sound but for windows in them: each bad window becomes a letter of its own."""
        topic = topic_for(FLEET, LIAR, "windows")
        for name in (b"energy_j", b"duration_s", b"t_start_unix_ns", b"inference_count", b"clock_state", b"model_id"):
            for value in WRONG_VALUES:
                if name == b"energy_j" and value in {b"-1", b"1.5"}:
                    continue  # energies may be so
                if (name, value) in {(b"duration_s", b"1.5"), (b"model_id", b'"1"')}:
                    continue
                honest = honest_payload("windows", LIAR, self._unique())
                head, _, tail = honest.partition(b'"%s":' % name)
                rest = tail[tail.index(b',"') :]
                junk = b'%s"%s":%s%s' % (head, name, value, rest)
                yield Junk(f"{name.decode()} = {value.decode()}", topic, junk)

    def _lying_batches(self) -> Iterator[Junk]:
        """Yield batches whose parts do not fit together."""
        topic = topic_for(FLEET, LIAR, "windows")
        for lie in (
            {"oldest_seq": 9},
            {"last_seq": 0},
            {"records": tuple(make_window(seq) for seq in (1, 2))},
            {"dropped": ({"first_seq": 1, "last_seq": 2**40, "reason": "too_old"},)},
            {"dropped": ({"first_seq": 3, "last_seq": 1, "reason": "too_old"},)},
            {"dropped": ({"first_seq": 1, "last_seq": 1, "reason": "eaten"},)},
            {"last_seq": 2**53 + 1},
            {"records": tuple(make_window(seq) for seq in range(1, 62)), "last_seq": 61},
            {"boot_id": "a" * 65},
        ):
            batch = msgspec.json.decode(honest_payload("windows", LIAR, self._unique())) | lie
            yield Junk(f"batch with {next(iter(lie))}", topic, msgspec.json.encode(batch))

    def _alike(self) -> Iterator[Junk]:
        """Yield honest payloads under topics that are none of ours: some the collector's filter lets through."""
        for channel in STORED_CHANNELS:
            for name in (*WRONG_NAMES[1:7], WRONG_NAMES[7], ""):
                payload = honest_payload(channel, LIAR, self._unique())
                yield Junk(f"fleet {name!r}", f"edgejoule/v1/{name}/{LIAR}/{channel}", payload)
                payload = honest_payload(channel, LIAR, self._unique())
                yield Junk(f"topic of {name!r}", f"edgejoule/v1/{FLEET}/{name}/{channel}", payload)
            payload = honest_payload(channel, self._honest_id, self._unique())
            for topic in (
                f"edgejoule/v2/{FLEET}/{self._honest_id}/{channel}",
                f"/edgejoule/v1/{FLEET}/{self._honest_id}/{channel}",
                f"edgejoule/v1/{FLEET}/{self._honest_id}/{channel}/",
                f"edgejoule/v1/{FLEET}/{self._honest_id}/{channel}/more",
                f"edgejoule/v1/{FLEET}/{self._honest_id}/{channel.upper()}",
                f"edgejoule/v1/{self._honest_id}/{channel}",
                f"{FLEET}/{self._honest_id}/{channel}",
            ):
                yield Junk(f"topic {topic}", topic, payload, letters=0)

    def _downward(self) -> Iterator[Junk]:
        """Yield what claims to come from a collector; the device must not believe it."""
        text = "".join(self._draw.choices(string.printable, k=200)).encode()
        for channel in ("ack", "cmd"):
            topic = f"edgejoule/v1/{FLEET}/{self._honest_id}/{channel}"
            for document in (b"", b"\xff" + text, *WRONG_DOCUMENTS):
                yield Junk(f"{document[:20]!r} on {channel}", topic, document, letters=0)
        topic = f"edgejoule/v1/{FLEET}/{self._honest_id}/ack"
        yield Junk("torn acknowledgement", topic, b'{"schema_version":1,"device_id":"', letters=0, retain=True)
