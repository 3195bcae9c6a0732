"""What goes wrong while a version takes the place of another: nothing is lost that was there before."""

import sys
from pathlib import Path
from typing import Any

import pytest

from edgejoule.deploy.onboard import files, managing
from edgejoule.deploy.onboard.configuration import CREDENTIALS, Choice
from edgejoule.deploy.onboard.gate import Gate
from edgejoule.deploy.onboard.install import Order, install
from edgejoule.deploy.onboard.problems import InstallError
from edgejoule.deploy.onboard.switching import recover
from tests.fakes.delivery import wait_until
from tests.fakes.shelf import CONFIG, PATIENT, QUICK, Shelf
from tests.fakes.stand_in_service import Board
from tests.fakes.tiny_bundle import Behaviour, tiny_bundle

pytestmark = pytest.mark.xdist_group("onboard")


def with_password(folder: Path, password: str) -> dict[str, Any]:
    given = folder / f"given-{password}"
    given.write_text(password)
    config = f'{CONFIG}[broker]\npassword_file = "{CREDENTIALS}mqtt-password"\n'
    return {"choice": Choice(config.encode()), "secrets": {"mqtt-password": given}}


@pytest.mark.parametrize("behaviour", ["silent", "refuses"])
def test_a_secret_of_a_version_that_failed_does_not_stay(
    behaviour: Behaviour, board: Board, shelf: Shelf, tmp_path: Path
) -> None:
    shelf.install(board, shelf.order(**with_password(tmp_path, "right")))
    with pytest.raises(InstallError):
        shelf.install(board, shelf.order("2.0.0", behaviour, QUICK, **with_password(tmp_path, "wrong")))

    secret = board.layout.etc / "mqtt-password"
    assert (secret.read_text(), secret.stat().st_mode & 0o777) == ("right", 0o600)


def test_a_secret_that_was_changed_since_stays_when_a_person_goes_back(
    board: Board, shelf: Shelf, tmp_path: Path
) -> None:
    shelf.install(board, shelf.order(**with_password(tmp_path, "old")))
    shelf.install(board, shelf.order("2.0.0", **with_password(tmp_path, "new")))
    managing.roll_back(board.site, PATIENT)

    assert (board.layout.etc / "mqtt-password").read_text() == "new"


def test_what_the_first_installer_wrote_is_not_taken_for_a_persons_change(board: Board, shelf: Shelf) -> None:
    with pytest.raises(InstallError, match="first here"):
        shelf.install(board, shelf.order(behaviour="silent", gate=QUICK))

    corrected = CONFIG.encode() + b"# the right broker\n"
    assert shelf.install(board, shelf.order(choice=Choice(corrected)))["changed"]


def test_the_first_version_of_all_is_judged_after_a_power_cut(board: Board, shelf: Shelf) -> None:
    shelf.cut_at("gate", board, shelf.order(behaviour="silent", gate=QUICK))

    assert board.layout.installer.is_file(), "what the boot runs to judge it"
    board.service.restart()
    with pytest.raises(InstallError, match="is stopped"):
        recover(board.site)
    assert board.service.pid is None


def test_nothing_that_may_be_needed_is_pruned_while_a_switch_is_open(board: Board, shelf: Shelf) -> None:
    for version in ("1.0.0", "2.0.0"):
        last = shelf.install(board, shelf.order(version))["release"]
    shelf.cut_at("gate", board, shelf.order("3.0.0", "silent", QUICK))

    assert managing.prune(board.site) == []
    assert managing.roll_back(board.site, PATIENT)["release"] == last, "at once, not a version further back"
    assert board.layout.current_release == last
    assert not board.layout.pending.exists()
    wait_until(lambda: board.service.pid is not None, "the version before runs")


def test_another_version_may_follow_one_that_was_left_in_the_middle(board: Board, shelf: Shelf) -> None:
    shelf.install(board, shelf.order())
    shelf.cut_at("gate", board, shelf.order("2.0.0", "silent", QUICK))

    assert shelf.install(board, shelf.order("3.0.0"))["changed"]
    assert any("runs again" in event.get("text", "") for event in board.events)
    assert str(board.layout.current_release).startswith("3.0.0-")


def test_the_old_version_runs_even_where_its_files_cannot_come_back(board: Board, shelf: Shelf) -> None:
    """As on a disk that is full by then; the boot tries again."""
    first = shelf.install(board, shelf.order())
    before = board.files()

    def occupy(call: str) -> None:
        if call == "restart" and not board.layout.config.is_dir():
            board.layout.config.unlink()
            (board.layout.config / "in the way").mkdir(parents=True)

    board.service._before = occupy
    with pytest.raises(InstallError, match=r"going back failed.*installer.pyz confirm"):
        shelf.install(board, shelf.order("2.0.0", "crashes", QUICK, choice=Choice(CONFIG.encode() + b"# new\n")))
    assert board.layout.current_release == first["release"]
    assert board.service.calls[-2:] == ["apply", "restart"]
    assert board.layout.pending.exists()

    board.service._before = lambda _: None
    files.remove(board.layout.config)
    assert "was undone" in str(recover(board.site))
    assert board.files() == before


def test_going_back_that_was_cut_is_gone_on_with_and_not_judged_again(board: Board, shelf: Shelf) -> None:
    """With the configuration of before half back, the gate would be passed by the wrong one."""
    shelf.install(board, shelf.order())
    before = board.files()

    def journal() -> list[str]:  # asked for when going back begins
        board.service.cut_at = "apply"
        return []

    board.service.journal = journal  # type: ignore[method-assign]
    shelf.cut_at("", board, shelf.order(gate=Gate(seconds=0.0), choice=Choice(CONFIG.encode() + b"# new\n")))
    board.service.journal = list  # type: ignore[method-assign]
    board.service.restart()
    assert "was undone" in str(recover(board.site))
    assert board.files() == before


def test_a_link_made_by_hand_to_something_else_is_said(board: Board, shelf: Shelf) -> None:
    shelf.install(board, shelf.order())
    files.point(board.layout.current, "/usr")
    shelf.install(board, shelf.order("2.0.0"))

    assert any("nothing to go back to" in event.get("text", "") for event in board.events)


@pytest.mark.parametrize("to", ["../versions", "/usr", "..", "9.9.9-00000000"])
def test_one_goes_back_only_to_what_is_here(to: str, board: Board, shelf: Shelf) -> None:
    shelf.install(board, shelf.order())
    (board.layout.root / "complete.json").touch()
    with pytest.raises(InstallError, match="there is no version"):
        managing.roll_back(board.site, QUICK, to)


def test_nothing_of_a_bundle_is_believed_before_its_signature(board: Board, tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path / "b.zip", requires={"python": "3.99", "apt": ["something-evil"]})
    key = tmp_path / "key.pub"
    key.write_text("-----BEGIN PUBLIC KEY-----\n")
    with pytest.raises(InstallError) as caught:
        install(board.site, Order(bundle, choice=Choice(CONFIG.encode()), signer=key, python=sys.executable))

    assert caught.value.kind == "signature"
