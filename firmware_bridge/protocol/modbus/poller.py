"""Modbus RTU, the host's side: what to ask, when to ask again, and which bytes are the answer. Pure.

::

    question  | address | 03 or 04 | first register, 2 | registers, 2  | CRC, 2 |    8 bytes
    answer    | address | 03 or 04 | bytes, 1 | registers, high first  | CRC, 2 |    5 + 2 for each register
    refusal   | address | 83 or 84 | reason, 1                         | CRC, 2 |    5 bytes

An answer does not say which registers it holds. It is known by address, function and length, so the blocks of one
plan differ in function or length. Frames are built and read with pymodbus (``FramerRTU`` and its PDU classes), one
whole frame at a time: pymodbus's own search for a frame drops everything it holds at a wrong CRC, so the search is
here. Source: Modbus over serial line v1.02; Modbus application protocol v1.1b3, 6.3, 6.4 and 7.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from firmware_bridge.errors import ConfigurationError, NotInstalledError
from firmware_bridge.protocol.events import MIN_STEP_S, desync, unanswered
from firmware_bridge.protocol.options import OptionReader
from firmware_bridge.samples import FrameError

ANY_ADDRESS: Final = 0xF8
"""Peacefair's general address: every meter on the line answers to it."""
MAX_ADDRESS: Final = 247
QUESTION_BYTES: Final = 8
REFUSAL_BYTES: Final = 5
OPTIONAL_ATTEMPTS: Final = 2
_REASONS: Final = {
    1: "illegal function",
    2: "illegal register",
    3: "illegal value",
    4: "device failure",
    5: "acknowledge",
    6: "busy",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target silent",
}

Registers = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """Neighbouring registers that one question reads. ``optional``: some units have none, so it may fail."""

    name: str
    function: Literal[3, 4]
    first: int
    count: int
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """A block's registers, checked. ``address``: who says that it answers."""

    block: Block
    registers: Registers
    address: int


@dataclass(frozen=True, slots=True)
class Missing:
    """An optional block that this unit refuses or does not answer."""

    block: Block


Heard = Answer | Missing | FrameError


class PymodbusFrames:
    """pymodbus without its client: bytes to registers and back. Imported here, as it takes a while to load.

    Raises NotInstalledError where pymodbus is not.
    """

    def __init__(self) -> None:
        try:
            from pymodbus.exceptions import ModbusException  # noqa: PLC0415  loaded by those who need it
            from pymodbus.framer import FramerRTU  # noqa: PLC0415  the same
            from pymodbus.pdu import DecodePDU, ExceptionResponse  # noqa: PLC0415  the same
            from pymodbus.pdu.register_message import (  # noqa: PLC0415  the same
                ReadHoldingRegistersRequest,
                ReadInputRegistersRequest,
            )
        except ModuleNotFoundError as error:
            raise NotInstalledError("pymodbus", "serial") from error
        self._framer = FramerRTU(DecodePDU(False))
        self._requests = {3: ReadHoldingRegistersRequest, 4: ReadInputRegistersRequest}
        self._refusal, self._error = ExceptionResponse, ModbusException

    def question(self, address: int, block: Block) -> bytes:
        """Return the frame that asks for a block."""
        request = self._requests[block.function](dev_id=address, address=block.first, count=block.count)
        return bytes(self._framer.buildFrame(request))

    def read(self, frame: bytes) -> Registers | int | None:
        """Return one whole frame's registers, or the reason of a refusal; None where the CRC is wrong."""
        try:
            _, message = self._framer.handleFrame(frame, 0, 0)
        except self._error:
            return None
        if message is None:
            return None
        return message.exception_code if isinstance(message, self._refusal) else tuple(message.registers)


class ModbusPoller:
    """Asks one meter for its blocks and reads its answers; another meter's bytes on the line are skipped.

    ``first``: blocks to ask once. ``cycle``: blocks to ask every ``poll_interval_s``, in order.
    ``pause_s``: silence that the meter needs between an answer and the next question.
    A question without an answer is asked again after ``timeout_s``, one with a damaged answer after ``pause_s``.
    The echo of an own question, as half-duplex RS-485 adapters give, is skipped. Holds less than one answer.
    """

    def __init__(
        self,
        address: int,
        first: Sequence[Block],
        cycle: Sequence[Block],
        *,
        poll_interval_s: float,
        timeout_s: float,
        pause_s: float,
    ) -> None:
        self._frames = PymodbusFrames()
        self._address = address
        self._blocks = (*first, *cycle)
        self._cycle_at = len(first)
        self._poll_interval_s = poll_interval_s
        self._timeout_s = timeout_s
        self._pause_s = pause_s
        self._questions = {block: self._frames.question(address, block) for block in self._blocks}
        self._shapes: dict[tuple[int, int], Block] = {
            (block.function, 2 * block.count): block for block in self._blocks
        }
        if len(self._shapes) != len(self._blocks):
            raise ValueError("two blocks of one plan have answers of the same function and length")
        self._refusals = frozenset(block.function | 0x80 for block in self._blocks)
        self._buffer = bytearray()
        self._at = 0
        self._asked: Block | None = None
        self._asked_s: float | None = None
        self._next_s = 0.0
        self._due_s = float("-inf")
        self._attempts = 0
        self._damaged = False
        self._unanswered = self._cut_bytes = 0
        self._excused_bytes = 0
        self._given_up: deque[Block] = deque()

    def bytes_to_send(self, t_host_s: float) -> bytes:
        """Return the question when one is due. What is left of an older answer is then counted and dropped."""
        if self._asked_s is not None and self._asked_s <= t_host_s < self._next_s - MIN_STEP_S:
            return b""
        if self._asked is not None:
            self._unanswered += not self._damaged
            self._attempts += 1
            if self._asked.optional and self._attempts >= OPTIONAL_ATTEMPTS:
                self._given_up.append(self._asked)
                self._settle(t_host_s)
        if self._at == self._cycle_at and not self._attempts:
            on_time = 0.0 <= t_host_s - self._due_s < self._poll_interval_s
            self._due_s = (self._due_s if on_time else t_host_s) + self._poll_interval_s
        self._cut_bytes += max(len(self._buffer) - self._excused_bytes, 0)
        self._excused_bytes = 0
        self._buffer.clear()
        self._asked, self._damaged = self._blocks[self._at], False
        self._asked_s, self._next_s = t_host_s, t_host_s + self._timeout_s
        return self._questions[self._asked]

    def next_due_s(self) -> float:
        """Return when the next question is due."""
        return self._next_s

    def feed(self, data: bytes, t_host_s: float) -> list[Heard]:
        """Take bytes in any chunking; return answers, and what was not one."""
        heard = self._since_last(t_host_s)
        self._buffer += data
        at = skipped = 0
        while at < len(self._buffer):
            head = bytes(self._buffer[at : at + QUESTION_BYTES])
            length = self._length(head)
            if length > len(self._buffer) - at:
                break
            found = self._read(bytes(self._buffer[at : at + length]), t_host_s) if length else None
            if found is None or isinstance(found, FrameError):
                if found is not None:
                    heard.append(found)
                    self._excused_bytes = max(self._excused_bytes, length)
                skipped += self._excused_bytes == 0
                step = 1
            else:
                heard += desync(skipped, t_host_s)
                skipped, step = 0, length
                heard += found
            at += step
            self._excused_bytes = max(self._excused_bytes - step, 0)
        heard += desync(skipped, t_host_s)
        del self._buffer[:at]
        return heard

    def _since_last(self, t_host_s: float) -> list[Heard]:
        """Return what the questions since the last call found missing or cut short."""
        heard: list[Heard] = [*unanswered(self._unanswered, t_host_s), *desync(self._cut_bytes, t_host_s)]
        self._unanswered = self._cut_bytes = 0
        while self._given_up:
            heard.append(Missing(self._given_up.popleft()))
        return heard

    def _length(self, head: bytes) -> int:
        """Return the bytes of the message that begins here, more than there are while that is open; 0 for none."""
        if not self._from_our_meter(head[0]):
            return 0
        if len(head) < 3:
            known = len(head) == 1 or head[1] | 0x80 in self._refusals
            return len(head) + 1 if known else 0
        if any(question.startswith(head) for question in self._questions.values()):
            return QUESTION_BYTES
        function, third = head[1], head[2]
        if (function, third) in self._shapes:
            return third + 5
        return REFUSAL_BYTES if function in self._refusals and third in _REASONS else 0

    def _from_our_meter(self, address: int) -> bool:
        if self._address == ANY_ADDRESS:
            return 1 <= address <= ANY_ADDRESS
        return address == self._address

    def _read(self, frame: bytes, t_host_s: float) -> list[Heard] | FrameError:
        """Read one whole message; return a FrameError where its CRC is wrong."""
        if frame in self._questions.values():
            return []
        content = self._frames.read(frame)
        if content is None:
            if self._asked is not None:
                self._damaged = True
                self._next_s = min(self._next_s, t_host_s + self._pause_s)
            return FrameError("checksum", 1, t_host_s, f"answer of {len(frame)} bytes")
        if isinstance(content, int):
            return self._refused(frame[1] & 0x7F, content, t_host_s)
        block = self._shapes[frame[1], frame[2]]
        if block is self._asked:
            self._settle(t_host_s)
        return [Answer(block, content, frame[0])]

    def _refused(self, function: int, reason: int, t_host_s: float) -> list[Heard]:
        block = self._asked
        if block is not None:
            self._settle(t_host_s)
            if block.optional:
                return [Missing(block)]
        name = f"registers {block.first:#06x} to {block.first + block.count - 1:#06x}" if block else "a question"
        detail = f"the meter refuses {name} (function {function}): {_REASONS[reason]}, exception {reason}"
        return [FrameError("protocol", 1, t_host_s, detail)]

    def _settle(self, t_host_s: float) -> None:
        """Go on to the next block: at once within a cycle, when it is due after one."""
        self._asked, self._attempts = None, 0
        self._next_s = t_host_s + self._pause_s
        self._at += 1
        if self._at == len(self._blocks):
            self._at = self._cycle_at
            self._next_s = max(self._next_s, min(self._due_s, t_host_s + self._poll_interval_s))


def read_address(read: OptionReader, *, any_address: bool = False) -> int:
    """Return the option ``address``: a whole number from 1 to 247, or 248 for Peacefair's general address."""
    number = read.number("address", 1, low=1, high=ANY_ADDRESS if any_address else MAX_ADDRESS)
    if number != int(number):
        raise ConfigurationError(f"option 'address' is {number:g}; a Modbus address is a whole number")
    return int(number)
