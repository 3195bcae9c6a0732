"""What somebody might send to a device instead of an order, and as what it must be refused."""

import random
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import msgspec

from edge_agent.remote.guard import MAX_SIGNED_BYTES
from edge_agent.wire import codec
from edge_agent.wire.orders import Command, RefusalKind, RunBatch, SetWindow, SignedCommand
from tests.fakes.orders import FakeOperator

HOUR_NS: Final = 3600 * 10**9
UNSIGNED: Final[frozenset[RefusalKind]] = frozenset({"malformed", "foreign", "unsigned"})
ODD_VALUES: Final[tuple[Any, ...]] = (
    None,
    True,
    -1,
    2**70,
    1e308,
    "",
    "x" * 300,
    [],
    {},
    [[[]]],
    "\u0000",
    "\ud7ff",
    {"kind": "bench"},
)


class Attack(NamedTuple):
    """``kinds``: as which it may be refused. ``answered``: the device may say so to whoever signed it."""

    name: str
    payload: bytes
    kinds: frozenset[RefusalKind]
    answered: bool = False


class Attacks:
    """An endless choice of attacks on the device that obeys ``operator``. ``accepted``: what it has obeyed before."""

    def __init__(self, operator: FakeOperator, accepted: Command, seed: int) -> None:
        self._operator, self._accepted = operator, accepted
        self._stranger = FakeOperator(operator.device_id, operator.fleet, "mallory")
        self._random = random.Random(seed)
        self.may_be_answered = {accepted.command_id}
        """Of these the operator signed the whole, for this device."""
        self._makers: tuple[Callable[[], Attack], ...] = (
            self._bytes, self._huge, self._deep, self._truncated, self._flipped, self._spliced, self._forged,
            self._stolen, self._strange, self._odd, self._odd_signed, self._bare, self._of_another, self._stale,
            self._early, self._forbidden, self._replayed, self._out_of_order,
        )  # fmt: skip

    def __iter__(self) -> Iterator[Attack]:
        while True:
            yield self._random.choice(self._makers)()

    def one_of_each(self) -> Iterator[Attack]:
        return (make() for make in self._makers)

    def _bytes(self) -> Attack:
        return _attack("bytes", self._random.randbytes(self._random.randrange(3000)), "malformed")

    def _huge(self) -> Attack:
        size = self._random.choice((MAX_SIGNED_BYTES + 1, 100_000, 250_000))
        return _attack("huge", self._harmless()[:-1] + b" " * size + b"}", "malformed")

    def _deep(self) -> Attack:
        depth = self._random.choice((10, 1000, 4000))
        opening, closing = self._random.choice(((b"[", b"]"), (b'{"a":', b"}")))
        body = b'{"schema_version":1,"command":' + opening * depth + b"1" + closing * depth + b"}"
        signed = self._operator.payload_of(body[:16_000])
        return _attack("deep", self._random.choice((body, signed)), "malformed")

    def _truncated(self) -> Attack:
        payload = self._harmless()
        return _attack("truncated", payload[: self._random.randrange(len(payload))], "malformed")

    def _flipped(self) -> Attack:
        payload = bytearray(self._harmless())
        for _ in range(self._random.choice((1, 1, 2, 20))):
            payload[self._random.randrange(len(payload))] ^= 1 << self._random.randrange(8)
        return Attack("flipped", bytes(payload), UNSIGNED | {"stale"})  # some bits of base64 mean nothing

    def _spliced(self) -> Attack:
        """Put two valid messages together, or a piece of one into the other."""
        first, second = self._harmless(), self._harmless()
        start, end = sorted(self._random.randrange(len(second)) for _ in range(2))
        at = self._random.randrange(len(first))
        return Attack("spliced", first[:at] + second[start:end] + first[at:], UNSIGNED | {"stale"})

    def _forged(self) -> Attack:
        signed = self._operator.signed(self._operator.command())
        signature = bytearray(signed.signature)
        signature[self._random.randrange(64)] ^= 1 << self._random.randrange(8)
        return _attack("forged", _with(signed, signature=bytes(signature)), "unsigned")

    def _stolen(self) -> Attack:
        """Another one's signature under the operator's name."""
        signed = self._stranger.signed(self._operator.command())
        return _attack("stolen name", _with(signed, key_id=self._operator.key_id), "unsigned")

    def _strange(self) -> Attack:
        return _attack("stranger's", self._stranger.payload(self._operator.command()), "foreign")

    def _odd(self) -> Attack:
        fields = msgspec.json.decode(self._harmless())
        fields[self._random.choice(sorted(fields))] = self._random.choice(ODD_VALUES)
        return Attack("odd", msgspec.json.encode(fields), UNSIGNED)

    def _odd_signed(self) -> Attack:
        fields = msgspec.json.decode(codec.encode(self._operator.command()))
        name = self._random.choice(sorted(fields.keys() - {"expires_unix_ns"}))
        fields[name] = {"no": "such"} if name == "action" else [fields[name]]
        return _attack("odd but signed", self._operator.payload_of(msgspec.json.encode(fields)), "malformed")

    def _bare(self) -> Attack:
        body = codec.encode(self._operator.command())
        return _attack("a bare command", body, "malformed")

    def _of_another(self) -> Attack:
        changed: dict[str, Any] = self._random.choice(({"device_id": "pi4-02"}, {"fleet": "another"}))
        return _attack("of another device", self._operator.payload(self._operator.command(**changed)), "foreign")

    def _stale(self) -> Attack:
        return _attack("stale", self._harmless(), "stale", answered=True)

    def _early(self) -> Attack:
        issued_unix_ns = time.time_ns() + self._random.randrange(1, 1000) * HOUR_NS
        command = self._operator.command(issued_unix_ns=issued_unix_ns, expires_unix_ns=issued_unix_ns + HOUR_NS)
        return _attack("early", self._signed(command), "not_yet", answered=True)

    def _forbidden(self) -> Attack:
        action = self._random.choice((SetWindow(window_s=3600.0), RunBatch(folder="no-such")))
        payload = self._signed(self._operator.command(action))
        return _attack("forbidden", payload, "not_allowed", answered=True)

    def _replayed(self) -> Attack:
        return _attack("replayed", self._operator.payload(self._accepted), "replayed", answered=True)

    def _out_of_order(self) -> Attack:
        issued_unix_ns = self._accepted.issued_unix_ns - self._random.randrange(HOUR_NS)
        command = self._operator.command(issued_unix_ns=issued_unix_ns)
        return _attack("out of order", self._signed(command), "replayed", answered=True)

    def _harmless(self) -> bytes:
        """Return a valid message that nobody obeys even if no damage is done to it: it has expired."""
        command = self._operator.command()
        return self._signed(msgspec.structs.replace(command, expires_unix_ns=command.issued_unix_ns - HOUR_NS))

    def _signed(self, command: Command) -> bytes:
        self.may_be_answered.add(command.command_id)
        return self._operator.payload(command)


def _attack(name: str, payload: bytes, kind: RefusalKind, *, answered: bool = False) -> Attack:
    return Attack(name, payload, frozenset({kind}), answered)


def _with(signed: SignedCommand, **changed: Any) -> bytes:
    return codec.encode(msgspec.structs.replace(signed, **changed))
