"""The boards that deployment is tested on are what they claim: real systemd, own disk, own network, real sshd."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.boards.board import METER_PORT, Board
from tests.boards.disk import Disk
from tests.boards.rack import MIB, Rack

pytestmark = [pytest.mark.boards, pytest.mark.mosquitto, pytest.mark.compiler]


@pytest.fixture(scope="module")
def pair(boards: Rack) -> list[Board]:
    assert boards.journal.last_row_id() == 0
    return [boards.add(), boards.add(disk_bytes=8 * MIB)]


def over_ssh(board: Board, command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*board.ssh_words(), command], capture_output=True, text=True, check=False, timeout=60)


def test_each_has_its_own_systemd_name_and_sshd(pair: list[Board]) -> None:
    for board in pair:
        done = over_ssh(board, "hostname; cat /proc/1/comm; systemctl is-system-running")
        assert done.stdout.split() == [board.name, "systemd", "running"], done.stderr


def test_each_has_its_own_disk_and_it_runs_full(pair: list[Board]) -> None:
    large, small = pair
    assert not small.succeeds("head -c 20M /dev/zero > /opt/filler")
    assert large.succeeds("head -c 20M /dev/zero > /opt/filler")
    small.run("rm /opt/filler")
    assert not Path("/opt/filler").exists()


def test_a_service_is_held_by_its_sandbox(pair: list[Board]) -> None:
    ask = "systemd-run --quiet --wait --pipe -p DevicePolicy={} head -c0 /dev/net/tun"
    assert not pair[0].succeeds(ask.format("closed"))


def test_a_meter_and_a_broker_are_within_reach(boards: Rack, pair: list[Board]) -> None:
    pair[0].plug_meter("tc66c")
    assert pair[0].run(f"stat --dereference --format=%G:%a {METER_PORT}").strip() == "dialout:660"
    host, port = boards.broker_url.removeprefix("mqtt://").split(":")
    assert pair[0].succeeds(f"bash -c '</dev/tcp/{host}/{port}'")


def test_a_shifted_clock_is_what_a_visitor_sees(pair: list[Board]) -> None:
    pair[0].shift_clock(-1_000_000)
    shifted_s = int(over_ssh(pair[0], "date +%s").stdout)
    by_python_s = int(over_ssh(pair[0], "python3 -c 'import time; time.sleep(0.1); print(int(time.time()))'").stdout)
    pair[0].shift_clock(0)
    assert 0 <= int(over_ssh(pair[0], "date +%s").stdout) - shifted_s - 1_000_000 < 100
    assert 0 <= by_python_s - shifted_s < 100


def test_what_was_written_outlives_a_power_cut(pair: list[Board]) -> None:
    board = pair[0]
    boot_id = board.run("cat /proc/sys/kernel/random/boot_id")
    board.run("touch /opt/kept; touch /run/gone")
    board.cut_power()
    assert board.path("/opt/kept").exists()
    board.boot()
    assert board.succeeds("test -e /opt/kept -a ! -e /run/gone")
    assert board.run("cat /proc/sys/kernel/random/boot_id") != boot_id
    board.wait_for(f"test -e {METER_PORT}")


def test_an_unplugged_board_is_not_reached(pair: list[Board]) -> None:
    pair[1].unplug_network()
    try:
        assert not pair[0].succeeds(f"timeout 1 bash -c '</dev/tcp/{pair[1].address}/22'")
    finally:
        pair[1].plug_network()
    pair[0].wait_for(f"timeout 1 bash -c '</dev/tcp/{pair[1].address}/22'")


def test_the_disks_of_a_killed_run_are_gone_with_the_next(tmp_path: Path) -> None:
    code = "import os, sys; from pathlib import Path; from tests.boards.disk import Disk; "
    code += "Disk(Path(sys.argv[1]), 1 << 20); os.kill(os.getpid(), 9)"
    left = tmp_path / "left"
    subprocess.run([sys.executable, "-c", code, str(left)], check=False, timeout=60)
    assert left.is_mount()
    Disk(tmp_path / "next", MIB).close()
    assert not left.is_mount()
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text()
