"""``edgejoule deploy apply`` on real boards: systemd, sshd, certificates, waves, and what goes wrong on the way."""

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.boards.board import Board
from tests.boards.fleet_site import Applied, FleetSite, fleet_site, let_in, main_pid, release_of
from tests.boards.rack import MIB, Rack
from tests.boards.versions import CRASHING, MUTE, other_version
from tests.fakes.delivery import wait_until

pytestmark = [
    pytest.mark.boards,
    pytest.mark.mosquitto,
    pytest.mark.compiler,
    pytest.mark.slow,
    pytest.mark.xdist_group("boards"),
]


@pytest.fixture(scope="module")
def site(boards: Rack, board_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FleetSite]:
    with fleet_site(boards, tmp_path_factory.mktemp("fleet"), board_bundle) as site:
        yield site


@dataclass
class Fresh:
    """Three boards that were installed, and what the first two runs said of them and of four where it cannot be."""

    good: list[Board]
    unplugged: Board
    full: Board
    late: Board
    locked: Board
    planned: Applied
    applied: Applied

    @property
    def limit(self) -> list[str]:
        return ["--limit", "device=" + ",".join(board.name for board in self.good)]


def signing_key(folder: Path) -> tuple[Path, Path]:
    """Make a key that signs bundles; return its two files."""
    key = Ed25519PrivateKey.generate()
    private, public = folder / "signer.pem", folder / "signer.pub"
    private.touch(mode=0o600)
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


@pytest.fixture(scope="module")
def fresh(site: FleetSite) -> Fresh:
    good = [site.rack.add() for _ in range(3)]
    for board in good:
        board.plug_meter("tc66c")
        site.add(board)
    (site.folder / "note").write_text("a secret\n")
    site.add(good[1], secrets='{ note = "note" }')
    let_in(good[2], "pi")
    site.add(good[2], user='"pi"')
    unplugged, full, late = site.rack.add(), site.rack.add(disk_bytes=200 * MIB), site.rack.add()
    locked = site.rack.add(disk_bytes=64 * MIB)
    for board in (unplugged, full, late, locked):
        site.add(board)
    unplugged.unplug_network()
    late.shift_clock(-3 * 365 * 86_400)
    locked.run("mount --bind /tmp /tmp && mount -o remount,bind,ro /tmp")
    planned = site.plan()
    untouched = [board for board in (*good, full, late, locked) if not board.path("/opt/edgejoule").exists()]
    assert len(untouched) == 6
    _leave_broken_uploads(site.bundle, good)
    return Fresh(good, unplugged, full, late, locked, planned, site.apply())


def _leave_broken_uploads(bundle: Path, good: list[Board]) -> None:
    """Leave on the first board a good half of the bundle, on the second one with a wrong byte."""
    name = hashlib.sha256(bundle.read_bytes()).hexdigest()[:16] + ".bundle.zip.part"
    half = bundle.read_bytes()[: 30 * MIB]
    for board, content in ((good[0], half), (good[1], b"X" + half[1:])):
        board.path("/opt/edgejoule/incoming").mkdir(parents=True)
        board.path(f"/opt/edgejoule/incoming/{name}").write_bytes(content)


def test_a_plan_says_what_would_change_and_why_and_changes_nothing(fresh: Fresh) -> None:
    planned = fresh.planned
    assert planned.code == 1  # four boards cannot be
    for board in fresh.good:
        said = planned.boards[board.name]
        assert said["action"] == "install"
        assert "no certificate yet" in said["why"]
    assert [len(wave) for wave in planned.said["waves"]] == [1, 2]


def test_a_fresh_fleet_delivers_each_board_in_its_own_name(fresh: Fresh, site: FleetSite) -> None:
    statuses = fresh.applied.statuses
    assert {statuses[board.name] for board in fresh.good} == {"installed"}, fresh.applied.lines
    for board in fresh.good:
        assert site.windows_of(board.name) >= 1
        assert board.run("systemctl is-enabled edgejoule-agent.service").strip() == "enabled"
        certificate = x509.load_pem_x509_certificate(
            board.path("/etc/edgejoule/pki/device.crt").resolve().read_bytes()
        )
        assert certificate.subject.rfc4514_string() == f"CN={board.name}"


def test_a_key_is_made_on_the_board_and_stays_there(fresh: Fresh, site: FleetSite) -> None:
    keys = [board.run("cat /etc/edgejoule/pki/device.key").encode() for board in fresh.good]
    assert len(set(keys)) == len(keys)
    for board in fresh.good:
        assert board.run("stat --dereference --format=%a:%U /etc/edgejoule/pki/device.key").strip() == "600:root"
    here = [path.read_bytes() for path in site.folder.rglob("*") if path.is_file()]
    assert not any(key in content for key in keys for content in here)


def test_a_broken_upload_goes_on_where_it_was_and_a_wrong_one_begins_anew(fresh: Fresh) -> None:
    first, second = fresh.good[:2]
    assert f"{first.name}: upload: 31 of" in fresh.applied.lines
    assert f"{second.name}: upload: 31 of" in fresh.applied.lines
    assert fresh.applied.statuses[second.name] == "installed"


def test_a_secret_is_on_its_board_alone_and_for_root_alone(fresh: Fresh) -> None:
    first, second, _ = fresh.good
    assert second.path("/etc/edgejoule/note").read_text() == "a secret\n"
    assert second.run("stat --format=%a:%U /etc/edgejoule/note").strip() == "600:root"
    assert not first.path("/etc/edgejoule/note").exists()


def test_nothing_is_left_of_what_was_brought_but_the_bundle(fresh: Fresh) -> None:
    for board, place in (
        (fresh.good[0], "/opt/edgejoule/incoming"),
        (fresh.good[1], "/opt/edgejoule/incoming"),
        (fresh.good[2], "/home/pi/.cache/edgejoule/incoming"),
    ):
        assert [path.suffixes[-2:] for path in board.path(place).iterdir()] == [[".bundle", ".zip"]]


@pytest.mark.parametrize(
    ("which", "status", "text", "remedy"),
    [
        ("unplugged", "unreachable", "cannot be reached", "switched on"),
        ("full", "blocked", "MiB are needed", "free"),
        ("locked", "blocked", "no file can be made there", "df -h"),
        ("late", "blocked", "behind this machine's", "timedatectl set-ntp true"),
    ],
)
def test_what_cannot_be_is_said_with_its_remedy_and_keeps_nobody_else(
    fresh: Fresh, which: str, status: str, text: str, remedy: str
) -> None:
    board: Board = getattr(fresh, which)
    said = fresh.applied.boards[board.name]
    assert said["status"] == status
    assert text in said["problem"]["text"]
    assert remedy in said["problem"]["remedy"]
    assert not board.path("/opt/edgejoule").exists()
    assert fresh.applied.code == 1


def test_a_second_run_changes_nothing_and_says_so(fresh: Fresh, site: FleetSite) -> None:
    before = [main_pid(board) for board in fresh.good]
    again = site.apply(*fresh.limit)
    assert again.code == 0, again.lines
    assert set(again.statuses.values()) == {"unchanged"}
    assert again.said["changed"] == 0
    assert [main_pid(board) for board in fresh.good] == before


def test_one_boards_own_setting_changes_that_board_alone_and_brings_no_bundle(fresh: Fresh, site: FleetSite) -> None:
    second = fresh.good[1]
    before = [main_pid(board) for board in fresh.good]
    lines = site.device_lines[second.name]
    try:
        site.device_lines[second.name] = lines + "agent = { window = { window_s = 1.5 } }\n"
        site.write()
        applied = site.apply(*fresh.limit)
        assert applied.statuses == {board.name: "unchanged" for board in fresh.good} | {second.name: "configured"}
        assert "upload" not in applied.lines
        assert "window_s = 1.5" in second.path("/etc/edgejoule/agent.toml").read_text()
        assert [main_pid(board) == pid for board, pid in zip(fresh.good, before, strict=True)] == [True, False, True]
    finally:
        site.device_lines[second.name] = lines
        site.write()


def test_an_upgrade_goes_in_waves_outlives_ctrl_c_and_a_broken_connection(
    fresh: Fresh, site: FleetSite, tmp_path: Path
) -> None:
    key, signed_by = signing_key(tmp_path)
    bundle = other_version(site.bundle, tmp_path / "later", "0.1.99", words=["--sign", str(key)])
    signature = ["--require-signature", str(signed_by)]
    first, second, third = fresh.good

    stopped = site.apply_until(f"{first.name}: pip", *fresh.limit, "--wave-size", "1", *signature, bundle=bundle)
    assert stopped.code == 1
    assert stopped.statuses == {first.name: "upgraded", second.name: "not-begun", third.name: "not-begun"}
    assert "interrupted" in stopped.said["stopped"]

    installers: list[str] = []

    def break_connection() -> None:
        installers.append(second.run("pgrep --full --list-full installer.pyz"))
        second.unplug_network()
        complete = f"/opt/edgejoule/versions/{release_of(first)}/complete.json"
        try:
            wait_until(second.path(complete).exists, "the version is built without us", 120.0)
        finally:
            second.plug_network()

    upgraded = site.apply_while({f"{second.name}: pip": break_connection}, *fresh.limit, *signature, bundle=bundle)
    assert upgraded.code == 0, upgraded.lines
    assert "--require-signature /opt/edgejoule/incoming/signer.pub" in installers[0]  # the board looks for itself too
    assert upgraded.statuses == {first.name: "unchanged", second.name: "upgraded", third.name: "upgraded"}
    releases = {str(release_of(board)) for board in fresh.good}
    assert len(releases) == 1
    assert releases.pop().startswith("0.1.99-")
    shutil.rmtree(tmp_path / "later")


def test_a_version_that_never_measures_rolls_back_and_the_other_waves_are_not_begun(
    fresh: Fresh, site: FleetSite, tmp_path: Path
) -> None:
    bundle = other_version(site.bundle, tmp_path / "mute", "0.1.100", added_to_run=MUTE)
    before = [release_of(board) for board in fresh.good]
    pids = [main_pid(board) for board in fresh.good[1:]]
    site.write(gate_s=12.0)
    try:
        applied = site.apply(*fresh.limit, bundle=bundle)
    finally:
        site.write()
    first, second, third = fresh.good
    assert applied.code == 1
    assert applied.statuses == {first.name: "rolled-back", second.name: "not-begun", third.name: "not-begun"}
    said = applied.boards[first.name]["problem"]
    assert said["kind"] == "gate"
    assert "did not begin to measure within" in said["text"]
    assert "wave 1 of 2 had 1 failed board" in applied.said["stopped"]
    assert [release_of(board) for board in fresh.good] == before
    assert [main_pid(board) for board in fresh.good[1:]] == pids
    windows = site.windows_of(first.name)
    wait_until(lambda: site.windows_of(first.name) > windows, "the old version delivers again", 60.0)


def test_a_version_that_crashes_rolls_back_and_its_last_words_are_shown(
    fresh: Fresh, site: FleetSite, tmp_path: Path
) -> None:
    bundle = other_version(site.bundle, tmp_path / "crashing", "0.1.101", added_to_run=CRASHING)
    second = fresh.good[1]
    before = release_of(second)
    site.write(gate_s=8.0)
    try:
        applied = site.apply("--limit", f"device={second.name}", bundle=bundle)
    finally:
        site.write()
    assert applied.statuses == {second.name: "rolled-back"}
    assert any("broken on purpose" in line for line in applied.boards[second.name]["problem"]["journal"])
    assert release_of(second) == before


def test_a_host_with_another_key_is_not_spoken_with(fresh: Fresh, site: FleetSite) -> None:
    known = site.rack.known_hosts.read_text()
    first, second = (line.split()[2] for line in known.splitlines()[:2])
    try:
        site.rack.known_hosts.write_text(known.replace(first, second))
        planned = site.plan("--limit", f"device={fresh.good[0].name}")
    finally:
        site.rack.known_hosts.write_text(known)
    problem = planned.boards[fresh.good[0].name]["problem"]
    assert problem["kind"] == "host-key-changed"
    assert "ssh-keygen -R" in problem["remedy"]
