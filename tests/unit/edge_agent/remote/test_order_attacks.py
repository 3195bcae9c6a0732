"""Thousands of attacks on the receiving path: each is refused for the right reason, counted, and nothing is obeyed."""

import os
from collections import Counter
from itertools import chain, islice
from pathlib import Path
from time import time_ns

import pytest

from edge_agent.config import AgentConfig, DeviceSection, MeterSection, ModelSection, RemoteSection
from edge_agent.remote.book import CommandBook
from edge_agent.remote.counts import OrderCounts
from edge_agent.remote.guard import Guard, Now, Order, Refusal
from edge_agent.remote.inbox import Inbox
from edge_agent.remote.operators import load_operators
from edge_agent.wire.mqtt import BrokerSettings
from tests.fakes.order_attacks import Attacks
from tests.fakes.orders import FakeOperator

COUNT = int(os.environ.get("EDGEJOULE_ORDER_ATTACKS", "8000"))


class Rig:
    """The inbox, the guard and its book, as an agent puts them together."""

    def __init__(self, directory: Path) -> None:
        self.operator = FakeOperator()
        operators = load_operators(self.operator.write_to(directory / "operators.toml"))
        config = AgentConfig(
            device=DeviceSection(id=self.operator.device_id, fleet=self.operator.fleet),
            meter=MeterSection(driver="tc66c", port="/dev/null", boundary="usb_dc"),
            model=ModelSection(id="digits_mlp_int8"),
            broker=BrokerSettings(),
            remote=RemoteSection(
                operators="o", allow=("bench", "model", "window", "duty_cycle", "batch", "diagnostics", "reset")
            ),
        )
        self.counts = OrderCounts()
        self.inbox = Inbox(self.operator.fleet, self.operator.device_id, self.counts, orders=True)
        self.guard = Guard(config, operators, CommandBook(directory), lambda _: "")

    def take(self, payload: bytes, *, retained: bool = False) -> Order | Refusal | None:
        """Return the verdict; None for what the inbox refused."""
        self.inbox.take(self.inbox.run_topic, payload, retained)
        message = self.inbox.next(0.0)
        if message is None:
            return None
        verdict = self.guard.judge(message.payload, Now(time_ns(), "synchronised"), retained=message.retained)
        if isinstance(verdict, Refusal):
            self.counts.refused(verdict.kind)
        return verdict


@pytest.mark.parametrize("seed", range(2))
def test_no_attack_gets_through_and_the_counts_add_up(tmp_path: Path, seed: int) -> None:
    rig = Rig(tmp_path)
    accepted = rig.operator.command()
    assert isinstance(rig.take(rig.operator.payload(accepted)), Order)
    attacks = Attacks(rig.operator, accepted, seed)
    book = tmp_path / "remote" / "accepted.json"
    before = book.read_bytes()
    expected: Counter[str] = Counter()
    for attack in chain(attacks.one_of_each(), islice(attacks, COUNT // 2)):
        verdict = rig.take(attack.payload)
        kind = "malformed" if verdict is None else verdict.kind if isinstance(verdict, Refusal) else "OBEYED"
        assert kind in attack.kinds, (attack.name, kind, attack.payload[:300])
        if isinstance(verdict, Refusal) and verdict.command is not None:
            assert attack.answered or kind == "stale", f"{attack.name}: nobody who signed nothing may be answered"
        expected[kind] += 1
    assert rig.counts.commands_refused == dict(expected)
    assert expected.total() >= COUNT // 2
    assert book.read_bytes() == before, "what is refused leaves nothing on the disk"
    assert isinstance(rig.take(rig.operator.payload(rig.operator.command())), Order), "and it still obeys"


def test_what_the_broker_had_kept_is_refused_however_good_it_is(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    verdict = rig.take(rig.operator.payload(rig.operator.command()), retained=True)
    assert isinstance(verdict, Refusal)
    assert (verdict.kind, verdict.command) == ("stale", None)


def test_a_flood_is_bounded_and_counted(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    payload = rig.operator.payload(rig.operator.command(device_id="another"))
    for _ in range(10_000):
        rig.inbox.take(rig.inbox.run_topic, payload, False)
    waiting = 0
    while rig.inbox.next(0.0) is not None:
        waiting += 1
    assert rig.counts.commands_refused == {"busy": 10_000 - waiting}
    assert waiting <= 64
