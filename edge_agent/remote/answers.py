"""What this device says to commands: each answer on disk first, until a collector has stored it."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import structlog

from edge_agent.remote.desk import ResultValue
from edge_agent.remote.guard import Now
from edge_agent.reply_spool import ReplySpool
from edge_agent.wire import codec
from edge_agent.wire.errors import ConfigurationError, RejectedRecordError
from edge_agent.wire.orders import (
    FINAL_STAGES,
    MAX_REASON_CHARACTERS,
    CarbonTiming,
    CommandReply,
    RefusalKind,
    Stage,
)

MAX_PENDING: Final = 500
"""Beyond so many answers that wait nothing is accepted, and a refusal is no longer answered: it was counted."""
QUIET_S: Final = 60.0
"""The same command, refused again within this time, is only counted; likewise the last answer said again."""
REMEMBERED: Final = 256
_ENDS: Final = sorted(FINAL_STAGES - {"refused"})
"""How an accepted command ends. It may have been refused before, by a device that was busy or had no clock yet."""
_LOG = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Voice:
    """What is needed to speak. ``publish_once``: sends a reply if there is a connection; ``notify``: of the spool."""

    device_id: str
    boot_id: str
    now: Callable[[], Now]
    monotonic_s: Callable[[], float]
    notify: Callable[[], None]
    publish_once: Callable[[bytes], object]


class Answers:
    """See the module's text. For one thread."""

    def __init__(self, spool: ReplySpool, voice: Voice) -> None:
        self._spool, self._voice = spool, voice
        self._unkept: list[CommandReply] = []
        self._quiet_until_s: OrderedDict[str, float] = OrderedDict()
        self._t_tell_s = 0.0

    @property
    def all_kept(self) -> bool:
        """Return whether every answer is on the disk."""
        return not self._unkept

    @property
    def too_many_wait(self) -> bool:
        """Return whether so many answers wait that what asks for more must be turned away."""
        try:
            return len(self._spool.pending_ids()) + len(self._unkept) >= MAX_PENDING
        except OSError:
            return True

    def say(
        self,
        command_id: str,
        kind: str,
        stage: Stage,
        reason: str = "",
        *,
        result: Mapping[str, ResultValue] | None = None,
        refusal: RefusalKind | None = None,
        carbon: CarbonTiming | None = None,
    ) -> None:
        """Keep an answer and have it sent. Where the disk refuses it is tried again with each ``retry``."""
        reply = msgspec.structs.replace(
            self._reply(command_id, kind, stage, reason),
            refusal=refusal,
            progress_ratio=1.0 if stage == "done" else None,
            result=dict(result or {}),
            carbon=carbon,
        )
        self._unkept.append(reply)
        self.retry()

    def refuse(self, command_id: str, kind: str, refusal: RefusalKind, reason: str) -> None:
        """Answer a refused command, unless it was answered just now or too much waits."""
        if self._is_quiet(f"{command_id}.{refusal}") or self.too_many_wait:
            return
        self.say(command_id, kind, "refused", reason, refusal=refusal)

    def progress(self, command_id: str, kind: str, progress_ratio: float, reason: str) -> None:
        """Say how far it is to whoever listens now: the next one is newer anyway."""
        reply = self._reply(command_id, kind, "running", reason)
        self._voice.publish_once(codec.encode(msgspec.structs.replace(reply, progress_ratio=progress_ratio)))

    def say_again(self, command_id: str) -> None:
        """Repeat the latest answer to an accepted command that came again: the first may have gone to nobody."""
        if self._is_quiet(command_id):
            return
        reply = self._latest(command_id, (*_ENDS, "running", "waiting", "accepted"))
        if reply is not None:
            self._voice.publish_once(codec.encode(reply))

    def final(self, command_id: str) -> CommandReply | None:
        """Return the final answer that was kept for an accepted command, None where there is none."""
        return self._latest(command_id, _ENDS)

    def _reply(self, command_id: str, kind: str, stage: Stage, reason: str) -> CommandReply:
        now = self._voice.now()
        return CommandReply(
            device_id=self._voice.device_id,
            boot_id=self._voice.boot_id,
            reply_id=f"{command_id}.{stage}",
            command_id=command_id,
            kind=kind,
            stage=stage,
            t_unix_ns=now.unix_ns,
            clock_state=now.clock_state,
            reason=_line(reason),
        )

    def _latest(self, command_id: str, stages: Sequence[str]) -> CommandReply | None:
        found = (self._spool.find(f"{command_id}.{stage}") for stage in stages)
        return next((reply for reply in found if reply is not None), None)

    def retry(self) -> None:
        """Keep what could not be kept before."""
        while self._unkept:
            try:
                self._spool.add(self._unkept[0])
            except ConfigurationError as error:
                self._tell_once_a_minute(str(error))
                return
            except RejectedRecordError as error:  # too long, or a figure that is no number: the answer matters more
                _LOG.warning("reply_without_result", reason=str(error))
                bare = msgspec.structs.replace(self._unkept[0], result={}, carbon=None)
                if bare == self._unkept[0]:
                    del self._unkept[0]
                else:
                    self._unkept[0] = bare
                continue
            del self._unkept[0]
        self._voice.notify()

    def _tell_once_a_minute(self, reason: str) -> None:
        if self._voice.monotonic_s() >= self._t_tell_s:
            self._t_tell_s = self._voice.monotonic_s() + QUIET_S
            _LOG.warning("replies_not_kept", replies=len(self._unkept), reason=reason)

    def _is_quiet(self, name: str) -> bool:
        """Tell whether that was said within ``QUIET_S``; from now on it was."""
        now_s = self._voice.monotonic_s()
        if now_s < self._quiet_until_s.get(name, now_s):
            return True
        self._quiet_until_s[name] = now_s + QUIET_S
        self._quiet_until_s.move_to_end(name)
        while len(self._quiet_until_s) > REMEMBERED:
            self._quiet_until_s.popitem(last=False)
        return False


def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MAX_REASON_CHARACTERS else f"{line[: MAX_REASON_CHARACTERS - 3]}..."
