"""Waking the network thread: no wake is lost, at whatever moment it comes."""

import socket
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from collector.socket_stream import SocketStream

LONG_S = 30.0


class MeddledStream(SocketStream):
    """Is woken once more, as by another thread, at the moment between the two steps in which a wake is taken."""

    meddle = False
    _flag = False

    @property
    def _woken(self) -> bool:
        return self._flag

    @_woken.setter
    def _woken(self, value: bool) -> None:
        self._flag = value
        if not value and self.meddle:
            self.meddle = False
            self.wake()


@pytest.fixture
def stream() -> Iterator[MeddledStream]:
    ours, theirs = socket.socketpair()
    with closing(theirs), closing(MeddledStream(ours)) as stream:
        yield stream


def waited_s(stream: SocketStream) -> float:
    began_s = time.monotonic()
    stream.wait(LONG_S, reading=True, writing=False)
    return time.monotonic() - began_s


def test_a_wake_ends_one_wait(stream: MeddledStream) -> None:
    stream.wake()
    stream.wake()
    assert waited_s(stream) < LONG_S / 2
    began_s = time.monotonic()
    stream.wait(0.05, reading=True, writing=False)
    assert time.monotonic() - began_s >= 0.04, "it was heard"


def test_a_wake_that_comes_while_another_is_taken_is_heard(stream: MeddledStream) -> None:
    stream.wake()
    stream.meddle = True
    assert waited_s(stream) < LONG_S / 2
    stream.wake()
    assert waited_s(stream) < LONG_S / 2
