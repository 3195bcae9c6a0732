import signal
import threading

import pytest

from edgejoule.signals import handled, held_back, setting


def test_a_signal_that_is_held_back_takes_effect_after_the_block() -> None:
    steps: list[str] = []

    def interrupted() -> None:
        with held_back((signal.SIGINT, signal.SIGTERM)):
            signal.raise_signal(signal.SIGINT)
            steps.append("the block went on")
        steps.append("never")

    with handled((signal.SIGINT,), signal.default_int_handler), pytest.raises(KeyboardInterrupt):
        interrupted()
    assert steps == ["the block went on"]


def test_what_is_ignored_stays_ignored() -> None:
    with handled((signal.SIGINT,), signal.SIG_IGN):
        with held_back((signal.SIGINT,)):
            assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)


def test_signals_that_come_while_the_event_is_being_set_or_waited_for_block_nothing() -> None:
    stop = threading.Event()
    with handled((signal.SIGTERM,), setting(stop)):
        with vars(stop)["_cond"]:  # where a signal may interrupt ``wait`` and ``set``
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)
            assert not stop.is_set()
        assert stop.wait(30.0)
