"""Signals for the length of a block."""

import _thread
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Final, TypeAlias

Handler: TypeAlias = Callable[[int, FrameType | None], None] | signal.Handlers
STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def handled(numbers: Sequence[signal.Signals], handler: Handler) -> Iterator[None]:
    """Let ``handler`` take the signals inside the block, and who took them before after it. Main thread only."""
    before = [(number, signal.signal(number, handler)) for number in numbers]
    try:
        yield
    finally:
        for number, previous in before:
            signal.signal(number, previous)


def setting(event: threading.Event) -> Handler:
    """Return a handler that sets ``event``, from a thread of its own.

    ``Event.set`` takes a lock. The thread that a signal interrupts may hold it just then, in ``wait`` or in the
    handler of a signal before, and would wait for itself forever.
    """
    return lambda *_: _set_elsewhere(event)


def _set_elsewhere(event: threading.Event) -> None:
    _thread.start_new_thread(event.set, ())  # threading's own Thread takes locks, too


@contextmanager
def held_back(numbers: Sequence[signal.Signals]) -> Iterator[None]:
    """Let signals that come inside the block take effect right after it; those that are ignored stay ignored.

    Signals are taken in the main thread only: in another one nothing needs to be held back.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    heard = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
    with handled(heard, lambda number, _frame: came.append(number)):
        yield
    for number in came[:1]:
        signal.raise_signal(number)
