"""Bytes to records and back: what goes in comes out, what is wrong is rejected and nothing worse."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.wire.codec import WireRecord, decode, encode, name_of_bench
from edge_agent.wire.errors import RejectedRecordError
from edge_agent.wire.records import (
    MAX_BENCH_WINDOWS,
    MAX_BUDGET_LINES,
    MAX_PAYLOAD_BYTES,
    MAX_WINDOWS_PER_MESSAGE,
    BenchRecord,
    BenchWindow,
    Birth,
    BootAck,
    Health,
    Identifier,
    InferenceWindow,
    Status,
    StoreAck,
    WindowBatch,
)
from tests.fakes.benches import LINE, make_bench, make_measurand
from tests.fakes.windows import make_batch, make_window

KINDS: tuple[type[WireRecord], ...] = (WindowBatch, Birth, Status, Health, BenchRecord, StoreAck)
finite = st.floats(allow_nan=False, allow_infinity=False)
non_negative = st.floats(min_value=0, allow_nan=False, allow_infinity=False)


@given(
    energy_j=finite,
    energy_u_j=non_negative,
    duration_s=st.floats(min_value=1e-6, max_value=1e6),
    idle_power_w=st.none() | finite,
    inference_count=st.integers(0, 2**40),
    t_start_unix_ns=st.integers(0, 2**63 - 1),
    meter_id=st.text(max_size=30).filter(lambda text: text.isprintable()),
)
def test_a_batch_comes_back_as_it_went(**changes: Any) -> None:
    batch = msgspec.structs.replace(make_batch(range(1, 2)), records=(make_window(1, **changes),))
    assert decode(encode(batch), WindowBatch) == batch


def test_the_schema_version_is_always_written() -> None:
    ack = StoreAck(device_id="d", t_unix_ns=0, acks=(BootAck(boot_id="b", seq=0),))
    assert json.loads(encode(ack))["schema_version"] == 1
    with pytest.raises(RejectedRecordError, match="no schema_version"):
        decode(msgspec.json.encode(ack), StoreAck)


def test_another_schema_version_is_rejected() -> None:
    payload = encode(make_batch(range(1, 2))).replace(b'"schema_version":1', b'"schema_version":2')
    with pytest.raises(RejectedRecordError, match="schema_version"):
        decode(payload, WindowBatch)


def test_a_field_of_a_newer_agent_is_ignored() -> None:
    batch = make_batch(range(1, 2))
    document = json.loads(encode(batch))
    document["mood"] = "good"
    document["records"][0]["humidity_ratio"] = 0.4
    assert decode(json.dumps(document).encode(), WindowBatch) == batch


def test_a_full_message_of_usual_windows_is_far_below_the_limit() -> None:
    assert len(encode(make_batch(range(1, MAX_WINDOWS_PER_MESSAGE + 1)))) < MAX_PAYLOAD_BYTES / 3


def test_one_window_too_many_and_one_byte_too_many_are_rejected() -> None:
    with pytest.raises(RejectedRecordError, match="length <= 60"):
        decode(encode(make_batch(range(1, MAX_WINDOWS_PER_MESSAGE + 2))), WindowBatch)
    with pytest.raises(RejectedRecordError, match="over the limit"):
        decode(b" " * (MAX_PAYLOAD_BYTES + 1), WindowBatch)


@pytest.mark.parametrize("field", [f for f in InferenceWindow.__struct_fields__ if f != "meter_id"])
def test_every_field_of_a_window_is_checked(field: str) -> None:
    document = json.loads(encode(make_batch(range(1, 2))))
    document["records"][0][field] = {"of": "no sense"}
    with pytest.raises(RejectedRecordError, match=field):
        decode(json.dumps(document).encode(), WindowBatch)


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda t: b'{"schema_version":1,' + t.encode("utf-8")))
def test_any_bytes_are_a_record_or_a_rejection(payload: bytes) -> None:
    for kind in KINDS:
        with pytest.raises(RejectedRecordError):
            decode(payload, kind)  # type: ignore[type-var]  # one of the five, chosen at run time


def test_deep_nesting_is_a_rejection() -> None:
    payload = b'{"schema_version":1,"x":' + b"[" * 100_000
    with pytest.raises(RejectedRecordError):
        decode(payload, Status)


def test_lone_surrogates_are_a_rejection() -> None:
    payload = encode(make_batch(range(1, 2))).replace(b"tc66c:8A32", b"\\ud800")
    with pytest.raises(RejectedRecordError):
        decode(payload, WindowBatch)


def test_a_bench_comes_back_as_it_went() -> None:
    bench = make_bench(rejections=("throttled in window 3",))
    assert decode(encode(bench), BenchRecord) == bench


def test_the_largest_bench_fits_one_message() -> None:
    """Every optional field filled, every float with all its digits, and two lines of text for each basis."""
    long = 1.2345678901234567e-105
    fields: dict[str, Any] = dict.fromkeys(BenchWindow.__struct_fields__, long)
    window = BenchWindow(**fields | {"inference_count": 10**12, "throttled": False})
    line = msgspec.structs.replace(
        LINE, name="n" * 60, unit="J" * 10, u=long, sensitivity=long, contribution_j=long, dof=long, basis="b" * 240
    )
    result = msgspec.structs.replace(make_measurand(long, long), effective_dof=long, budget=(line,) * MAX_BUDGET_LINES)
    bench = make_bench(
        windows=(window,) * MAX_BENCH_WINDOWS,
        gross=result,
        net=result,
        rejections=("r" * 120,) * 50,
        warnings=("w" * 120,) * 50,
    )
    payload = encode(bench)
    assert MAX_PAYLOAD_BYTES / 2 < len(payload) <= MAX_PAYLOAD_BYTES
    assert decode(payload, BenchRecord) == bench


def test_a_bench_with_too_many_windows_is_rejected() -> None:
    bench = make_bench(windows=make_bench().windows * (MAX_BENCH_WINDOWS // 5) + make_bench().windows[:1])
    with pytest.raises(RejectedRecordError, match=r"length <= 200 .*windows"):
        decode(encode(bench), BenchRecord)


def test_a_bench_that_is_none_still_says_which_it_is() -> None:
    payload = encode(make_bench()).replace(b'"synchronised"', b'"roughly"')
    with pytest.raises(RejectedRecordError, match="clock_state"):
        decode(payload, BenchRecord)
    name = name_of_bench(payload)
    assert name is not None
    assert (name.device_id, name.bench_id) == ("pi4-01", "bench-0001")
    for worse in (
        payload.replace(b"bench-0001", b"../etc"),
        payload[:-1],
        payload.replace(b":1,", b":2,", 1),
        b"\xff",
    ):
        assert name_of_bench(worse) is None


@pytest.mark.parametrize("name", ["pi4-01\n", "\npi4-01", "pi4-01\r", "pi4 01", "", "x" * 65])
def test_a_name_is_one_word_of_its_own(name: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(name, Identifier)
    assert msgspec.convert("x" * 64, Identifier) == "x" * 64
