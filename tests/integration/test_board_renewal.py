"""A board's certificate is renewed by its timer's service, in its sandbox, under an agent that runs on copies."""

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edgejoule.pki import names
from edgejoule.pki.authority import Authority
from edgejoule.pki.server import Place, serving
from tests.boards.board import METER_PORT, Board
from tests.boards.fleet_site import FleetSite, fleet_site, main_pid
from tests.boards.rack import Rack
from tests.fakes.delivery import wait_until

pytestmark = [pytest.mark.boards, pytest.mark.mosquitto, pytest.mark.slow, pytest.mark.xdist_group("boards")]

LONG_AGO_S = 300 * 86_400.0
"""What was signed for a year so long ago is due."""
PKI = "/etc/edgejoule/pki"
CREDENTIALS = "/run/credentials/edgejoule-agent.service"
AGENT, RENEW = "edgejoule-agent.service", "edgejoule-renew.service"
DROP_IN = f"/etc/systemd/system/{AGENT}.d/90-test.conf"
INSTALLER = "python3 /srv/bundle/installer.pyz"
BUNDLE = "--bundle /srv/edgejoule.bundle.zip --no-compile"


class Clock:
    """The authority's own."""

    behind_s = 0.0

    def __call__(self) -> float:
        return time.time() - self.behind_s


@dataclass
class Enrolled:
    """A board that delivers with a certificate that is due; ``clock``: that of the server where it renews."""

    site: FleetSite
    board: Board
    clock: Clock

    def in_use(self) -> str:
        """Return the certificate in use on the board."""
        return self.board.run(f"cat {PKI}/device.crt")

    def renew(self) -> bool:
        """Do what the timer does; tell whether it went well."""
        return self.board.succeeds(f"systemctl start {RENEW}")

    def said(self) -> str:
        return self.board.run(f"journalctl --unit {RENEW} --no-pager --output cat")

    def delivers(self) -> None:
        """Return when the collector has one window more."""
        count = self.site.windows_of(self.board.name)
        wait_until(lambda: self.site.windows_of(self.board.name) > count, "a window more", 60)


@pytest.fixture(scope="module")
def enrolled(boards: Rack, board_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Enrolled]:
    with fleet_site(boards, tmp_path_factory.mktemp("renewal"), board_bundle) as site:
        clock = Clock()
        authority = Authority(site.authority.directory, now_unix_s=clock)
        with serving(authority, Place(boards.gateway, 0, [], [boards.gateway])) as server:
            board = boards.add()
            clock.behind_s = LONG_AGO_S
            token = authority.give_token(names.device(board.name), 3600.0)
            install(site, board, f"--server {server.url} --token {token}")
            clock.behind_s = 0.0
            yield Enrolled(site, board, clock)


def install(site: FleetSite, board: Board, enrol: str) -> None:
    """Build the version, enrol with it, and install it with a configuration that names credentials."""
    board.plug_meter("tc66c")
    shutil.copy(site.bundle, board.path("/srv/edgejoule.bundle.zip"))
    board.path("/srv/agent.toml").write_text(f"""
    [device]
    id = "{board.name}"
    fleet = "demo"
    [meter]
    driver = "tc66c"
    port = "{METER_PORT}"
    boundary = "usb_dc"
    [model]
    id = "digits_mlp_int8"
    [workload]
    duty_ratio = 0.1
    [window]
    window_s = 1.0
    [align]
    method = "none"
    [broker]
    url = "{site.url}"
    ca_file = "{CREDENTIALS}/ca.crt"
    cert_file = "{CREDENTIALS}/device.crt"
    key_file = "{CREDENTIALS}/device.key"
    """)
    board.run("cd /srv && python3 -m zipfile -e edgejoule.bundle.zip bundle")
    board.run(f"{INSTALLER} build {BUNDLE}", timeout_s=200.0)
    board.run(f"/opt/edgejoule/versions/*/venv/bin/edgejoule pki enrol {enrol} --out {PKI}")
    board.run(f"{INSTALLER} install {BUNDLE} --config /srv/agent.toml --gate-seconds 90", timeout_s=200.0)


def test_the_agent_goes_on_with_the_next_certificate(enrolled: Enrolled) -> None:
    board = enrolled.board
    assert board.run("systemctl is-enabled edgejoule-renew.timer").strip() == "enabled"
    assert board.run("systemd-analyze verify --man=no /etc/systemd/system/edgejoule-renew.* 2>&1") == ""
    pid, before = main_pid(board), enrolled.in_use()

    assert enrolled.renew(), enrolled.said()
    assert enrolled.in_use() not in {before, ""}
    assert board.run(f"cat {CREDENTIALS}/device.crt") == enrolled.in_use()
    assert board.run(f"cat {CREDENTIALS}/device.key") == board.run(f"cat {PKI}/device.key")
    restarted = main_pid(board)
    assert restarted not in {0, pid}
    enrolled.delivers()

    assert enrolled.renew(), enrolled.said()
    assert "nothing done" in enrolled.said()
    assert main_pid(board) == restarted


def test_an_agent_that_does_not_take_the_next_certificate_gets_the_old_one_back(enrolled: Enrolled) -> None:
    board = enrolled.board
    before = make_due(enrolled)
    board.path("/srv/known.crt").write_text(before)
    board.path(DROP_IN).write_text("[Service]\nExecStartPre=+/usr/bin/cmp /srv/known.crt %d/device.crt\n")
    try:
        board.run("systemctl daemon-reload")
        assert not enrolled.renew()
        assert "does with the old one, which is in use again" in enrolled.said()
        assert enrolled.in_use() == before
        enrolled.delivers()
        issued = len(enrolled.site.authority.entries())
    finally:
        board.path(DROP_IN).unlink()
        board.run("systemctl daemon-reload")
    assert enrolled.renew(), enrolled.said()
    assert enrolled.in_use() != before
    assert len(enrolled.site.authority.entries()) == issued, "it goes on with the certificate that it had already"


def test_a_meter_that_is_unplugged_does_not_keep_the_old_certificate_in_use(enrolled: Enrolled) -> None:
    """An agent that is restarted without its meter does not start, whatever the certificate."""
    board = enrolled.board
    before = make_due(enrolled)
    board.run("systemctl stop board-meter.service")
    try:
        assert not enrolled.renew()
        assert "starts neither with the new certificate, which is in use" in enrolled.said()
    finally:
        board.run("systemctl start board-meter.service")
    assert enrolled.in_use() != before
    board.run(f"systemctl restart {AGENT}")
    enrolled.delivers()
    assert board.run(f"cat {CREDENTIALS}/device.crt") == enrolled.in_use()


def make_due(enrolled: Enrolled) -> str:
    """Let the board have a certificate that is due, and its agent run with it; return it."""
    enrolled.clock.behind_s = LONG_AGO_S
    enrolled.board.run(f"/opt/edgejoule/current/venv/bin/edgejoule pki renew --out {PKI} --restart {AGENT}")
    enrolled.clock.behind_s = 0.0
    return enrolled.in_use()
