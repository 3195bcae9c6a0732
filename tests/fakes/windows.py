"""Builders of realistic windows for everyone's tests: no clock, no randomness but the seed that is given.

Every builder takes the fields that a test cares about as keyword arguments and fills in the rest, so that a test
names only what matters to it.
"""

import random
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from collector.journal import Journal
from collector.values import StoredWindow
from edge_agent.wire.records import Boundary, DroppedRange, InferenceWindow, RuntimeIdentity, WindowBatch

T0_UNIX_NS: Final = 1_760_000_000_000_000_000
"""2025-10-09T08:53:20Z: the start of the first window."""
WINDOW_S: Final = 10.0
FLEET: Final = "lab"
BOOT_ID: Final = "boot-0001"
MODEL_ID: Final = "digits_mlp_int8"
MODEL_SHA256: Final = "5d" * 32
RUNTIME: Final = RuntimeIdentity(runtime="litert", version="2.1.0", delegate="xnnpack", threads=1)


@dataclass(frozen=True, slots=True)
class DeviceProfile:
    """What one kind of device looks like in steady operation."""

    device_id: str
    device_class: str
    meter_driver: str
    meter_id: str
    boundary: Boundary
    power_w: float
    idle_power_w: float | None
    inferences_per_s: float
    u_systematic_ratio: float
    u_independent_ratio: float


PI4: Final = DeviceProfile(
    "pi4-01", "raspberry-pi-4b", "tc66c", "tc66c:8A32", "usb_dc", 4.1, 2.9, 410.0, 0.0035, 0.0020
)
PI_ZERO: Final = DeviceProfile(
    "zero-01", "raspberry-pi-zero-2w", "ppk2", "ppk2:C0FFEE", "dc_input", 1.15, 0.62, 120.0, 0.012, 0.0005
)
JETSON: Final = DeviceProfile(
    "jetson-01", "jetson-orin-nano", "powersensor3", "powersensor3:007", "dc_input", 8.4, None, 1900.0, 0.006, 0.0002
)
PROFILES: Final = (PI4, PI_ZERO, JETSON)


def make_window(seq: int = 1, *, profile: DeviceProfile = PI4, **changes: Any) -> InferenceWindow:
    """Return window ``seq`` of ``profile``: 10 s long, the windows of one device back to back from T0_UNIX_NS.

    ``changes`` replace any field of InferenceWindow; what depends on another field is not recomputed.
    """
    energy_j = profile.power_w * WINDOW_S
    systematic_j = energy_j * profile.u_systematic_ratio
    independent_j = energy_j * profile.u_independent_ratio
    count = round(profile.inferences_per_s * WINDOW_S)
    window = InferenceWindow(
        seq=seq,
        t_start_unix_ns=T0_UNIX_NS + (seq - 1) * round(WINDOW_S * 1e9),
        clock_state="synchronised",
        duration_s=WINDOW_S,
        energy_j=energy_j,
        energy_u_j=(systematic_j**2 + independent_j**2) ** 0.5,
        energy_u_systematic_j=systematic_j,
        gap_s=0.0,
        inference_count=count,
        busy_s=6.5,
        model_id=MODEL_ID,
        model_sha256=MODEL_SHA256,
        runtime=RUNTIME,
        meter_id=profile.meter_id,
        meter_driver=profile.meter_driver,
        boundary=profile.boundary,
        sync_method="arrival_fit",
        sync_residual_s=0.004,
        simulated=True,
        idle_power_w=profile.idle_power_w,
        idle_power_u_w=None if profile.idle_power_w is None else 0.02,
        latency_p50_s=0.00021,
        latency_p95_s=0.00034,
        latency_max_s=0.0019,
        sample_count=100.0,
        soc_temp_c=51.5,
        freq_mhz=1500.0,
        throttled=False,
    )
    return msgspec.structs.replace(window, **changes) if changes else window


def make_stored(
    row_id: int = 1,
    *,
    profile: DeviceProfile = PI4,
    fleet: str = FLEET,
    boot_id: str = BOOT_ID,
    seq: int | None = None,
    **changes: Any,
) -> StoredWindow:
    """Return a journal row; ``seq`` is the row id unless given, ``changes`` replace fields of the window."""
    window = make_window(row_id if seq is None else seq, profile=profile, **changes)
    received_unix_ns = window.t_start_unix_ns + round(window.duration_s * 1e9) + 40_000_000
    return StoredWindow(row_id, fleet, profile.device_id, boot_id, received_unix_ns, window)


def make_fleet_rows(windows_per_device: int, *, seed: int = 1, first_row_id: int = 1) -> list[StoredWindow]:
    """Return rows of the three profiles in the order they would arrive, powers scattered by about 5 %."""
    random_source = random.Random(seed)
    rows: list[StoredWindow] = []
    for seq in range(1, windows_per_device + 1):
        for profile in PROFILES:
            scale = random_source.gauss(1.0, 0.05)
            plain = make_window(seq, profile=profile)
            rows.append(
                make_stored(
                    first_row_id + len(rows),
                    profile=profile,
                    seq=seq,
                    energy_j=plain.energy_j * scale,
                    energy_u_j=plain.energy_u_j * scale,
                    energy_u_systematic_j=plain.energy_u_systematic_j * scale,
                    inference_count=max(0, round(plain.inference_count * random_source.gauss(1.0, 0.05))),
                )
            )
    return rows


def make_batch(
    seqs: range,
    *,
    profile: DeviceProfile = PI4,
    boot_id: str = BOOT_ID,
    oldest_seq: int | None = None,
    last_seq: int | None = None,
    dropped: tuple[DroppedRange, ...] = (),
) -> WindowBatch:
    """Return the wire envelope of windows ``seqs``; the outbox bounds are those of the records unless given."""
    records = tuple(make_window(seq, profile=profile) for seq in seqs)
    newest = records[-1].seq if records else 0
    last = newest if last_seq is None else last_seq
    oldest = (records[0].seq if records else last + 1) if oldest_seq is None else oldest_seq
    return WindowBatch(
        device_id=profile.device_id,
        boot_id=boot_id,
        oldest_seq=oldest,
        last_seq=last,
        sent_unix_ns=T0_UNIX_NS + newest * round(WINDOW_S * 1e9),
        records=records,
        dropped=dropped,
    )


def commit_rows(journal: Journal, rows: list[StoredWindow]) -> None:
    """Commit ``rows`` to ``journal`` in their order, as one message each; the journal gives row ids from 1 on."""
    with journal.transaction():
        for row in rows:
            batch = WindowBatch(
                device_id=row.device_id,
                boot_id=row.boot_id,
                oldest_seq=row.window.seq,
                last_seq=row.window.seq,
                sent_unix_ns=row.received_unix_ns,
                records=(row.window,),
            )
            journal.commit_batch(row.fleet, batch, row.received_unix_ns)
