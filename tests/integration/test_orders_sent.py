"""Orders over a real broker to devices that reply: who is away, lost connections, refusals, files by their hash."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.blob_server import BlobServer, serving_blobs
from collector.blobs import BlobStore
from collector.journal import Journal
from collector.session import Session
from collector.subscriber import Subscriber
from edge_agent.connection import Connection
from edge_agent.wire.codec import encode
from edge_agent.wire.errors import BrokerUnavailableError
from edge_agent.wire.mqtt import BrokerSettings
from edge_agent.wire.orders import MAX_CHUNK_BYTES, CollectDiagnostics
from edge_agent.wire.topics import topic_for
from edgejoule.cli import main
from edgejoule.orders import dispatch as dispatch_module
from edgejoule.orders.addressees import of_fleet
from edgejoule.orders.dispatch import Dispatch
from edgejoule.orders.keys import OperatorKey, load_key, make_key
from edgejoule.orders.sending import make_sendings, send
from tests.fakes.brokers import BrokerProcess, Kind, running_broker
from tests.fakes.delivery import CollectorProcess, make_birth, wait_until
from tests.fakes.ordered_device import ordered_devices
from tests.fakes.ports import free_port
from tests.fakes.windows import FLEET

pytestmark = pytest.mark.mosquitto
PATIENCE_S = 60.0


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[BrokerProcess]:
    with running_broker("mosquitto", tmp_path) as broker:
        yield broker


@pytest.fixture
def operators(tmp_path: Path) -> Path:
    key = make_key(tmp_path / "operator.key")
    (tmp_path / "operators.toml").write_text(
        f'[[operator]]\nname = "ada"\npublic_key = "{key.text}"\n', encoding="utf-8"
    )
    return tmp_path / "operators.toml"


@pytest.fixture
def key(operators: Path) -> OperatorKey:
    return load_key(operators.with_name("operator.key"))


@contextlib.contextmanager
def sending(broker: BrokerSettings, dispatch: Dispatch, patience_s: float = PATIENCE_S) -> Iterator[threading.Thread]:
    """Send in the background; it is over when the block ends."""
    ends_s = time.monotonic() + patience_s
    thread = threading.Thread(target=send, args=(broker, dispatch), kwargs={"ends_s": ends_s})
    thread.start()
    try:
        yield thread
    finally:
        thread.join()


def new_dispatch(key: OperatorKey, *devices: str, valid_s: float = 120.0, wait: bool = True) -> Dispatch:
    return Dispatch(make_sendings(key, FLEET, devices, CollectDiagnostics(), valid_s), wait=wait)


def outcomes(dispatch: Dispatch) -> dict[str, str]:
    return {one.device_id: one.outcome for one in dispatch.outcomes(0.0)}


def test_the_command_says_what_became_of_the_order_at_each_device(
    broker: BrokerProcess, operators: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = BrokerSettings(url=broker.url)
    words = ["order", "send", "diagnostics", "--device", "a", "--device", "b", "--wait", "--broker", broker.url]
    words += ["--fleet", FLEET, "--key", str(operators.with_name("operator.key"))]
    with ordered_devices(settings, operators, "a", "b") as (a, b):
        assert main([*words, "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert [(one["device_id"], one["outcome"]) for one in told["orders"]] == [("a", "done"), ("b", "done")]
        assert (len(a.commands), len(b.commands)) == (1, 1), "who answers is not asked again"
        b.stages = ("refused",)
        assert main(words) == 1
        said = capsys.readouterr()
        assert "b: refused: as the test says" in said.err
        assert "REFUSED" in said.out
        assert "not_allowed" in said.out


def test_a_device_that_comes_later_gets_its_order_then(
    broker: BrokerProcess, operators: Path, key: OperatorKey
) -> None:
    settings = BrokerSettings(url=broker.url)
    dispatch = new_dispatch(key, "late")
    with sending(settings, dispatch):
        wait_until(lambda: dispatch.sendings[0].sent_count > 0, "it was sent to nobody", PATIENCE_S)
        with ordered_devices(settings, operators, "late"):
            wait_until(lambda: outcomes(dispatch)["late"] == "done", "it is done", PATIENCE_S)


def test_who_never_answers_is_silent_and_the_broker_keeps_nothing_for_it(
    broker: BrokerProcess, operators: Path, key: OperatorKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch_module, "GRACE_S", 0.5)
    settings = BrokerSettings(url=broker.url)
    dispatch = new_dispatch(key, "away", valid_s=1.0)
    with sending(settings, dispatch):
        pass
    (told,) = dispatch.outcomes(dispatch.sendings[0].expires_s + 100)
    assert told.outcome == "silent"
    with ordered_devices(settings, operators, "away") as (late,):
        late.fetch("0" * 64, 0, 1)
        assert late.commands == []


def test_a_broker_that_dies_meanwhile_costs_no_reply(broker: BrokerProcess, operators: Path, key: OperatorKey) -> None:
    settings = BrokerSettings(url=broker.url)
    dispatch = new_dispatch(key, "a")
    with sending(settings, dispatch):
        with ordered_devices(settings, operators, "a", stages=("accepted",)) as (device,):
            wait_until(lambda: outcomes(dispatch)["a"] == "under_way", "it was accepted", PATIENCE_S)
            broker.kill()
        broker.start()  # and what the device said while the operator was away is lost to it
        with ordered_devices(settings, operators, "a", stages=("done",)) as (device,):
            wait_until(lambda: outcomes(dispatch)["a"] == "done", "it was asked again", PATIENCE_S)
            assert len({command.command_id for command in device.commands}) == 1


def test_a_broker_that_does_not_let_operators_order_says_so(tmp_path: Path, key: OperatorKey) -> None:
    (tmp_path / "acl").write_text("topic read #\n", encoding="utf-8")
    extra = f"acl_file {tmp_path / 'acl'}\n"
    with (
        running_broker("mosquitto", tmp_path, extra) as broker,
        pytest.raises(BrokerUnavailableError, match="access list"),
    ):
        send(BrokerSettings(url=broker.url), new_dispatch(key, "a"), ends_s=1e12)


def test_all_means_every_device_of_which_the_broker_keeps_a_birth(broker: BrokerProcess) -> None:
    settings = BrokerSettings(url=broker.url)
    connection = Connection(settings, "births", [], lambda *_: None, lambda: None)
    connection.open()
    try:
        for device_id in ("b", "a"):
            birth = make_birth(device_id, "boot")
            sent = connection.publish(topic_for(FLEET, device_id, "birth"), encode(birth), retain=True)
            sent.wait_for_publish(PATIENCE_S)
    finally:
        connection.close()
    assert of_fleet(settings, FLEET) == ["a", "b"]


@pytest.mark.parametrize("way", ["mqtt", "ws", "3.1.1", "embedded"])
def test_the_collector_serves_files_and_stores_what_devices_reply(
    tmp_path: Path, operators: Path, key: OperatorKey, way: str, capsys: pytest.CaptureFixture[str]
) -> None:
    content = bytes(range(251)) * 1000
    (tmp_path / "m.tflite").write_bytes(content)
    sha256 = BlobStore(tmp_path / "blobs").put(tmp_path / "m.tflite").sha256
    port = free_port()
    kind: Kind = "embedded" if way == "embedded" else "mosquitto"
    with running_broker(kind, tmp_path, f"listener {port} 127.0.0.1\nprotocol websockets\n") as broker:
        settings = BrokerSettings(url=broker.url, protocol="3.1.1" if way == "3.1.1" else "5")
        url = f"ws://127.0.0.1:{port}/mqtt" if way == "ws" else broker.url
        collector = CollectorProcess(tmp_path, url, "3.1.1" if way == "3.1.1" else "5")
        with (tmp_path / "collector.toml").open("a", encoding="utf-8") as file:
            file.write('[orders]\nblob_dir = "blobs"\n')
        collector.start()
        try:
            with ordered_devices(settings, operators, "a") as (device,):
                wait_until(lambda: "broker_connected" in collector.log_text, "the collector is there", PATIENCE_S)
                for offset in range(0, len(content), MAX_CHUNK_BYTES):
                    device.fetch(sha256, offset, MAX_CHUNK_BYTES)
                device.fetch("f" * 64, 0, 10)
                wait_until(lambda: len(device.chunks) == 5, "every question is answered", PATIENCE_S)
                assert device.chunks[-1].total_bytes == 0, "there is no such file"
                assert b"".join(chunk.data for chunk in device.chunks) == content
                send(settings, dispatch := new_dispatch(key, "a"), ends_s=1e12)
                (done,) = dispatch.outcomes(0.0)
                named = {f"{done.command_id}.accepted", f"{done.command_id}.done"}
                wait_until(lambda: named <= device.acked, "the store-ack names the replies", PATIENCE_S)
            assert main(["fleet", "orders", "--state-dir", str(tmp_path / "state"), "--json"]) == 0
            (order,) = json.loads(capsys.readouterr().out)["orders"]
            assert (order["command_id"], order["stage"]) == (done.command_id, "done")
        finally:
            assert collector.stop() == 0


def test_of_a_group_of_collectors_one_answers_and_one_stores(
    broker: BrokerProcess, tmp_path: Path, operators: Path, key: OperatorKey
) -> None:
    settings = BrokerSettings(url=broker.url)
    (tmp_path / "m.tflite").write_bytes(b"model")
    sha256 = BlobStore(tmp_path / "blobs").put(tmp_path / "m.tflite").sha256
    with contextlib.ExitStack() as opened:
        journals, servers = [], []
        for name in ("one", "two"):
            journals.append(opened.enter_context(contextlib.closing(Journal(tmp_path / f"{name}.sqlite3"))))
            servers += opened.enter_context(serving_blobs(BlobServer(BlobStore(tmp_path / "blobs"), 1e9)))
            subscriber = Subscriber(settings, Session(name, "+", "both", files=True), journals[-1], files=servers[-1])
            subscriber.start()
            opened.callback(subscriber.stop)
            wait_until(lambda member=subscriber: member.connected, "a member is there", PATIENCE_S)  # type: ignore[misc]
        (device,) = opened.enter_context(ordered_devices(settings, operators, "a"))
        for offset in range(5):
            device.fetch(sha256, offset, 1)
        send(settings, dispatch := new_dispatch(key, "a"), ends_s=1e12)
        (done,) = dispatch.outcomes(0.0)
        named = {f"{done.command_id}.accepted", f"{done.command_id}.done"}
        wait_until(lambda: named <= device.acked, "both replies are acknowledged", PATIENCE_S)
        wait_until(lambda: len(device.chunks) >= 5, "every question is answered", PATIENCE_S)
        assert sorted(chunk.data for chunk in device.chunks) == [b"d", b"e", b"l", b"m", b"o"], "once each"
        stored = [set(journal.reply_ids(FLEET, "a")) for journal in journals]
        assert stored[0] | stored[1] == named
        assert not stored[0] & stored[1]
