"""What the seeded fleet sent in two months, message by message, each with the time at which it came. Pure.

From the first of last month on one window an hour, of late one a minute, at last one every ten seconds. What went
wrong on the way is in it: a window that came late, a message that came twice, dropped windows, garbage, a window that
is none.
"""

import datetime as dt
import math
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from collector.ingest import Received
from edge_agent.wire.codec import R, encode
from edge_agent.wire.records import (
    BenchRecord,
    Birth,
    DroppedRange,
    Health,
    InferenceWindow,
    Status,
    WindowBatch,
)
from edge_agent.wire.topics import UpChannel, topic_for
from tests.fakes.benches import make_bench, make_measurand
from tests.grafana_seed.fleet import (
    DEVICES,
    DROPPING,
    HISTORY_WINDOW_S,
    HOUR_NS,
    KEYWORDS,
    LISTED,
    LITERT,
    MODELS,
    ONNX,
    SECOND_NS,
    SILENT,
    WINDOW_S,
    WITH_GAPS,
    SeededDevice,
    birth_of,
    window_at,
)

MINUTE_NS: Final = 60 * SECOND_NS
LATELY_NS: Final = 390 * MINUTE_NS
"""So long, and up to an hour more, there is a window every minute or more often: dashboards open with six hours."""
RECENT_NS: Final = 75 * MINUTE_NS
"""So long there is a window every ten seconds: the dashboard of one device opens with an hour."""
FAULT_NS: Final = 30 * MINUTE_NS
"""What is wrong with a device began so long ago, and lasts."""
DROPPED: Final = 15
PENDING: Final = 3
LATE_NS: Final = 1_200 * SECOND_NS
_WINDOW_NS: Final = round(WINDOW_S * 1e9)
_MESSAGE_S: Final = 60.0
"""A message comes once a minute, or as often as a longer window ends."""
_CHANNELS: Final[Mapping[type, UpChannel]] = {
    Birth: "birth",
    Health: "health",
    Status: "status",
    WindowBatch: "windows",
    BenchRecord: "bench",
}
_Windows = tuple[InferenceWindow, ...]


def first_unix_ns(now_unix_ns: int) -> int:
    """Return when the story begins: with last month, in UTC."""
    now = dt.datetime.fromtimestamp(now_unix_ns / 1e9, dt.UTC)
    this_month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    last_month = (this_month - dt.timedelta(days=1)).replace(day=1)
    return round(last_month.timestamp()) * SECOND_NS


def lately_unix_ns(now_unix_ns: int) -> int:
    """Return when the boot of today begins: with an hour."""
    return (now_unix_ns - LATELY_NS) // HOUR_NS * HOUR_NS


def messages(now_unix_ns: int) -> Iterator[Received]:
    """Return all that came, device by device, each in the order of its coming."""
    for device in DEVICES:
        end_unix_ns = now_unix_ns - round(device.silent_s * 1e9)
        if device.listed:
            yield from _history(device, first_unix_ns(now_unix_ns), lately_unix_ns(now_unix_ns))
        yield from _today(device, lately_unix_ns(now_unix_ns), end_unix_ns)
    yield from _benches(now_unix_ns)
    yield _garbage(now_unix_ns)


def _history(device: SeededDevice, start_unix_ns: int, end_unix_ns: int) -> Iterator[Received]:
    """Yield one window an hour; half-way the device changes from its former model to the one of today."""
    starts = range(start_unix_ns, end_unix_ns, HOUR_NS)
    half = len(starts) // 2
    windows = tuple(
        window_at(device, i + 1, start, HISTORY_WINDOW_S, model=device.models[i >= half])
        for i, start in enumerate(starts)
    )
    yield from _batches(device, _old_boot(device), windows)


def _today(device: SeededDevice, start_unix_ns: int, end_unix_ns: int) -> Iterator[Received]:
    """Yield a birth, windows back to back, and health, which is all that an outbox and a meter tell of themselves."""
    boot = boot_of(device)
    yield _message(device, birth_of(device, boot, start_unix_ns, (boot,)), start_unix_ns)
    recent_unix_ns = start_unix_ns + (end_unix_ns - RECENT_NS - start_unix_ns) // MINUTE_NS * MINUTE_NS
    spans = [(start, MINUTE_NS) for start in range(start_unix_ns, recent_unix_ns, MINUTE_NS)]
    spans += [(start, _WINDOW_NS) for start in range(recent_unix_ns, end_unix_ns - _WINDOW_NS, _WINDOW_NS)]
    fault_unix_ns = end_unix_ns - FAULT_NS
    windows = tuple(
        _window(device, i + 1, start, length, faulty=start >= fault_unix_ns) for i, (start, length) in enumerate(spans)
    )
    last_seq = len(windows)
    yield from _healths(device, boot, windows, recent_unix_ns)
    if device is DROPPING:
        middle = last_seq // 2
        gone = DroppedRange(first_seq=middle, last_seq=middle + DROPPED - 1, reason="outbox_full")
        windows = tuple(one for one in windows if not gone.first_seq <= one.seq <= gone.last_seq)
        yield from _batches(device, boot, windows)
        yield _message(device, _batch(device, boot, (), last_seq, (gone,)), end_unix_ns)
    elif device is WITH_GAPS:
        late = windows[last_seq // 3]
        came = list(_batches(device, boot, tuple(one for one in windows if one is not late)))
        yield from came
        yield came[0]  # once more
        yield _message(device, _batch(device, boot, (late,), last_seq), late.t_start_unix_ns + LATE_NS)
        yield _no_window(device, boot, last_seq + 1, end_unix_ns)
        last_seq += 1
    else:
        yield from _batches(device, boot, windows)
    pending = PENDING if device is SILENT else 0
    yield _message(device, _health(device, boot, last_seq, pending, end_unix_ns), end_unix_ns)
    online = Status(device_id=device.device_id, boot_id=boot, online=not pending, t_unix_ns=end_unix_ns)
    yield _message(device, online, end_unix_ns)


def _healths(device: SeededDevice, boot_id: str, windows: _Windows, since_unix_ns: int) -> Iterator[Received]:
    """Yield a health now and then, of a device whose outbox is as good as empty."""
    for window in windows:
        if window.t_start_unix_ns >= since_unix_ns and window.t_start_unix_ns // _WINDOW_NS % 2 == 0:
            yield _message(
                device, _health(device, boot_id, window.seq, 0, window.t_start_unix_ns), window.t_start_unix_ns
            )


def _window(device: SeededDevice, seq: int, start_unix_ns: int, length_ns: int, *, faulty: bool) -> InferenceWindow:
    length_s = length_ns / SECOND_NS
    if device is WITH_GAPS and seq % (3 if faulty else 12) == 0:
        return window_at(device, seq, start_unix_ns, length_s, faulty=faulty, gap_s=0.25 * length_s, flags=("gap",))
    if device is DROPPING and seq < 30:
        return window_at(device, seq, start_unix_ns, length_s, faulty=faulty, clock_state="rebased")
    return window_at(device, seq, start_unix_ns, length_s, faulty=faulty)


def _batches(device: SeededDevice, boot_id: str, windows: _Windows) -> Iterator[Received]:
    """Yield messages of so few windows that none of them is late."""
    for part in _parts(windows):
        came_unix_ns = part[-1].t_start_unix_ns + round(part[-1].duration_s * 1e9) + 40_000_000
        yield _message(device, _batch(device, boot_id, part, part[-1].seq), came_unix_ns)


def _parts(windows: _Windows) -> Iterator[_Windows]:
    part: list[InferenceWindow] = []
    for window in windows:
        part.append(window)
        if math.fsum(one.duration_s for one in part) >= _MESSAGE_S:
            yield tuple(part)
            part = []
    if part:
        yield tuple(part)


def _batch(
    device: SeededDevice,
    boot_id: str,
    records: _Windows,
    last_seq: int,
    dropped: tuple[DroppedRange, ...] = (),
) -> WindowBatch:
    return WindowBatch(
        device_id=device.device_id,
        boot_id=boot_id,
        oldest_seq=1,
        last_seq=last_seq,
        sent_unix_ns=0,
        records=records,
        dropped=dropped,
    )


def is_health(message: Received) -> bool:
    """Return whether the message only says how a device is."""
    return message.topic.endswith("/health")


def _health(device: SeededDevice, boot_id: str, last_seq: int, pending: int, t_unix_ns: int) -> Health:
    return Health(
        device_id=device.device_id,
        boot_id=boot_id,
        t_unix_ns=t_unix_ns,
        clock_state="synchronised",
        last_seq=last_seq + pending,
        acked_seq=last_seq,
        outbox_windows=pending,
        outbox_bytes=410 * pending,
        dropped_windows=DROPPED if device is DROPPING else 0,
        meter_connected=not pending,
        meter_frame_errors={"checksum": 7, "short": 1} if device is WITH_GAPS else {},
        meter_reconnects=1 if device is WITH_GAPS else 0,
        agent_cpu_ratio=0.61,
    )


def _benches(now_unix_ns: int) -> Iterator[Received]:
    """Yield a bench of every model on one device of each class, in both runtimes, and one that must be rejected."""
    number = 0
    for device in (LISTED[0], LISTED[2], LISTED[4]):
        for model in MODELS:
            for runtime, factor in ((LITERT, 1.0), (ONNX, 1.4)):
                number += 1
                t_unix_ns = now_unix_ns - (number + 2) * 120 * SECOND_NS
                power_w, rate_hz = device.profile.power_w, device.profile.inferences_per_s / model.work / factor
                each_j = power_w / rate_hz
                rejected = model is KEYWORDS and runtime is ONNX and device is LISTED[2]
                bench = make_bench(
                    f"bench-{number:04d}",
                    device_id=device.device_id,
                    boot_id=boot_of(device),
                    device_class=device.device_class,
                    t_start_unix_ns=t_unix_ns,
                    model_id=model.model_id,
                    model_sha256=model.sha256,
                    runtime=runtime,
                    meter_id=device.meter_id,
                    meter_driver=device.profile.meter_driver,
                    systematic_id=device.profile.meter_driver,
                    boundary=device.profile.boundary,
                    gross=make_measurand(each_j, 0.004 * each_j),
                    net=make_measurand(0.4 * each_j, 0.006 * each_j),
                    latency_p50_s=0.8 / rate_hz,
                    latency_p95_s=1.1 / rate_hz,
                    latency_max_s=2.0 / rate_hz,
                    accuracy_ratio=model.accuracy_ratio,
                    rejections=("throttled in 2 of 5 windows",) if rejected else (),
                )
                known = {"model_macs": model.macs, "model_parameters": model.parameters}
                known |= {"model_bytes": model.size_bytes}
                fields = {name: value for name, value in known.items() if name in bench.__struct_fields__}
                yield _message(device, msgspec.structs.replace(bench, **fields), t_unix_ns + 90 * SECOND_NS)


def _no_window(device: SeededDevice, boot_id: str, seq: int, t_unix_ns: int) -> Received:
    """Return a message of one window whose duration is no number: refused, and a dead letter."""
    content = msgspec.json.decode(encode(_batch(device, boot_id, (window_at(device, seq, t_unix_ns),), seq)))
    content["records"][0]["duration_s"] = "ten"
    return Received(topic_for(device.fleet, device.device_id, "windows"), msgspec.json.encode(content), t_unix_ns)


def _garbage(t_unix_ns: int) -> Received:
    return Received(topic_for("farm", "stranger", "windows"), b"\x00not a message", t_unix_ns)


def _message(device: SeededDevice, record: R, t_unix_ns: int) -> Received:
    return Received(topic_for(device.fleet, device.device_id, _CHANNELS[type(record)]), encode(record), t_unix_ns)


def boot_of(device: SeededDevice) -> str:
    """Return the boot of the recent windows."""
    return f"{device.device_id}-2"


def _old_boot(device: SeededDevice) -> str:
    return f"{device.device_id}-1"
