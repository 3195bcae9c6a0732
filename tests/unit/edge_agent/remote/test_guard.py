"""What a device obeys, and what it refuses for which reason."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_agent.config import AgentConfig, DeviceSection, InputSection, MeterSection, ModelSection, RemoteSection
from edge_agent.remote import book as book_module
from edge_agent.remote.book import CommandBook
from edge_agent.remote.guard import MAX_SIGNED_BYTES, Guard, Now, Order, Refusal
from edge_agent.remote.operators import load_operators
from edge_agent.wire import codec
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.mqtt import BrokerSettings
from edge_agent.wire.orders import (
    Action,
    ChangeModel,
    CollectDiagnostics,
    Deferral,
    ResetSettings,
    RunBatch,
    RunBench,
    SetDutyCycle,
    SetWindow,
    SignedCommand,
)
from edge_agent.wire.records import RuntimeIdentity
from tests.fakes.orders import FakeOperator

T0 = 1_800_000_000 * 10**9
NOW = Now(T0 + 10**9, "synchronised")
EVERYTHING = ("bench", "model", "window", "duty_cycle", "batch", "diagnostics", "reset")
SHA = "a" * 64


def make_config(**remote: Any) -> AgentConfig:
    section = RemoteSection(**{"operators": "o", "allow": EVERYTHING, "batch_folders": {"night": "/n"}, **remote})
    return AgentConfig(
        device=DeviceSection(id="pi4-01", fleet="demo"),
        meter=MeterSection(driver="tc66c", port="/dev/null", boundary="usb_dc"),
        model=ModelSection(id="digits_mlp_int8"),
        broker=BrokerSettings(url="mqtt://127.0.0.1:1"),
        remote=section,
    )


class Rig:
    def __init__(self, directory: Path, operator_allow: tuple[str, ...] | None = None, **remote: Any) -> None:
        self.operator = FakeOperator()
        self.directory = directory
        directory.mkdir(exist_ok=True)
        self._operators = load_operators(self.operator.write_to(directory / "operators.toml", operator_allow))
        self._config = make_config(**remote)
        self.busy = ""
        self.restart()

    def use(self, config: AgentConfig) -> None:
        self._config = config
        self.restart()

    def restart(self) -> None:
        self.book = CommandBook(self.directory)
        self.guard = Guard(self._config, self._operators, self.book, lambda _: self.busy)

    def judge(self, action: Action | None = None, now: Now = NOW, **changed: Any) -> Order | Refusal:
        command = self.operator.command(action, T0, **changed)
        return self.guard.judge(self.operator.payload(command), now)

    def kind(self, action: Action | None = None, now: Now = NOW, **changed: Any) -> str:
        verdict = self.judge(action, now, **changed)
        return verdict.kind if isinstance(verdict, Refusal) else "accepted"


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def test_a_signed_command_for_this_device_is_accepted_once_also_after_a_restart(rig: Rig) -> None:
    command = rig.operator.command(RunBench(), T0)
    payload = rig.operator.payload(command)
    assert rig.guard.judge(payload, NOW) == Order(command, "alice")
    for _ in range(2):
        again = rig.guard.judge(payload, NOW)
        assert isinstance(again, Refusal)
        assert (again.kind, again.known, again.command) == ("replayed", True, command)
        rig.restart()
    assert [one.command for one in rig.book.open_commands()] == [command]


def test_what_came_out_of_order_is_refused_by_the_time_of_the_key_alone(rig: Rig) -> None:
    early, late = rig.operator.command(None, T0), rig.operator.command(None, T0)
    assert isinstance(rig.guard.judge(rig.operator.payload(late), NOW), Order)
    refusal = rig.guard.judge(rig.operator.payload(early), NOW)
    assert isinstance(refusal, Refusal)
    assert (refusal.kind, refusal.known, refusal.command) == ("replayed", False, early)


def test_a_forgotten_command_is_refused_and_not_answered(rig: Rig) -> None:
    """Its id was dropped from the book when it expired; it may have been done, so a refusal would contradict that."""
    old = rig.operator.command(None, T0)
    assert isinstance(rig.guard.judge(rig.operator.payload(old), NOW), Order)
    rig.book.close(old.command_id)
    later = Now(old.expires_unix_ns + 10**9, "synchronised")
    new = rig.operator.command(None, later.unix_ns)
    assert isinstance(rig.guard.judge(rig.operator.payload(new), later), Order)
    assert rig.book.find(old.command_id) is None
    refusal = rig.guard.judge(rig.operator.payload(old), later)
    assert refusal == Refusal("replayed", refusal.reason if isinstance(refusal, Refusal) else "")


@pytest.mark.parametrize(
    ("changed", "now", "kind"),
    [
        ({"device_id": "pi4-02"}, NOW, "foreign"),
        ({"fleet": "other"}, NOW, "foreign"),
        ({"expires_unix_ns": T0}, NOW, "stale"),
        ({}, Now(T0 - 61 * 10**9, "synchronised"), "not_yet"),
        ({}, Now(T0 - 59 * 10**9, "synchronised"), "accepted"),
        ({}, Now(T0, "rebased"), "accepted"),
        ({}, Now(T0, "unsynchronised"), "clock"),
        ({"expires_unix_ns": T0 + 8 * 86_400 * 10**9}, NOW, "not_allowed"),
        ({"defer": Deferral(deadline_unix_ns=T0 + 10**12, duration_s=60.0)}, NOW, "not_allowed"),
    ],
)
def test_place_and_time(rig: Rig, changed: dict[str, Any], now: Now, kind: str) -> None:
    assert rig.kind(None, now, **changed) == kind


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        (SetWindow(window_s=0.9), "not_allowed"),
        (SetWindow(window_s=601.0), "not_allowed"),
        (SetWindow(window_s=60.0), "accepted"),
        (SetDutyCycle(duty_ratio=0.91), "not_allowed"),
        (SetDutyCycle(duty_ratio=0.9), "accepted"),
        (RunBatch(folder="day"), "not_allowed"),
        (RunBatch(folder="night"), "accepted"),
        (ChangeModel(model_id="m", sha256=SHA, size_bytes=1001), "not_allowed"),
        (ChangeModel(model_id="m", sha256=SHA, size_bytes=900, check_set_sha256=SHA), "not_allowed"),
        (
            ChangeModel(model_id="m", sha256=SHA, size_bytes=900, check_set_sha256=SHA, check_set_bytes=101),
            "not_allowed",
        ),
        (ChangeModel(model_id="m", sha256=SHA, check_set_sha256=SHA, check_set_bytes=10), "not_allowed"),
        (ChangeModel(model_id="m", sha256=SHA, size_bytes=1000), "accepted"),
        (ResetSettings(), "accepted"),
    ],
)
def test_limits_of_the_device(tmp_path: Path, action: Action, kind: str) -> None:
    assert Rig(tmp_path, max_model_bytes=1000, max_duty_ratio=0.9).kind(action) == kind


def test_nothing_is_allowed_unless_it_is_named_and_an_operator_may_be_allowed_less(tmp_path: Path) -> None:
    assert Rig(tmp_path / "none", allow=()).kind() == "not_allowed"
    device = Rig(tmp_path / "device", allow=("bench",))
    assert (device.kind(RunBench()), device.kind()) == ("accepted", "not_allowed")
    wide = Rig(tmp_path / "operator", ("diagnostics",))
    assert (wide.kind(RunBench()), wide.kind()) == ("not_allowed", "accepted")


@pytest.mark.parametrize("source", ["stdin", "socket", "application"])
def test_where_others_have_the_work_only_diagnostics_can_be_ordered(tmp_path: Path, source: Any) -> None:
    runtime = RuntimeIdentity(runtime="r", version="1", delegate="", threads=1) if source == "application" else None
    given = InputSection(source=source, path="" if source == "stdin" else "/tmp/s", runtime=runtime)
    rig = Rig(tmp_path)
    rig.use(msgspec.structs.replace(make_config(), input=given))
    assert (rig.kind(SetWindow(window_s=2.0)), rig.kind()) == ("not_allowed", "accepted")


def test_a_busy_device_says_so_and_takes_the_same_command_later(rig: Rig) -> None:
    command = rig.operator.command(None, T0)
    rig.busy = "it runs a bench"
    assert rig.guard.judge(rig.operator.payload(command), NOW) == Refusal("busy", "it runs a bench", command)
    rig.busy = ""
    assert isinstance(rig.guard.judge(rig.operator.payload(command), NOW), Order)


def test_a_disk_that_takes_nothing_accepts_nothing(rig: Rig) -> None:
    (rig.directory / "remote" / "accepted.json.new").mkdir()
    assert rig.kind() == "busy"
    (rig.directory / "remote" / "accepted.json.new").rmdir()
    assert rig.kind() == "accepted"


def test_what_was_kept_by_the_broker_is_refused_without_an_answer(rig: Rig) -> None:
    refusal = rig.guard.judge(rig.operator.payload(rig.operator.command(None, T0)), NOW, retained=True)
    assert isinstance(refusal, Refusal)
    assert (refusal.kind, refusal.command) == ("stale", None)


def test_only_the_known_key_opens(rig: Rig) -> None:
    command = rig.operator.command(None, T0)
    stranger = rig.guard.judge(FakeOperator(name="mallory").payload(command), NOW)
    mine = rig.operator.signed(command)
    swapped = msgspec.structs.replace(mine, command=codec.encode(rig.operator.command(RunBench(), T0)))
    forged = rig.guard.judge(codec.encode(swapped), NOW)
    assert isinstance(stranger, Refusal)
    assert isinstance(forged, Refusal)
    assert [(one.kind, one.command) for one in (stranger, forged)] == [("foreign", None), ("unsigned", None)]


@given(
    st.binary(max_size=200) | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(msgspec.json.encode)
)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_anything_else_is_malformed_signed_or_not(rig: Rig, body: bytes) -> None:
    for payload in (body, rig.operator.payload_of(body)):
        refusal = rig.guard.judge(payload, NOW)
        assert isinstance(refusal, Refusal)
        assert (refusal.kind, refusal.command) == ("malformed", None)


@given(st.integers(0, 10**6), st.integers(0, 7))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_flipped_bit_gets_through(rig: Rig, place: int, bit: int) -> None:
    command = rig.operator.command(CollectDiagnostics(), T0)
    payload = bytearray(rig.operator.payload(command))
    payload[place % len(payload)] ^= 1 << bit
    verdict = rig.guard.judge(bytes(payload), NOW)
    if isinstance(verdict, Order):  # of base64's last digit some bits mean nothing: the very same was signed
        assert verdict.command == command
        assert codec.decode(bytes(payload), SignedCommand) == rig.operator.signed(command)


def test_depth_and_size_are_no_way_in(rig: Rig) -> None:
    deep = b'{"schema_version":1,"key_id":' + b"[" * 10_000 + b"}"
    large = b"x" * (MAX_SIGNED_BYTES + 1)
    for payload in (deep, large, rig.operator.payload_of(deep)):
        refusal = rig.guard.judge(payload, NOW)
        assert isinstance(refusal, Refusal)
        assert refusal.kind == "malformed"


def test_the_book_is_bounded_and_a_damaged_one_is_one_line(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book_module, "MAX_CLOSED", 20)
    for _ in range(50):
        verdict = rig.judge()
        assert isinstance(verdict, Order)
        rig.book.close(verdict.command.command_id)
    path = rig.directory / "remote" / "accepted.json"
    assert len(msgspec.json.decode(path.read_bytes())["accepted"]) == 20 + 1
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ConfigurationError, match="give each operator a new key"):
        rig.restart()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no \\[\\[operator\\]\\] in it"),
        ('[[operator]]\nname = "a"\npublic_key = "ed25519:AAAA"\n', "operator 'a': public_key is no Ed25519 key"),
        ('[[operator]]\nname = "a"\npublic_key = "rsa:%%%"\n', "operator 'a': public_key is no Ed25519 key"),
        ('[[operator]]\nname = "a"\npublic_key = "x"\nallow = ["all"]\n', "Invalid enum value 'all'"),
    ],
)
def test_a_file_of_operators_that_cannot_be_is_one_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "operators.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=words):
        load_operators(path)


def test_one_key_is_one_operator(tmp_path: Path) -> None:
    operator = FakeOperator()
    path = tmp_path / "operators.toml"
    path.write_text(operator.entry() + operator.entry(), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="have the same public_key"):
        load_operators(path)


def test_an_order_cannot_take_the_name_of_the_devices_own_job(rig: Rig) -> None:
    assert rig.kind(None, command_id="job.night.17") == "not_allowed"
    assert rig.book.open_commands() == []


def test_what_waits_is_not_begun_for_whom_the_device_no_longer_obeys(rig: Rig) -> None:
    defer = Deferral(deadline_unix_ns=T0 + 10**13, duration_s=60.0)
    assert rig.kind(RunBatch(folder="night"), defer=defer) == "accepted"
    rig.restart()
    (entry,) = rig.book.open_commands()
    assert rig.guard.withdrawn(entry) == ""
    assert Guard(make_config(), {}, rig.book, lambda _: "").withdrawn(entry) == (
        "its operator is not in operators.toml any more"
    )
    rig.use(make_config(allow=("diagnostics",)))
    assert "does not allow 'batch'" in rig.guard.withdrawn(entry)
    rig.use(make_config(batch_folders={}))
    assert "folder 'night' is not one of this device's" in rig.guard.withdrawn(entry)


def test_a_book_with_bytes_that_are_no_text_is_one_line(rig: Rig) -> None:
    path = rig.directory / "remote" / "accepted.json"
    path.write_bytes(b'{"last_issued_unix_ns":{"\xff":1}}')
    with pytest.raises(ConfigurationError, match=r"accepted.json: damaged: .*give each operator a new key"):
        rig.restart()
