"""What is to be done at a board, why, and what stands in the way; and a roll-out over boards that are only played."""

import contextlib
import hashlib
import os
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.wire.errors import ConfigurationError
from edgejoule.deploy.fleet.board_report import BoardReport, read_report
from edgejoule.deploy.fleet.bundle_shelf import BundleFile, read_shelf
from edgejoule.deploy.fleet.devices import Device, Wishes
from edgejoule.deploy.fleet.hands import Login
from edgejoule.deploy.fleet.outcome import Outcome, Status, summary_of
from edgejoule.deploy.fleet.planning import Plan, Rules, plan_for
from edgejoule.deploy.fleet.problems import BoardError, Problem
from edgejoule.deploy.fleet.remote_board import IS_INSTALLING, ROOT, events_of
from edgejoule.deploy.fleet.roll_out import INTERRUPTED, Stop, roll_out
from edgejoule.deploy.onboard.bundle_format import Manifest, Requires
from edgejoule.deploy.onboard.jobs import only_one
from edgejoule.deploy.onboard.layout import Layout
from edgejoule.deploy.targets import read_targets

NOW_NS = 1_795_000_000 * 10**9
FACTS: dict[str, Any] = {
    "machine": "aarch64",
    "bits": 64,
    "glibc": "2.36",
    "os_id": "debian",
    "os_version": "12",
    "l4t": None,
    "pythons": ["3.11.2"],
    "free_bytes": 10**10,
    "clock": {"unix_ns": NOW_NS, "synchronised": True},
    "systemd": {"running": True, "version": 252},
    "meter_ports": [],
    "current": None,
    "pending": None,
    "config_sha256": None,
    "active": "inactive",
}
MANIFEST = Manifest(
    schema=1,
    version="1.0",
    target="bookworm-arm64",
    created=None,
    files={},
    bytes=1,
    wheel="w",
    requirements="r",
    pip="p",
    installer="i",
    models=None,
    config=None,
    requires=Requires(("aarch64",), 64, (2, 36), "3.11", False, (), ()),
    sha256="ab" * 32,
)
BUNDLE = BundleFile(Path("b.bundle.zip"), "cd" * 32, MANIFEST, 50_000_000, 400_000_000)
RULES = Rules(targets=read_targets(), shelf={"bookworm-arm64": BUNDLE})
DEVICE = Device(
    id="a",
    site="s",
    login=Login(host="a"),
    target="auto",
    config=b"x = 1\n",
    wishes=Wishes(None, (), ()),
    secrets={},
    inventory={},
    gate_windows=1,
    gate_seconds=1.0,
)


def report(**changed: Any) -> BoardReport:
    return read_report(msgspec.json.encode({**FACTS, **changed}).decode(), NOW_NS)


def running(**changed: Any) -> BoardReport:
    sha256 = hashlib.sha256(DEVICE.config).hexdigest()
    return report(**{"current": BUNDLE.release, "active": "active", "config_sha256": sha256, **changed})


def test_a_board_as_it_shall_be_is_left_alone() -> None:
    plan = plan_for(DEVICE, running(), RULES)
    assert (plan.action, plan.why, plan.changes, plan.problem) == ("none", (), False, None)


@pytest.mark.parametrize(
    ("changed", "action", "why"),
    [
        ({"current": None, "config_sha256": None, "active": "inactive"}, "install", "nothing is installed"),
        ({"current": "0.9-12345678"}, "upgrade", "0.9-12345678 → 1.0-abababab"),
        ({"config_sha256": "0" * 64}, "configure", "another configuration"),
        ({"active": "failed"}, "restart", "the agent is failed"),
        ({"pending": {"to": "x"}}, "restart", "interrupted"),
    ],
)
def test_what_is_to_be_done_and_why(changed: dict[str, Any], action: str, why: str) -> None:
    plan = plan_for(DEVICE, running(**changed), RULES)
    assert plan.action == action
    assert why in "; ".join(plan.why)
    assert plan.changes


def test_a_secret_that_is_another_one_is_brought(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("secret")
    device = msgspec.structs.replace(DEVICE, secrets={"mqtt-password": secret})
    assert plan_for(device, running(), RULES).why == ("secrets: mqtt-password",)
    sha256 = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"
    there = msgspec.structs.replace(running(), secret_sha256s={"mqtt-password": sha256})
    assert plan_for(device, there, RULES).action == "none"


def test_a_certificate_that_is_lacking_is_a_reason() -> None:
    plan = plan_for(DEVICE, running(), RULES, "no certificate yet")
    assert (plan.action, plan.enrol) == ("enrol", True)


@pytest.mark.parametrize(
    ("changed", "kind", "text", "remedy"),
    [
        ({"clock": {"unix_ns": 0}}, "clock", "days behind", "set-ntp"),
        ({"clock": {"unix_ns": NOW_NS + 400 * 10**9}}, "clock", "ahead of", "--allow-clock"),
        ({"free_bytes": 100 << 20}, "no-space", "100 MiB are free, and 382 MiB", "free 28"),
        ({"systemd": {"running": False}}, "service", "systemd", "--no-service"),
        ({"machine": "armv6l", "bits": 32}, "target", "not supported", ""),
        ({"machine": "x86_64"}, "no-bundle", "is a bookworm-amd64", "deploy bundle --target bookworm-amd64"),
        ({"pythons": ["3.9.2"]}, "target", "needs Python 3.11", ""),
    ],
)
def test_what_stands_in_the_way_is_said_with_its_remedy(
    changed: dict[str, Any], kind: str, text: str, remedy: str
) -> None:
    plan = plan_for(DEVICE, report(**changed), RULES)
    assert plan.problem is not None
    assert not plan.changes
    assert plan.problem.kind == kind
    assert text in plan.problem.text
    assert remedy in plan.problem.remedy


def test_a_clock_may_be_taken_as_it_is() -> None:
    rules = msgspec.structs.replace(RULES, allow_clock=True)
    assert plan_for(DEVICE, report(clock={"unix_ns": 0}), rules).changes


def test_a_wrong_clock_is_no_matter_where_nothing_changes() -> None:
    assert plan_for(DEVICE, running(clock={"unix_ns": 0}), RULES).problem is None


@given(text=st.text())
def test_whatever_a_board_replies_is_facts_or_a_problem(text: str) -> None:
    with contextlib.suppress(BoardError):
        read_report(text, NOW_NS)


@given(text=st.text())
def test_whatever_an_installer_says_is_events(text: str) -> None:
    assert all(isinstance(event["event"], str) for event in events_of(text))


def test_events_notes_and_a_line_that_is_not_whole_yet() -> None:
    said = '{"event": "step", "step": "pip"}\nTraceback (most recent call last):\n{"event": "res'
    assert [event["event"] for event in events_of(said)] == ["step", "note"]


def test_what_a_board_says_moves_no_cursor() -> None:
    problem = Problem(kind="installer", text="\x1b[2Jgone", remedy="a\nb", journal=("\x1b]0;title\x07",))
    assert not any("\x1b" in text or "\n" in text for text in (problem.text, problem.remedy, *problem.journal))


def test_a_board_is_left_alone_while_an_installer_is_at_work_there(tmp_path: Path) -> None:
    def is_installing() -> bool:
        command = IS_INSTALLING.replace(ROOT, str(tmp_path))
        return subprocess.run(["sh", "-c", command], check=False, capture_output=True).returncode == 0

    assert not is_installing()
    with only_one(Layout.at(tmp_path)):
        assert is_installing()
        lock = (tmp_path / ".lock").read_text()
    assert not is_installing()
    (tmp_path / ".lock").write_text(lock.replace(f" {os.getpid()} ", " 1 "))  # a number that was given anew
    assert not is_installing()


# --- waves ---------------------------------------------------------------------------------------------------------


class Heard:
    """A watcher that keeps what it hears."""

    def __init__(self) -> None:
        self.waves: list[Sequence[str]] = []
        self.ends: list[Outcome] = []

    def wave(self, number: int, count: int, boards: Sequence[str]) -> None:
        assert number <= count
        self.waves.append(boards)

    def ended(self, outcome: Outcome) -> None:
        self.ends.append(outcome)


def plans(*names: str) -> dict[str, Plan]:
    return {
        name: Plan(device=msgspec.structs.replace(DEVICE, id=name), action="install", bundle=BUNDLE) for name in names
    }


def no_stop() -> Stop:
    return Stop(threading.Event(), threading.Event())


def work_failing(*names: str) -> Any:
    def work(plan: Plan) -> Outcome:
        if plan.device.id in names:
            raise BoardError(Problem(kind="gate", text="no", remedy="yes"))
        return Outcome(device=plan.device.id, site="", status="installed")

    return work


def test_a_wave_that_fails_is_the_last() -> None:
    heard = Heard()
    outcomes, stopped = roll_out(
        plans("a", "b", "c"), [("a",), ("b",), ("c",)], work_failing("b"), heard, no_stop(), max_failed=0, parallel=2
    )
    assert {name: one.status for name, one in outcomes.items()} == {"a": "installed", "b": "failed"}
    assert "wave 2 of 3 had 1 failed board" in stopped
    assert heard.waves == [("a",), ("b",)]
    assert outcomes["b"].wave == 2


def test_what_stands_in_the_way_on_this_machine_is_a_failure_with_a_remedy(tmp_path: Path) -> None:
    def work(_plan: Plan) -> Outcome:
        (tmp_path / "gone").read_bytes()
        raise AssertionError

    outcomes, stopped = roll_out(plans("a", "b"), [("a",), ("b",)], work, Heard(), no_stop(), max_failed=0, parallel=1)
    assert {name: one.status for name, one in outcomes.items()} == {"a": "failed"}
    problem = outcomes["a"].problem
    assert problem is not None
    assert "gone" in problem.text
    assert "run this again" in problem.remedy
    assert "wave 1 of 2 had 1 failed board" in stopped


def test_as_many_as_may_fail_do_not_stop_it() -> None:
    outcomes, stopped = roll_out(
        plans("a", "b", "c"), [("a", "b"), ("c",)], work_failing("b"), Heard(), no_stop(), max_failed=1, parallel=1
    )
    assert set(outcomes) == {"a", "b", "c"}
    assert not stopped


def test_inside_a_wave_no_board_begins_after_too_many_failed() -> None:
    outcomes, _ = roll_out(
        plans("a", "b", "c"), [("a", "b", "c")], work_failing("a"), Heard(), no_stop(), max_failed=0, parallel=1
    )
    assert set(outcomes) == {"a"}


def test_a_stop_lets_boards_end_and_begins_no_more() -> None:
    stop = no_stop()

    def work(plan: Plan) -> Outcome:
        stop.soon.set()
        return Outcome(device=plan.device.id, site="", status="installed")

    outcomes, stopped = roll_out(plans("a", "b"), [("a", "b")], work, Heard(), stop, max_failed=0, parallel=1)
    assert set(outcomes) == {"a"}
    assert stopped == INTERRUPTED


def test_who_leaves_at_once_says_of_a_board_that_it_is_left() -> None:
    stop, over = no_stop(), threading.Event()

    def work(plan: Plan) -> Outcome:
        stop.soon.set()
        stop.now.set()
        over.wait(60.0)
        return Outcome(device=plan.device.id, site="", status="installed")

    begin_s = time.monotonic()
    try:
        outcomes, _ = roll_out(plans("a"), [("a",)], work, Heard(), stop, max_failed=0, parallel=1)
    finally:
        over.set()
    assert outcomes["a"].status == "left"
    assert time.monotonic() - begin_s < 50.0


def test_a_summary_counts() -> None:
    boards = tuple(
        Outcome(device=status, site="", status=status)
        for status in get_args(Status)
        if status in {"installed", "unchanged", "rolled-back", "not-begun", "unreachable"}
    )
    summary = summary_of(boards, "why")
    assert (summary.changed, summary.unchanged, summary.failed, summary.not_begun) == (1, 1, 2, 1)


def test_a_bundle_that_is_none_is_refused_before_any_board_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "x.bundle.zip"
    path.write_bytes(b"no zip")
    with pytest.raises(ConfigurationError, match=r"x\.bundle\.zip: is no bundle"):
        read_shelf([path])
    with pytest.raises(ConfigurationError, match="no bundle is named"):
        read_shelf([])
    with pytest.raises(ConfigurationError, match="holds no"):
        read_shelf([], tmp_path / "nowhere")
