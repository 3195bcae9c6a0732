"""Whether a message is an order to obey: one check after the other, each with its kind of refusal.

What was not signed by an operator of this device is counted and answered by nothing, so that nobody can make a device
talk. A command that was signed and is refused gets an answer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from edge_agent.config import AgentConfig, RemoteSection
from edge_agent.jobs.recurring import ID_PREFIX
from edge_agent.remote.book import Accepted, CommandBook
from edge_agent.wire import codec
from edge_agent.wire.errors import RejectedRecordError
from edge_agent.wire.orders import (
    Action,
    ChangeModel,
    Command,
    RefusalKind,
    RunBatch,
    RunBench,
    SetDutyCycle,
    SetWindow,
    SignedCommand,
)
from edge_agent.wire.records import ClockState

MAX_SIGNED_BYTES: Final = 24_576
"""A command of the full size, in base64, with its signature and its names."""
SLACK_NS: Final = 60 * 10**9
"""By how much an operator's clock may be ahead of the device's."""
MAX_VALID_NS: Final = 7 * 86_400 * 10**9
OWN_INPUTS: Final = frozenset({"check_set", "directory"})
"""Sources of inputs that the agent itself has in hand, so that it can do something else in between."""
MAX_DEFERRED_NS: Final = 14 * 86_400 * 10**9


class Signer(Protocol):
    """See ``edge_agent.remote.operators.Operator``."""

    @property
    def name(self) -> str:
        """Return who it is."""

    @property
    def allow(self) -> tuple[str, ...] | None:
        """Return what this one may order, None for whatever the device allows."""

    def has_signed(self, command: bytes, signature: bytes) -> bool:
        """Tell whether the signature is this one's."""


@dataclass(frozen=True, slots=True)
class Now:
    """UTC, and what it is worth; "unsynchronised": the device does not know the time."""

    unix_ns: int
    clock_state: ClockState


@dataclass(frozen=True, slots=True)
class Refusal:
    """``command``: what was refused, None where nobody may be answered. ``reason``: one line."""

    kind: RefusalKind
    reason: str
    command: Command | None = None
    known: bool = False
    """The command was accepted before: its last reply says more than a refusal."""


@dataclass(frozen=True, slots=True)
class Order:
    """A command that was accepted; the book has it."""

    command: Command
    operator: str


class Guard:
    """See the module's text. For one thread."""

    def __init__(
        self,
        config: AgentConfig,
        operators: Mapping[str, Signer],
        book: CommandBook,
        hindrance: Callable[[Command], str],
    ) -> None:
        """``hindrance``: why this device cannot take up a command now, "" for nothing."""
        self._device, self._remote, self._source = config.device, config.remote, config.input.source
        self._operators, self._book, self._hindrance = operators, book, hindrance

    def judge(self, payload: bytes, now: Now, *, retained: bool = False) -> Order | Refusal:
        """Return the order, which then counts as accepted, or why the message is refused. Never raises."""
        read = self._read(payload, retained=retained)
        if isinstance(read, Refusal):
            return read
        key_id, signer, command = read
        refusal = (
            self._not_for_me(command)
            or self._heard_before(key_id, command, now)
            or _out_of_time(command, now)
            or self._beyond_what_is_allowed(signer, command, now)
            or self._busy(command)
        )
        return refusal or self._accept(key_id, signer, command, now)

    def withdrawn(self, entry: Accepted) -> str:
        """Return why what was accepted before would not be allowed today, "" for nothing.

        Who is no operator any more must not have work begun by what was left to wait.
        """
        signer = self._operators.get(entry.key_id)
        if signer is None:
            return "its operator is not in operators.toml any more"
        return "" if entry.command is None else self._not_allowed(signer, entry.command.action)

    def _read(self, payload: bytes, *, retained: bool) -> tuple[str, Signer, Command] | Refusal:
        """Return what an operator of this device has signed."""
        signed = _envelope(payload, retained=retained)
        if isinstance(signed, Refusal):
            return signed
        signer = self._operators.get(signed.key_id)
        if signer is None:
            return Refusal("foreign", f"key {signed.key_id} is no operator's of this device")
        if not signer.has_signed(signed.command, signed.signature):
            return Refusal("unsigned", f"the signature is not that of key {signed.key_id}")
        try:
            return signed.key_id, signer, codec.decode(signed.command, Command)
        except RejectedRecordError as error:
            return Refusal("malformed", str(error))

    def _not_for_me(self, command: Command) -> Refusal | None:
        if (command.fleet, command.device_id) == (self._device.fleet, self._device.id):
            return None
        return Refusal("foreign", f"it is for {command.device_id!r} of fleet {command.fleet!r}")

    def _heard_before(self, key_id: str, command: Command, now: Now) -> Refusal | None:
        """Refuse what was accepted before, or came out of order; only the latter is worth an answer."""
        if self._book.find(command.command_id) is not None:
            return Refusal("replayed", "it was accepted before", command, known=True)
        if command.issued_unix_ns > self._book.last_issued_unix_ns(key_id):
            return None
        reason = "a command of the same key that was issued at that time or later was accepted before"
        unsure = now.clock_state == "unsynchronised"
        forgotten = unsure or command.expires_unix_ns < now.unix_ns  # it may have been accepted and done long ago
        return Refusal("replayed", reason, None if forgotten else command)

    def _beyond_what_is_allowed(self, signer: Signer, command: Command, now: Now) -> Refusal | None:
        reason = self._not_allowed(signer, command.action) or _beyond_times(command, now)
        if command.command_id.startswith(ID_PREFIX):  # or it would end a job of the device's own, and answer for it
            reason = f"ids that begin with {ID_PREFIX!r} are for the device's own jobs"
        return Refusal("not_allowed", reason, command) if reason else None

    def _not_allowed(self, signer: Signer, action: Action) -> str:
        kind = kind_of(action)
        if kind not in self._remote.allow:
            return f"this device does not allow {kind!r} ([remote] allow)"
        if signer.allow is not None and kind not in signer.allow:
            return f"operator {signer.name!r} may not order {kind!r} here (operators.toml)"
        if kind != "diagnostics" and self._source not in OWN_INPUTS:
            return (
                f"its work comes from elsewhere ([input] source = {self._source!r}): only diagnostics can be ordered"
            )
        return beyond_limits(action, self._remote)

    def _busy(self, command: Command) -> Refusal | None:
        reason = self._hindrance(command)
        return Refusal("busy", reason, command) if reason else None

    def _accept(self, key_id: str, signer: Signer, command: Command, now: Now) -> Order | Refusal:
        try:
            self._book.accept(key_id, command, now.unix_ns)
        except OSError as error:
            return Refusal("busy", f"its disk does not take the command: {error.strerror}", command)
        return Order(command, signer.name)


def _envelope(payload: bytes, *, retained: bool) -> SignedCommand | Refusal:
    if len(payload) > MAX_SIGNED_BYTES:
        return Refusal("malformed", f"{len(payload)} bytes: a command has {MAX_SIGNED_BYTES} at most")
    if retained:
        return Refusal("stale", "the broker had kept it: a command must not be retained")
    try:
        return codec.decode(payload, SignedCommand)
    except RejectedRecordError as error:
        return Refusal("malformed", str(error))


def kind_of(action: Action) -> str:
    """Return the action's name, as lists of what is allowed have it."""
    return str(action.__struct_config__.tag)


def beyond_limits(action: Action, limits: RemoteSection) -> str:
    """Return what is beyond the device's limits, "" for nothing."""
    if isinstance(action, SetWindow) and not limits.min_window_s <= action.window_s <= limits.max_window_s:
        return f"window_s = {action.window_s:g}: this device takes {limits.min_window_s:g} to {limits.max_window_s:g}"
    if isinstance(action, SetDutyCycle) and action.duty_ratio > limits.max_duty_ratio:
        return f"duty_ratio = {action.duty_ratio:g}: this device takes {limits.max_duty_ratio:g} at most"
    if isinstance(action, ChangeModel):
        return _beyond_size(action, limits)
    if isinstance(action, RunBatch) and action.folder not in limits.batch_folders:
        known = ", ".join(sorted(limits.batch_folders)) or "none"
        return f"folder {action.folder!r} is not one of this device's ([remote] batch_folders): {known}"
    return ""


def _beyond_size(action: ChangeModel, limits: RemoteSection) -> str:
    if (action.check_set_sha256 is None) != (action.check_set_bytes == 0):
        return "check_set_sha256 and check_set_bytes come together"
    if action.check_set_bytes and not action.size_bytes:
        return "a check set comes with a file, not with a model of the catalogue"
    size_bytes = action.size_bytes + action.check_set_bytes
    if size_bytes > limits.max_model_bytes:
        return f"{size_bytes} bytes: this device takes {limits.max_model_bytes} at most ([remote] max_model_bytes)"
    return ""


def _out_of_time(command: Command, now: Now) -> Refusal | None:
    if now.clock_state == "unsynchronised":
        return Refusal("clock", "the device's clock is not set, so it cannot tell how old the command is", command)
    if command.issued_unix_ns > now.unix_ns + SLACK_NS:
        ahead_s = (command.issued_unix_ns - now.unix_ns) / 1e9
        return Refusal("not_yet", f"it was issued {ahead_s:.0f} s from now: compare the clocks", command)
    if command.expires_unix_ns < now.unix_ns:
        return Refusal("stale", f"it expired {(now.unix_ns - command.expires_unix_ns) / 1e9:.0f} s ago", command)
    return None


def _beyond_times(command: Command, now: Now) -> str:
    if command.expires_unix_ns - command.issued_unix_ns > MAX_VALID_NS:
        return f"it is valid for more than {MAX_VALID_NS / 86_400e9:.0f} days"
    defer = command.defer
    if defer is None:
        return ""
    if not isinstance(command.action, RunBench | RunBatch | ChangeModel):
        return f"{kind_of(command.action)!r} cannot be put off: only bench, batch and model can"
    if defer.deadline_unix_ns - now.unix_ns > MAX_DEFERRED_NS:
        return f"its deadline is more than {MAX_DEFERRED_NS / 86_400e9:.0f} days away"
    return ""
