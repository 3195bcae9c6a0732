"""The installer as the one file that it is on a board, in a process of its own."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgejoule.deploy.installer_zipapp import installer_zipapp
from edgejoule.deploy.onboard import cli
from tests.fakes.shelf import CONFIG
from tests.fakes.tiny_bundle import tiny_bundle

pytestmark = pytest.mark.xdist_group("onboard")


@pytest.fixture
def installer(tmp_path: Path) -> Path:
    path = tmp_path / "installer.pyz"
    path.write_bytes(installer_zipapp())
    return path


def run(installer: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", str(installer), *words], capture_output=True, text=True, timeout=120, check=False
    )


def test_an_installer_goes_on_when_its_session_breaks(installer: Path, tmp_path: Path) -> None:
    bundle, root = tiny_bundle(tmp_path / "b.zip", config=CONFIG), tmp_path / "root"
    words = ["--bundle", str(bundle), "--no-service", "--root", str(root), "--no-compile"]
    session = subprocess.Popen(
        [sys.executable, "-I", str(installer), "install", *words], stdout=subprocess.PIPE, text=True
    )
    try:
        assert session.stdout is not None
        job = session.stdout.readline().split('"id": "')[1].split('"')[0]
    finally:
        session.send_signal(signal.SIGKILL)
        session.wait()
        if session.stdout is not None:
            session.stdout.close()

    followed = run(installer, "follow", job, "--root", str(root))
    assert followed.returncode == 0, followed.stdout + followed.stderr
    assert '"outcome": "installed"' in followed.stdout.splitlines()[-1]
    again = run(installer, "install", *words)
    assert (again.returncode, '"outcome": "unchanged"' in again.stdout) == (0, True)
    assert '"changed_by_hand": false' in run(installer, "status", "--no-service", "--root", str(root)).stdout


FULL = """
set -e
mount -t tmpfs none {root}
{installer} --bundle {first} > {root}/first.log
mount -o remount,nr_inodes=$(( $(df --output=iused {root} | tail -1) + 20 )) {root}
{installer} --bundle {second} > {root}/second.log || true
tail -n 1 {root}/second.log
mount -o remount,nr_inodes=$(( $(df --output=iused {root} | tail -1) )) {root}
{apart} --bundle {second} || true
ls {root}/edgejoule/versions
readlink {root}/edgejoule/current
"""


@pytest.mark.boards  # it mounts
def test_a_disk_that_runs_full_in_the_middle_leaves_the_old_version_and_no_half_one(
    installer: Path, tmp_path: Path
) -> None:
    """Out of room for files, not for bytes: what a look at the free bytes before does not show."""
    root = tmp_path / "disk"
    root.mkdir()
    where = f"--no-service --root {root}/edgejoule --python {sys.executable} --no-compile"
    script = FULL.format(
        root=root,
        installer=f"{sys.executable} -I {installer} install {where} --foreground",
        apart=f"{sys.executable} -I {installer} install {where}",
        first=tiny_bundle(tmp_path / "1.zip", "1.0.0", config=CONFIG),
        second=tiny_bundle(tmp_path / "2.zip", "2.0.0", config=CONFIG),
    )
    said = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True, timeout=120, check=True
    ).stdout.splitlines()

    assert '"kind": "no-space"' in said[0]
    assert '"kind": "no-space"' in said[1], "also where not even the log of a job can be made"
    assert [line.split("-")[0] for line in said[2:]] == ["1.0.0", "versions/1.0.0"]


def test_names_of_files_hold_where_the_installer_was_called(installer: Path, tmp_path: Path) -> None:
    """It goes on in a process apart; and a file that is named like a verb is no argument."""
    tiny_bundle(tmp_path / "b.zip", config=CONFIG)
    (tmp_path / "install").touch()
    words = ["install", "--bundle=b.zip", "--no-service", "--root", "root", "--no-compile", "--python", sys.executable]
    done = subprocess.run(
        [sys.executable, "-I", installer.name, *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=tmp_path,
    )
    assert '"outcome": "installed"' in done.stdout.splitlines()[-1], done.stdout + done.stderr
    assert (tmp_path / "root" / "current").is_symlink()


@pytest.mark.parametrize(
    "words",
    [
        ["--gate-windows", "0"],
        ["--gate-seconds", "nan"],
        ["--gate-seconds", "0"],
        ["--clock-now", "nan"],
        ["--secret", "agent.toml=/etc/hostname"],
        ["--secret", "../x=/etc/hostname"],
        ["--etc", "/etc"],
    ],
)
def test_what_would_disarm_gate_or_board_is_wrong_usage(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["install", "--foreground", "--no-service", "--root", str(tmp_path), "--bundle", str(tmp_path / "b.zip")]
    try:
        code = cli.main([*asked, *words])
    except SystemExit as error:
        code = int(error.code or 0)
    assert code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_what_cannot_be_is_one_line_with_its_remedy(installer: Path, tmp_path: Path) -> None:
    missing = run(
        installer, "install", "--bundle", str(tmp_path / "none.zip"), "--no-service", "--root", str(tmp_path)
    )
    assert missing.returncode == 1
    assert "none.zip" in missing.stdout
    assert missing.stderr == ""
    assert '"kind": "bundle"' in missing.stdout.splitlines()[-1]
    assert run(installer, "rollback", "--no-service", "--root", str(tmp_path)).returncode == 1
    assert run(installer, "nonsense").returncode == 2
