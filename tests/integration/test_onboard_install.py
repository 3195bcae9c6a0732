"""The installer on a board: real environments filled by a real pip, an agent that obeys, a process for a service."""

import os
from pathlib import Path
from typing import Any

import pytest

from edgejoule.deploy.onboard import checks, jobs, managing, system_files
from edgejoule.deploy.onboard.configuration import Choice
from edgejoule.deploy.onboard.files import read_history
from edgejoule.deploy.onboard.install import Order, install
from edgejoule.deploy.onboard.problems import InstallError
from edgejoule.deploy.onboard.switching import recover
from tests.fakes.delivery import wait_until
from tests.fakes.shelf import CONFIG, PATIENT, QUICK, Shelf
from tests.fakes.stand_in_service import Board
from tests.fakes.tiny_bundle import Behaviour, tiny_bundle

pytestmark = pytest.mark.xdist_group("onboard")


def test_a_first_install_then_nothing_to_do_then_a_new_version_then_back(board: Board, shelf: Shelf) -> None:
    first = shelf.install(board, shelf.order())
    assert first["changed"]
    assert board.layout.current_release == first["release"]
    assert board.service.enabled
    assert not board.layout.pending.exists()
    unit = (board.layout.units / "edgejoule-agent.service").read_text()
    assert f"ExecStart={board.layout.root}/current/venv/bin/edgejoule agent run --config {board.layout.config}" in unit
    assert "/opt/edgejoule" not in unit

    before, pid = board.files(), board.service.pid
    again = shelf.install(board, shelf.order())
    assert not again["changed"]
    assert (board.files(), board.service.pid) == (before, pid)

    second = shelf.install(board, shelf.order("2.0.0"))
    assert board.layout.current_release == second["release"]
    assert board.layout.previous_release == first["release"]
    assert board.layout.current.resolve() == board.layout.version(second["release"]).resolve()

    back = managing.roll_back(board.site, PATIENT)
    assert (back["from"], back["release"]) == (second["release"], first["release"])
    assert board.layout.previous_release == second["release"]
    events = [entry["event"] for entry in read_history(board.layout.history)]
    assert events == ["confirmed", "confirmed", "confirmed"]


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ("silent", "made no window"),
        ("undelivered", "a collector stored 0"),
        ("crashes", "ended 3 times"),
    ],
)
def test_a_version_that_does_not_deliver_gives_way_to_the_one_before(
    behaviour: Behaviour, words: str, board: Board, shelf: Shelf
) -> None:
    first = shelf.install(board, shelf.order())
    before = board.files()
    with pytest.raises(InstallError, match=words) as caught:
        shelf.install(board, shelf.order("2.0.0", behaviour, QUICK, choice=Choice(CONFIG.encode() + b"# new\n")))

    assert caught.value.kind == "gate"
    assert f"{first['release']} runs again" in str(caught.value)
    assert caught.value.remedy
    assert (caught.value.journal == ["edgejoule: this version crashes"]) is (behaviour == "crashes")
    assert board.files() == before
    assert board.layout.config.read_text() == CONFIG
    wait_until(lambda: board.service.pid is not None, "the old version runs")
    entry = read_history(board.layout.history)[-1]
    assert entry["event"] == "rolled-back"
    assert words.split(maxsplit=1)[0] in entry["why"]
    assert not shelf.install(board, shelf.order())["changed"], "what was rolled back to is what was asked for"


def test_a_first_version_that_does_not_deliver_stays_and_is_stopped(board: Board, shelf: Shelf) -> None:
    with pytest.raises(InstallError, match="first here: it stays installed, and is stopped"):
        shelf.install(board, shelf.order(behaviour="silent", gate=QUICK))

    assert board.service.pid is None
    assert not board.service.enabled
    assert not board.layout.pending.exists()
    assert shelf.install(board, shelf.order("1.0.1"))["changed"]


def test_a_configuration_that_the_new_version_refuses_changes_nothing(board: Board, shelf: Shelf) -> None:
    first = shelf.install(board, shelf.order())
    before, pid = board.files(), board.service.pid
    with pytest.raises(InstallError, match=r"\[meter\] driver = 'nonsense': no such driver") as caught:
        install(board.site, shelf.order("2.0.0", "refuses"))

    assert caught.value.kind == "self-test"
    assert (board.files(), board.service.pid) == (before, pid)
    assert board.layout.releases() == [first["release"]]


def test_a_configuration_alone_is_changed_with_the_same_gate(board: Board, shelf: Shelf) -> None:
    shelf.install(board, shelf.order())
    pid = board.service.pid
    new = CONFIG.replace('"pi"', '"pi-2"').encode()

    assert shelf.install(board, shelf.order(choice=Choice(new)))["changed"]
    assert board.layout.config.read_bytes() == new
    assert board.service.pid not in {None, pid}
    assert board.layout.previous_release is None


def test_what_a_person_changed_is_not_overwritten_unasked(board: Board, shelf: Shelf) -> None:
    shelf.install(board, shelf.order())
    by_hand = CONFIG + "# by hand\n"
    board.layout.config.write_text(by_hand)
    new = CONFIG.encode() + b"# new\n"

    with pytest.raises(InstallError, match="changed by hand") as caught:
        shelf.install(board, shelf.order(choice=Choice(new)))
    assert caught.value.exit_code == 2
    shelf.install(board, shelf.order(choice=Choice(new, keep=True)))
    assert board.layout.config.read_text() == by_hand
    with pytest.raises(InstallError, match="changed by hand"):
        shelf.install(board, shelf.order(choice=Choice(new)))
    shelf.install(board, shelf.order(choice=Choice(new, replace=True)))
    assert board.layout.config.read_bytes() == new


def test_damage_is_refused_by_name_and_the_old_one_runs_on(board: Board, tmp_path: Path, shelf: Shelf) -> None:
    first = shelf.install(board, shelf.order())
    pid = board.service.pid
    wheel = "wheels/edgejoule-2.0.0-py3-none-any.whl"
    damaged = tiny_bundle(tmp_path / "damaged.zip", "2.0.0", damaged=wheel)
    with pytest.raises(InstallError, match=wheel) as caught:
        install(board.site, Order(damaged, choice=Choice(CONFIG.encode())))

    assert caught.value.kind == "bundle"
    assert board.layout.releases() == [first["release"]]
    assert board.service.pid == pid


@pytest.mark.parametrize(
    ("requires", "kind", "words"),
    [
        ({"machines": ["riscv64"]}, "wrong-board", "riscv64|this-machine"),
        ({"bits": 16}, "wrong-board", "16 bit"),
        ({"glibc": [9, 99]}, "wrong-board", r"glibc 9\.99"),
        ({"python": "3.99", "apt": ["python3.99"]}, "no-python", r"no Python 3\.99.*apt install python3\.99"),
        ({"modules": ["no_such_module"], "apt": ["python3-none"]}, "no-python", "no_such_module"),
    ],
)
def test_a_bundle_for_another_board_changes_nothing(
    requires: dict[str, Any], kind: str, words: str, board: Board, tmp_path: Path
) -> None:
    bundle = tiny_bundle(tmp_path / "other.zip", requires=requires)
    with pytest.raises(InstallError, match=words) as caught:
        install(board.site, Order(bundle, choice=Choice(CONFIG.encode())))

    assert caught.value.kind == kind
    assert board.files() == {}


def test_a_wrong_clock_is_refused_unless_it_is_allowed(board: Board, shelf: Shelf) -> None:
    wrong = checks.ClockRules(reference_unix_s=4e9)
    with pytest.raises(InstallError, match="TLS would refuse every certificate") as caught:
        shelf.install(board, shelf.order(clock=wrong))
    assert caught.value.kind == "clock"
    assert board.files() == {}

    shelf.install(board, shelf.order(clock=checks.ClockRules(4e9, allowed=True)))
    assert any("as was asked for" in event.get("text", "") for event in board.events)


def test_secrets_meter_and_time_are_put_where_the_system_reads_them(
    board: Board, tmp_path: Path, shelf: Shelf
) -> None:
    (tmp_path / "given").write_text("s3cret\n")
    config = CONFIG + '[broker]\npassword_file = "/run/credentials/edgejoule-agent.service/mqtt-password"\n'
    wishes = system_files.Wishes("usb-FTDI_FT232R_A50285BI-if00-port0", ("ntp.lan",))
    secrets = {"mqtt-password": tmp_path / "given"}
    shelf.install(board, shelf.order(choice=Choice(config.encode()), secrets=secrets, wishes=wishes))

    layout = board.layout
    password = layout.etc / "mqtt-password"
    assert (password.read_text(), password.stat().st_mode & 0o777) == ("s3cret\n", 0o600)
    drop_in = (layout.drop_ins / "20-credentials.conf").read_text()
    assert f"LoadCredential=mqtt-password:{password}\n" in drop_in
    assert 'ENV{ID_SERIAL}=="FTDI_FT232R_A50285BI", ENV{ID_USB_INTERFACE_NUM}=="00"' in layout.udev_rule.read_text()
    assert "NTP=ntp.lan\n" in layout.timesyncd.read_text()
    assert not (layout.etc / ".self-test").exists()

    again = shelf.order(choice=Choice(config.encode()))  # nothing is said of meter and time: they stay
    assert not install(board.site, again)["changed"]


def test_a_secret_that_is_missing_is_named_before_anything_changes(board: Board, shelf: Shelf) -> None:
    config = CONFIG + '[broker]\nkey_file = "/run/credentials/edgejoule-agent.service/device.key"\n'
    with pytest.raises(InstallError, match=r"device\.key.*--secret device\.key=FILE") as caught:
        install(board.site, shelf.order(choice=Choice(config.encode())))

    assert caught.value.exit_code == 2
    assert board.layout.current_release is None
    assert board.layout.releases() == []


def test_models_of_the_bundle_stay_with_their_version(board: Board, tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path / "m.zip", config=CONFIG, models={"catalog.toml": b"# none\n", "a/b.tflite": b"TFL"})
    done = install(board.site, Order(bundle, compile_files=False, gate=PATIENT))

    folder = board.layout.version(done["release"])
    assert (folder / "models" / "a" / "b.tflite").read_bytes() == b"TFL"
    assert sorted(path.name for path in folder.iterdir()) == [
        "complete.json", "installer.pyz", "manifest.json", "models", "venv",
    ]  # fmt: skip


def test_only_the_version_that_runs_and_the_one_before_are_kept(board: Board, shelf: Shelf) -> None:
    releases = [shelf.install(board, shelf.order(f"{number}.0.0"))["release"] for number in (1, 2, 3)]

    assert board.layout.releases() == sorted(releases[1:])


def test_uninstalled_is_all_but_configuration_and_history(board: Board, shelf: Shelf) -> None:
    shelf.install(board, shelf.order())
    managing.uninstall(board.site, purge=False)

    left = {name for name in board.files() if not name.endswith("progress.json")}
    assert left == {"root/etc/agent.toml"}
    assert board.service.pid is None
    assert not managing.uninstall(board.site, purge=False)["changed"]
    (board.layout.root / "of-another").touch()
    managing.uninstall(board.site, purge=True)
    assert set(board.files()) == {"root/of-another"}
    assert (board.layout.etc / "state" / "progress.json").exists()


# --- interrupted ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["apply", "enable", "restart", "gate"])
def test_what_an_installer_had_begun_is_ended_by_the_next_boot(call: str, board: Board, shelf: Shelf) -> None:
    first = shelf.install(board, shelf.order())
    before = board.files()
    shelf.cut_at(call, board, shelf.order("2.0.0", "silent", QUICK, choice=Choice(CONFIG.encode() + b"# new\n")))
    assert board.layout.pending.exists()

    board.service.restart()  # the boot
    if call == "gate":  # it had switched: the gate decides
        with pytest.raises(InstallError, match="runs again"):
            recover(board.site)
    else:
        assert "interrupted" in str(recover(board.site))
    assert board.files() == before
    assert board.layout.current_release == first["release"]
    assert recover(board.site) is None


def test_a_version_that_delivers_after_the_power_cut_is_kept(board: Board, shelf: Shelf) -> None:
    shelf.install(board, shelf.order())
    asked = shelf.order("2.0.0")
    shelf.cut_at("gate", board, asked)
    board.service.restart()

    assert "is confirmed" in str(recover(board.site))
    assert board.layout.current_release is not None
    assert board.layout.current_release.startswith("2.0.0-")
    assert not install(board.site, asked)["changed"]


def test_a_build_that_was_cut_is_built_again(board: Board, shelf: Shelf) -> None:
    asked = shelf.order()
    half = board.layout.version("1.0.0-00000000")
    (half / "venv").mkdir(parents=True)
    install(board.site, asked)

    assert half.name not in board.layout.releases()


def test_two_installers_never_at_once(board: Board) -> None:
    with jobs.only_one(board.layout), pytest.raises(InstallError, match=f"process {os.getpid()}") as caught:  # noqa: SIM117  the second must fail
        with jobs.only_one(board.layout):
            pass
    assert caught.value.kind == "busy"
    with jobs.only_one(board.layout):
        pass
