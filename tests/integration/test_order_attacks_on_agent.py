"""Thousands of attacks over a real broker on a running agent: it measures on, obeys none, counts all, says little."""

import contextlib
import os
import random
from collections import Counter
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

import pytest

from edge_agent.connection import Connection
from edge_agent.wire.codec import decode
from edge_agent.wire.mqtt import BrokerSettings
from edge_agent.wire.orders import CommandReply, SetWindow
from edge_agent.wire.topics import topic_for
from tests.fakes.agent import DEVICE_ID
from tests.fakes.delivery import wait_until
from tests.fakes.order_attacks import Attacks
from tests.fakes.ordered_site import FLEET, PATIENCE_S, OrderedSite, ordered_site
from tests.fakes.orders import FakeOperator

pytestmark = [pytest.mark.mosquitto, pytest.mark.slow, pytest.mark.xdist_group("orders_end_to_end")]
COUNT = int(os.environ.get("EDGEJOULE_ORDER_ATTACKS", "3000"))
RUN_TOPIC, BLOB_TOPIC = topic_for(FLEET, DEVICE_ID, "cmd/run"), topic_for(FLEET, DEVICE_ID, "cmd/blob")


class Attacker:
    """Somebody who may write to devices, and hears what they answer."""

    def __init__(self, settings: BrokerSettings) -> None:
        self.heard: Counter[str] = Counter()
        self._connection = Connection(
            settings, "attacker", [topic_for(FLEET, DEVICE_ID, "reply")], self._hear, lambda: None
        )

    def send(self, payload: bytes, topic: str = RUN_TOPIC, *, retain: bool = False) -> None:
        self._connection.publish(topic, payload, retain=retain)

    def _hear(self, _topic: str, payload: bytes, _retained: bool) -> None:  # noqa: FBT001  the connection's call
        self.heard[decode(payload, CommandReply).command_id] += 1


@contextlib.contextmanager
def attacking(settings: BrokerSettings) -> Iterator[Attacker]:
    attacker = Attacker(settings)
    attacker._connection.open()
    try:
        yield attacker
    finally:
        attacker._connection.close()


def refused(site: OrderedSite) -> int:
    return sum(site.health().commands_refused.values())


def test_it_measures_on_obeys_nothing_and_counts_every_attack(tmp_path: Path) -> None:
    operator = FakeOperator(DEVICE_ID, FLEET)
    with ordered_site(tmp_path, more_operators=operator.entry()) as site, attacking(site.settings) as attacker:
        site.agent.end()
        attacker.send(operator.payload(operator.command(SetWindow(window_s=5.0))), retain=True)
        site.agent.start()  # the broker gives it what it has kept
        wait_until(lambda: site.health().commands_refused == {"stale": 1}, "what was kept is refused", PATIENCE_S)
        accepted = operator.command()
        attacker.send(operator.payload(accepted))
        wait_until(lambda: attacker.heard[accepted.command_id] == 1, "a good command is obeyed", PATIENCE_S)
        settings_before = site.state("settings.json")

        attacks = Attacks(operator, accepted, seed=1)
        chance = random.Random(1)
        first_seq = site.windows()[-1].window.seq
        sent = 1
        for attack in chain(attacks.one_of_each(), islice(attacks, COUNT)):
            attacker.send(attack.payload)
            sent += 1
            if sent % 10 == 0:
                attacker.send(chance.randbytes(chance.randrange(2000)), BLOB_TOPIC)
        wait_until(lambda: refused(site) >= sent, "every attack is counted", PATIENCE_S)
        wait_until(lambda: site.windows()[-1].window.seq >= first_seq + 5, "it measures on", PATIENCE_S)
        health = site.health()
        assert refused(site) == sent, health.commands_refused
        assert health.commands_done == 1
        assert site.agent.running
        assert site.state("settings.json") == settings_before
        assert {round(row.window.duration_s) for row in site.windows()} == {1}
        said = [event for event in site.agent.log if event["event"] == "orders_refused"]
        assert len(said) < 10, "the log is not flooded"

        assert set(attacker.heard) <= attacks.may_be_answered, "who signed nothing hears nothing"
        assert attacker.heard.most_common(1)[0][1] <= 3, "no order is answered again and again"
        assert site.order(SetWindow(window_s=2.0)).outcome == "done"
        wait_until(lambda: site.windows()[-1].window.duration_s > 1.9, "and it still obeys", PATIENCE_S)
        wait_until(lambda: site.ledger().pending <= 2, "what was measured is stored", PATIENCE_S)
        assert site.ledger().missing == 0
