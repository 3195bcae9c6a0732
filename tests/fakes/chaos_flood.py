"""Very many windows in little time: ready-made batches of one device, sent by a client without an outbox."""

import threading

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge_agent.wire.codec import encode
from edge_agent.wire.records import MAX_WINDOWS_PER_MESSAGE, WindowBatch
from edge_agent.wire.topics import topic_for
from tests.fakes.chaos_truth import WindowKey, energy_j, t_start_unix_ns
from tests.fakes.windows import FLEET, T0_UNIX_NS, make_window

BOOT_ID = "flood"
IN_FLIGHT = 20


def flood_truth(device_id: str, last_seq: int) -> dict[WindowKey, float]:
    return {(BOOT_ID, seq): energy_j(device_id, 0, seq) for seq in range(1, last_seq + 1)}


def flood_batch(device_id: str, first_seq: int) -> bytes:
    """Return a full message; the device says that it holds nothing older, as it does not send again."""
    seqs = range(first_seq, first_seq + MAX_WINDOWS_PER_MESSAGE)
    return encode(
        WindowBatch(
            device_id=device_id,
            boot_id=BOOT_ID,
            oldest_seq=first_seq,
            last_seq=seqs[-1],
            sent_unix_ns=T0_UNIX_NS,
            records=tuple(
                make_window(
                    seq,
                    t_start_unix_ns=t_start_unix_ns(0, seq, jumping=False),
                    energy_j=energy_j(device_id, 0, seq),
                )
                for seq in seqs
            ),
        )
    )


def flood(port: int, device_id: str, first_seq: int, messages: int) -> int:
    """Send ``messages`` full messages at QoS 1, a few at a time on their way; return the highest number sent."""
    room = threading.Semaphore(IN_FLIGHT)
    client = Client(CallbackAPIVersion.VERSION2, client_id=f"flood-{device_id}", protocol=MQTTProtocolVersion.MQTTv5)
    client.on_publish = lambda *_: room.release()
    client.connect("127.0.0.1", port)
    client.loop_start()
    seq = first_seq
    try:
        for _ in range(messages):
            assert room.acquire(timeout=60), "the broker took nothing for a minute"
            client.publish(topic_for(FLEET, device_id, "windows"), flood_batch(device_id, seq), qos=1)
            seq += MAX_WINDOWS_PER_MESSAGE
        for _ in range(IN_FLIGHT):
            assert room.acquire(timeout=60), "the broker took nothing for a minute"
    finally:
        client.disconnect()
        client.loop_stop()
        client.on_publish = None
    return seq - 1
