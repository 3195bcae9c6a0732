"""Orders from the operator's key to the measurement and back: real broker, collector and agent, an emulated meter."""

import contextlib
import hashlib
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pytest

from edge_agent.connection import Connection
from edge_agent.model_catalog import list_models
from edge_agent.wire.codec import decode, encode
from edge_agent.wire.mqtt import BrokerSettings
from edge_agent.wire.orders import (
    MAX_CHUNK_BYTES,
    BlobChunk,
    BlobRequest,
    ChangeModel,
    CollectDiagnostics,
    CommandReply,
    ResetSettings,
    RunBatch,
    SetDutyCycle,
    SetWindow,
)
from edge_agent.wire.topics import topic_for
from edgejoule.orders.dispatch import Dispatch
from edgejoule.orders.sending import send
from tests.fakes.agent import DEVICE_ID
from tests.fakes.delivery import wait_until
from tests.fakes.order_attacks import Attacks
from tests.fakes.ordered_site import FLEET, PATIENCE_S, WINDOW_S, OrderedSite, ordered_site
from tests.fakes.orders import FakeOperator

pytestmark = [pytest.mark.mosquitto, pytest.mark.slow, pytest.mark.xdist_group("orders_end_to_end")]
MODELS = {model.model_id: model for model in list_models()}
OPERATOR = FakeOperator(DEVICE_ID, FLEET)
COUNT = int(os.environ.get("EDGEJOULE_ORDER_ATTACKS", "3000"))
RUN_TOPIC, BLOB_TOPIC = topic_for(FLEET, DEVICE_ID, "cmd/run"), topic_for(FLEET, DEVICE_ID, "cmd/blob")
PRESENT, OTHER = MODELS["digits_mlp_int8"], MODELS["digits_mlp_float32"]


def test_orders_are_done_files_are_fetched_whole_and_order_attacks_do_nothing(tmp_path: Path) -> None:
    """One site for all three: each leaves a running agent, with whatever settings."""
    with ordered_site(tmp_path, device_bytes_per_s=262_144.0, more_operators=OPERATOR.entry()) as site:
        each_order_does_what_it_says_and_the_old_model_runs_on_when_the_new_one_is_none(site)
        a_file_is_fetched_on_where_it_was_cut_off_and_no_other_is_taken_for_it(site)
        under_order_attacks_it_measures_on_obeys_nothing_and_counts_all(site)


def change_to(site: OrderedSite, content: bytes, model_id: str = "sent", check_set: bytes = b"") -> ChangeModel:
    """Publish a model, and return the order for it."""
    _, blob = site.publish(f"{model_id}.tflite", content)
    check = site.publish(f"{model_id}.npz", check_set)[1] if check_set else None
    return ChangeModel(
        model_id=model_id,
        sha256=blob.sha256,
        size_bytes=blob.size_bytes,
        check_set_sha256=check.sha256 if check else None,
        check_set_bytes=check.size_bytes if check else 0,
    )


def runs(site: OrderedSite, sha256: str) -> bool:
    """Tell whether the latest stored window is of that model."""
    return site.windows()[-1].window.model_sha256 == sha256


def wait_for_window_of(site: OrderedSite, sha256: str) -> None:
    count = len(site.windows())
    wait_until(lambda: len(site.windows()) > count + 1 and runs(site, sha256), "windows of that model", PATIENCE_S)


def each_order_does_what_it_says_and_the_old_model_runs_on_when_the_new_one_is_none(site: OrderedSite) -> None:
    told = site.order(CollectDiagnostics())
    assert (told.outcome, told.result["model_id"]) == ("done", PRESENT.model_id)
    assert site.order(SetWindow(window_s=1.0)).outcome == "done"
    wait_until(lambda: site.windows()[-1].window.duration_s > 0.9, "windows are longer", PATIENCE_S)
    assert site.order(SetDutyCycle(duty_ratio=0.6)).outcome == "done"
    assert site.order(SetWindow(window_s=1e3)).refusal == "not_allowed"
    assert site.order(ResetSettings()).outcome == "done"
    wait_until(lambda: site.windows()[-1].window.duration_s < 0.6, "windows are as before", PATIENCE_S)

    np.save(site.directory / "inputs" / "night.npy", np.load(PRESENT.check_set or "")["x"][:20])
    told = site.order(RunBatch(folder="night"))
    assert (told.outcome, told.result["inputs"]) == ("done", 20), told
    (outputs,) = (site.directory / "state" / "batches" / told.command_id).glob("*.npy")
    assert len(np.load(outputs)) == 20

    model, check_set = OTHER.path.read_bytes(), (OTHER.check_set or Path()).read_bytes()
    told = site.order(change_to(site, model, check_set=check_set))
    assert (told.outcome, told.reason) == ("done", "")
    wait_for_window_of(site, OTHER.sha256)

    garbage = change_to(site, b"TFL3" * 5000, "garbage")
    told = site.order(garbage)
    assert told.outcome == "rolled_back", told.reason
    wait_for_window_of(site, OTHER.sha256)

    tampered = change_to(site, model + b"\0" * 8, "tampered")
    (site.blobs.directory / tampered.sha256).write_bytes(model + b"\1" * 8)
    told = site.order(tampered)
    assert told.outcome == "failed", told.reason
    assert tampered.sha256 in told.reason
    assert "blob_not_served" in site.collector.log_text
    wait_for_window_of(site, OTHER.sha256)

    assert site.order(ChangeModel(model_id=PRESENT.model_id, sha256=PRESENT.sha256)).outcome == "done"
    wait_for_window_of(site, PRESENT.sha256)
    wait_until(lambda: site.health().commands_done >= 7, "the device has counted what it did", PATIENCE_S)
    stages = [(entry.kind, entry.stage) for entry in reversed(site.entries())]
    assert stages == [
        ("diagnostics", "done"), ("window", "done"), ("duty_cycle", "done"), ("window", "refused"),
        ("reset", "done"), ("batch", "done"), ("model", "done"), ("model", "rolled_back"), ("model", "failed"),
        ("model", "done"),
    ]  # fmt: skip


def a_file_is_fetched_on_where_it_was_cut_off_and_no_other_is_taken_for_it(site: OrderedSite) -> None:
    padded = OTHER.path.read_bytes() + bytes(3 << 19)  # a .tflite file may have something behind it
    order = change_to(site, padded, "padded")
    served_before_bytes = site.metric("edgejoule_blob_bytes_total")
    part = site.directory / "state" / "models" / f"{order.sha256}.part"
    dispatch = site.dispatch(order)
    with sent_in_the_background(site, dispatch):
        wait_until(lambda: part.exists() and part.stat().st_size > 1_200_000, "most of it is there", PATIENCE_S)
        site.broker.kill()
        held_bytes = part.stat().st_size
        site.broker.start()
    (told,) = dispatch.outcomes(0.0)
    assert (told.outcome, told.reason) == ("done", "")
    wait_for_window_of(site, order.sha256)
    served_bytes = site.metric("edgejoule_blob_bytes_total") - served_before_bytes
    assert len(padded) <= served_bytes < len(padded) + min(held_bytes, 5 * MAX_CHUNK_BYTES)

    wrong_size = ChangeModel(model_id="longer", sha256=order.sha256[::-1], size_bytes=1000)
    lie = b"not what was ordered".ljust(wrong_size.size_bytes)
    with a_liar(site, wrong_size.sha256, lie):
        told = site.order(wrong_size)
    assert told.outcome == "failed"
    assert wrong_size.sha256 in told.reason
    assert hashlib.sha256(lie).hexdigest() in told.reason
    longer = ChangeModel(model_id="longer", sha256=change_to(site, b"x" * 99).sha256, size_bytes=100)
    assert "99 bytes under its hash, but 100 were ordered" in site.order(longer).reason
    wait_for_window_of(site, order.sha256)


@contextlib.contextmanager
def sent_in_the_background(site: OrderedSite, dispatch: Dispatch) -> Iterator[None]:
    """Send until it is done; that is so when the block ends."""
    ends_s = time.monotonic() + 3 * PATIENCE_S
    thread = threading.Thread(target=send, args=(site.settings, dispatch), kwargs={"ends_s": ends_s})
    thread.start()
    try:
        yield
    finally:
        thread.join()


@contextlib.contextmanager
def a_liar(site: OrderedSite, sha256: str, data: bytes) -> Iterator[None]:
    """Answer whoever fetches a file with other bytes, as somebody who may write to devices could."""

    def answer(_topic: str, payload: bytes, _retained: bool) -> None:  # noqa: FBT001  the connection's call
        if decode(payload, BlobRequest).sha256 == sha256:
            chunk = BlobChunk(sha256=sha256, offset=0, total_bytes=len(data), data=data)
            connection.publish(topic_for(FLEET, DEVICE_ID, "cmd/blob"), encode(chunk))

    connection = Connection(site.settings, "liar", [topic_for(FLEET, DEVICE_ID, "fetch")], answer, lambda: None)
    connection.open()
    try:
        yield
    finally:
        connection.close()


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


def under_order_attacks_it_measures_on_obeys_nothing_and_counts_all(site: OrderedSite) -> None:
    """Thousands of them over a real broker on the running agent, which says little."""
    operator = OPERATOR
    with attacking(site.settings) as attacker:
        site.agent.end()
        (site.directory / "state" / "settings.json").unlink(missing_ok=True)
        before = len(site.windows())
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
        assert {row.window.duration_s for row in site.windows()[before + 1 :]} == {WINDOW_S}
        said = [event for event in site.agent.log if event["event"] == "orders_refused"]
        assert len(said) < 10, "the log is not flooded"

        assert set(attacker.heard) <= attacks.may_be_answered, "who signed nothing hears nothing"
        assert attacker.heard.most_common(1)[0][1] <= 3, "no order is answered again and again"
        assert site.order(SetWindow(window_s=1.0)).outcome == "done"
        wait_until(lambda: site.windows()[-1].window.duration_s > 0.9, "and it still obeys", PATIENCE_S)
        wait_until(lambda: site.ledger().pending <= 2, "what was measured is stored", PATIENCE_S)
        assert site.ledger().missing == 0
