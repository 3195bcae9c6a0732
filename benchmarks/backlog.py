"""What the end-to-end benchmark needs around the collector: windows, a broker full of them, a store, and both floors.

The broker has the limits of ``deploy/mosquitto.conf``. Each session of ``Backlog`` gets every message, so that the
collector and what it is compared with drain the same bytes.
"""

import contextlib
import http.client
import random
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from collector.sinks.line_protocol import LineEncoder
from collector.values import StoredWindow
from edge_agent.wire.codec import decode, encode
from edge_agent.wire.mqtt_packets import (
    ConnAck,
    ConnectOptions,
    PacketReader,
    Protocol,
    PubAck,
    SubAck,
    encode_connect,
    encode_disconnect,
    encode_publish,
    encode_subscribe,
)
from edge_agent.wire.records import InferenceWindow, StoreAck, WindowBatch
from edge_agent.wire.topics import topic_for
from tests.fakes.brokers import BrokerProcess, running_broker
from tests.fakes.windows import BOOT_ID, FLEET, T0_UNIX_NS, WINDOW_S, make_window

DEPLOYED_LIMITS: Final = "max_queued_messages 1000000\nmax_inflight_messages 500\n"
FILTER: Final = "edgejoule/v1/+/+/windows"
ROWS_PER_BODY: Final = 5000
SESSION_EXPIRY_S: Final = 3600
_IN_FLIGHT: Final = 250
_PATIENCE_S: Final = 120.0
_STEP_J: Final = 2.0**-20
"""Energies are whole multiples of it: sums of them are exact, in whatever order a store adds."""


def busy_window(seq: int, source: random.Random) -> InferenceWindow:
    """Return a window as a Raspberry Pi's agent fills it: every figure known, all digits used."""
    energy_j = round(source.gauss(41.0, 1.0) / _STEP_J) * _STEP_J
    return make_window(
        seq,
        energy_j=energy_j,
        energy_u_j=energy_j * 0.0041,
        energy_u_systematic_j=energy_j * 0.0035,
        busy_s=source.uniform(6.0, 7.0),
        latency_p50_s=source.uniform(2.0e-4, 2.2e-4),
        latency_p95_s=source.uniform(3.0e-4, 3.5e-4),
        latency_max_s=source.uniform(1.0e-3, 2.0e-3),
        soc_temp_c=round(source.uniform(45.0, 60.0), 1),
        soc_temp_max_c=61.2,
        net_energy_j=energy_j - 29.0,
        net_energy_u_j=energy_j * 0.005,
        governor="schedutil",
        freq_min_mhz=600.0,
        freq_max_mhz=1500.0,
        agent_cpu_ratio=source.uniform(0.6, 0.7),
        overhead_cpu_ratio=source.uniform(0.01, 0.02),
        other_cpu_ratio=source.uniform(0.0, 0.1),
        systematic_id="tc66c",
        t_start_boot_ns=round((seq - 1) * WINDOW_S * 1e9) + 41_000_000_000,
    )


class Messages:
    """The payloads of ``devices`` devices in turn, ``per_message`` windows each, until there are ``windows``."""

    def __init__(self, windows: int, per_message: int, devices: int) -> None:
        source = random.Random(7)
        self.per_device = windows // (per_message * devices) * per_message
        self.device_ids = tuple(f"pi4-{number:04d}" for number in range(devices))
        self.windows = self.per_device * devices
        self.energy_j = 0.0
        self.payloads: list[tuple[str, bytes]] = []
        for first in range(1, self.per_device + 1, per_message):
            for device_id in self.device_ids:
                records = tuple(busy_window(seq, source) for seq in range(first, first + per_message))
                self.energy_j += sum(window.energy_j for window in records)
                self.payloads.append((topic_for(FLEET, device_id, "windows"), _payload(device_id, records)))

    def rows(self) -> Iterator[StoredWindow]:
        """Yield the same windows as the journal keeps them, in the order of the messages."""
        row_id = 0
        for _, payload in self.payloads:
            batch = decode(payload, WindowBatch)
            for window in batch.records:
                row_id += 1
                yield StoredWindow(row_id, FLEET, batch.device_id, batch.boot_id, T0_UNIX_NS, window)

    def all_acknowledged(self, acks: Sequence[StoreAck]) -> bool:
        """Return whether ``acks`` cover every window of every device."""
        covered = {ack.device_id for ack in acks if any(one.seq >= self.per_device for one in ack.acks)}
        return covered == set(self.device_ids)


def _payload(device_id: str, records: tuple[InferenceWindow, ...]) -> bytes:
    last_seq = records[-1].seq
    return encode(
        WindowBatch(
            device_id=device_id,
            boot_id=BOOT_ID,
            oldest_seq=records[0].seq,
            last_seq=last_seq,
            sent_unix_ns=T0_UNIX_NS + round(last_seq * WINDOW_S * 1e9),
            records=records,
        )
    )


@contextlib.contextmanager
def filled_broker(directory: Path, messages: Messages, sessions: Sequence[str]) -> Iterator[BrokerProcess]:
    """Start a mosquitto in which every persistent session of ``sessions`` waits with all of ``messages``."""
    with running_broker("mosquitto", directory, DEPLOYED_LIMITS) as broker:
        for client_id in sessions:
            with _connected(broker.port, client_id, clean_start=False) as (link, reader):
                link.sendall(encode_subscribe(1, [(FILTER, 1)], Protocol.V5))
                _wait_for(link, reader, SubAck, 1)
        with _connected(broker.port, "filler", clean_start=True) as (link, reader):
            _publish_all(link, reader, messages)
        yield broker


def _publish_all(link: socket.socket, reader: PacketReader, messages: Messages) -> None:
    for start in range(0, len(messages.payloads), _IN_FLIGHT):
        part = messages.payloads[start : start + _IN_FLIGHT]
        link.sendall(
            b"".join(
                encode_publish(topic, payload, Protocol.V5, packet_id=1 + number)
                for number, (topic, payload) in enumerate(part)
            )
        )
        _wait_for(link, reader, PubAck, len(part))


@contextlib.contextmanager
def _connected(port: int, client_id: str, *, clean_start: bool) -> Iterator[tuple[socket.socket, PacketReader]]:
    with socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_S) as link:
        expiry_s = 0 if clean_start else SESSION_EXPIRY_S
        link.sendall(encode_connect(ConnectOptions(client_id, Protocol.V5, clean_start, 0, session_expiry_s=expiry_s)))
        reader = PacketReader(Protocol.V5)
        _wait_for(link, reader, ConnAck, 1)
        yield link, reader
        link.sendall(encode_disconnect(Protocol.V5))


def _wait_for(link: socket.socket, reader: PacketReader, kind: type, count: int) -> None:
    while count > 0:
        data = link.recv(1 << 16)
        if not data:
            raise RuntimeError("the broker closed the connection while it was filled")
        count -= sum(isinstance(packet, kind) for packet in reader.feed(data))


def stored_acks(port: int, count: int, patience_s: float = 5.0) -> list[StoreAck]:
    """Return the store-acks that the broker keeps, as soon as there are ``count``; fewer after ``patience_s``."""
    found: dict[str, StoreAck] = {}
    complete = threading.Event()

    def take(_client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        found[message.topic] = decode(bytes(message.payload), StoreAck)
        if len(found) == count:
            complete.set()

    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.on_connect = lambda client, *_: client.subscribe("edgejoule/v1/+/+/ack", 1)
    client.on_message = take
    client.connect("127.0.0.1", port)
    client.loop_start()
    complete.wait(patience_s)
    client.disconnect()
    client.loop_stop()
    client.on_connect = client.on_message = None
    return list(found.values())


def drain_with_paho(port: int, client_id: str, count: int) -> float:
    """Return the seconds in which a bare paho client with manual acknowledgement drains its session."""
    done = threading.Event()
    taken = 0
    started_s = 0.0

    def connected(*_: object) -> None:
        nonlocal started_s
        started_s = time.perf_counter()

    def take(client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        nonlocal taken
        taken += 1
        client.ack(message.mid, message.qos)
        if taken == count:
            done.set()

    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id, protocol=MQTTProtocolVersion.MQTTv5, manual_ack=True)
    client.on_connect = connected
    client.on_message = take
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = SESSION_EXPIRY_S
    properties.ReceiveMaximum = 1000
    client.connect("127.0.0.1", port, clean_start=False, properties=properties)
    client.loop_start()
    if not done.wait(_PATIENCE_S):
        raise RuntimeError(f"paho took {taken} of {count} messages in {_PATIENCE_S} s")
    spent_s = time.perf_counter() - started_s
    client.disconnect()
    client.loop_stop()
    client.on_connect = client.on_message = None
    return spent_s


def post_prepared(port: int, database: str, messages: Messages) -> float:
    """Return the seconds in which one HTTP client stores the messages' rows, their lines prepared before."""
    encoder = LineEncoder()
    lines = [encoder.encode(row) for row in messages.rows()]
    bodies = [
        "\n".join(lines[start : start + ROWS_PER_BODY]).encode() for start in range(0, len(lines), ROWS_PER_BODY)
    ]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_S)
    started_s = time.perf_counter()
    for body in bodies:
        connection.request("POST", f"/write?db={database}", body)
        response = connection.getresponse()
        if response.read() or response.status != 204:
            raise RuntimeError(f"InfluxDB answered {response.status}")
    spent_s = time.perf_counter() - started_s
    connection.close()
    return spent_s
