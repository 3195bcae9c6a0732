import signal

import pytest

from edgejoule.signals import handled, held_back


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
