"""What the installer decides without touching a board: what fits, what the system gets, what a clock is worth."""

import ast
import os
import string
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgejoule.deploy.data import board_data
from edgejoule.deploy.installer_zipapp import installer_zipapp
from edgejoule.deploy.onboard import board, checks, cli, configuration, files, jobs, report, snapshot, system_files
from edgejoule.deploy.onboard.layout import Layout
from edgejoule.deploy.onboard.problems import InstallError
from tests.fakes.tiny_bundle import tiny_bundle

ONBOARD = Path(cli.__file__).parent
RULE = (board_data() / "70-edgejoule-meter.rules").read_text()


# --- one file for any board ----------------------------------------------------------------------------------------


def test_it_speaks_the_python_of_old_boards_and_needs_nothing_installed() -> None:
    for path in ONBOARD.glob("*.py"):
        tree = ast.parse(path.read_text(), feature_version=(3, 8))
        assert "from __future__ import annotations" in path.read_text() or path.name == "__init__.py"
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names = [one.name for one in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            else:
                continue
            assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names, path.name


def test_the_one_file_is_the_same_each_time_and_runs_alone(tmp_path: Path) -> None:
    path = tmp_path / "installer.pyz"
    path.write_bytes(installer_zipapp())
    assert installer_zipapp() == path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
    said = subprocess.run([sys.executable, "-I", path, "--help"], cwd="/", capture_output=True, text=True, check=True)
    assert "rollback" in said.stdout


# --- the meter's name ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("meter", "match"),
    [
        ("A50285BI", 'ENV{ID_SERIAL_SHORT}=="A50285BI"'),
        (
            "/dev/serial/by-id/usb-Nordic_PPK2_E1A2-if01",
            'ENV{ID_SERIAL}=="Nordic_PPK2_E1A2", ENV{ID_USB_INTERFACE_NUM}=="01"',
        ),
        (
            "usb-FTDI_FT232R_USB_UART_A5-if00-port0",
            'ENV{ID_SERIAL}=="FTDI_FT232R_USB_UART_A5", ENV{ID_USB_INTERFACE_NUM}=="00"',
        ),
    ],
)
def test_a_meter_is_named_by_serial_number_or_by_id(meter: str, match: str) -> None:
    rule = system_files.udev_rule(RULE, meter)
    assert f'SUBSYSTEM=="tty", {match}, SYMLINK+="edgejoule-meter"' in rule


@given(st.text(alphabet=string.printable + "äé\0\x85", max_size=40))
def test_no_name_can_say_more_than_a_name(meter: str) -> None:
    """Neither a quote that ends the match, nor a line of its own, nor a pattern that fits every meter."""
    try:
        rule = system_files.udev_rule(RULE, meter)
    except InstallError:
        return
    (line,) = [line for line in rule.splitlines() if line and not line.startswith("#")]
    assert line.count('"') in {6, 8}
    assert not set(line.partition("ENV")[2]) & set("*?[]|\\$`\n")


# --- what the service may do ---------------------------------------------------------------------------------------


def test_a_link_is_of_the_class_of_what_it_leads_to(tmp_path: Path) -> None:
    for name, device in (("a", "/dev/ttyAMA0"), ("b", "/dev/ttyTHS1"), ("c", "/dev/pts/7"), ("d", "/dev/null")):
        (tmp_path / name).symlink_to(device)

    def classes(**config: Any) -> list[str]:
        return system_files.device_classes(config)

    assert classes(meter={"port": str(tmp_path / "a")}) == ["ttyAMA"]
    assert classes(meter={"port": str(tmp_path / "b")}, align={"modem_port": "/dev/ttyUSB3"}) == ["ttyTHS", "ttyUSB"]
    assert classes(meter={"port": str(tmp_path / "c")}, align={"gpio_chip": "/dev/gpiochip4"}) == ["pts", "gpiochip"]
    assert classes(meter={"port": str(tmp_path / "d")}) == []
    assert classes(meter={"port": "socket://meter.lan:3000"}) == []


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout.at(tmp_path / "root", None, tmp_path / "etc")


@pytest.fixture
def release(layout: Layout) -> str:
    """Return a version that brings the real units."""
    data = layout.version("1") / "venv/lib/python3.11/site-packages/edgejoule/_board"
    data.mkdir(parents=True)
    for path in board_data().iterdir():
        if path.is_file():
            (data / path.name).write_bytes(path.read_bytes())
    return "1"


def wanted(layout: Layout, release: str, port: str, content: bytes = b"", **wishes: Any) -> dict[Path, str | None]:
    config = {"device": {}, "meter": {"port": port}}
    found = system_files.wanted_files(layout, release, content, config, system_files.Wishes(**wishes), {})
    return {path: None if file is None else file.content.decode() for path, file in found.items()}


def test_a_usb_adapter_needs_nothing_and_others_what_they_are(layout: Layout, release: str) -> None:
    drop_in = layout.drop_ins / "10-meter.conf"
    assert wanted(layout, release, "/dev/ttyUSB0")[drop_in] is None
    assert "DeviceAllow=char-ttyAMA rw\n" in str(wanted(layout, release, "/dev/ttyAMA0")[drop_in])
    assert "RestrictAddressFamilies=AF_BLUETOOTH\n" in str(wanted(layout, release, "rfcomm://00:11")[drop_in])
    assert "DeviceAllow=char-hidraw rw\n" in str(wanted(layout, release, "x", devices=("hidraw",))[drop_in])
    with pytest.raises(InstallError, match="no class of devices"):
        wanted(layout, release, "x", devices=("tty rw\nExecStartPre=/bin/sh",))


def test_what_was_found_of_a_meter_stays_while_it_is_unplugged(layout: Layout, release: str) -> None:
    drop_in = layout.drop_ins / "10-meter.conf"
    drop_in.parent.mkdir(parents=True)
    drop_in.write_text("[Service]\nDeviceAllow=char-ttyAMA rw\n")

    assert drop_in not in wanted(layout, release, "/dev/edgejoule-meter-that-is-away")


def test_units_name_the_places_of_this_board(layout: Layout, release: str) -> None:
    files_wanted = wanted(layout, release, "/dev/ttyUSB0")
    text = "".join(
        str(files_wanted[layout.units / name]) for name in ("edgejoule-agent.service", "edgejoule-confirm.service")
    )
    assert "/opt/edgejoule" not in text
    assert f"--root {layout.root} --etc {layout.etc}" in text
    with pytest.raises(InstallError, match="without blanks"):
        wanted(Layout.at(Path("/srv/two words")), release, "/dev/ttyUSB0")


def test_chrony_is_told_where_it_is_what_keeps_the_time(layout: Layout, release: str) -> None:
    (layout.system / "chrony").mkdir(parents=True)
    files_wanted = wanted(layout, release, "/dev/ttyUSB0", ntp=("ntp.lan", "fd00::1"))
    assert "server ntp.lan iburst\nserver fd00::1 iburst\n" in str(files_wanted[layout.chrony])
    assert files_wanted[layout.timesyncd] is None
    with pytest.raises(InstallError, match="no name and no address"):
        wanted(layout, release, "/dev/ttyUSB0", ntp=("a\nb",))


def test_secrets_are_taken_from_pki_first(layout: Layout, release: str) -> None:
    (layout.etc / "pki").mkdir(parents=True)
    for place in ("pki/device.key", "device.key", "mqtt-password"):
        (layout.etc / place).write_text("x")
    at = configuration.CREDENTIALS
    content = f'key_file = "{at}device.key"\npassword_file = "{at}mqtt-password"\n'.encode()
    text = str(wanted(layout, release, "/dev/ttyUSB0", content)[layout.drop_ins / "20-credentials.conf"])

    assert f"LoadCredential=device.key:{layout.etc}/pki/device.key\n" in text
    assert f"LoadCredential=mqtt-password:{layout.etc}/mqtt-password\n" in text


def test_a_systemd_that_cannot_hand_over_secrets_is_said() -> None:
    system_files.check_credentials([], 245)
    system_files.check_credentials(["device.key"], 247)
    with pytest.raises(InstallError, match=r"systemd 245 cannot hand device\.key.*SupplementaryGroups"):
        system_files.check_credentials(["device.key"], 245)


# --- room, clock, facts --------------------------------------------------------------------------------------------


def test_room_is_asked_for_before_anything_is_written(tmp_path: Path) -> None:
    """Of a wheel whose table says nearly 4 GiB for each of its files, of which there are enough to fill any disk."""
    bundle = tiny_bundle(tmp_path / "b.zip")
    assert checks.check_room(bundle, tmp_path) > checks.installed_bytes(bundle) > bundle.stat().st_size
    size, count = 2**32 - 2, board.free_bytes(tmp_path) // 2**32 + 2
    with zipfile.ZipFile(tmp_path / "w.whl", "w") as wheel:
        for number in range(count):
            wheel.writestr(f"{number}", b"")
    table = bytearray((tmp_path / "w.whl").read_bytes())
    place = table.find(b"PK\x01\x02")
    while place >= 0:
        table[place + 24 : place + 28] = size.to_bytes(4, "little")
        place = table.find(b"PK\x01\x02", place + 4)
    huge = tmp_path / "huge.zip"
    with zipfile.ZipFile(huge, "w") as archive:
        archive.writestr("wheels/w.whl", bytes(table))

    with pytest.raises(InstallError, match=r"MiB are free.*free \d+ MiB: installer.pyz prune") as caught:
        checks.check_room(huge, tmp_path / "not" / "there" / "yet")
    assert caught.value.kind == "no-space"


@given(st.floats(0, 4e9), st.none() | st.floats(0, 4e9), st.booleans())
def test_a_clock_is_right_or_said_to_be_wrong(now_s: float, reference_s: float | None, allowed: bool) -> None:  # noqa: FBT001
    right = now_s >= checks.OLDEST_UNIX_S and (reference_s is None or abs(now_s - reference_s) <= checks.MAX_OFF_S)
    rules = checks.ClockRules(reference_s, allowed)
    if right or allowed:
        assert (checks.check_clock(rules, now_s) == "") is right
    else:
        with pytest.raises(InstallError, match="TLS would refuse") as caught:
            checks.check_clock(rules, now_s)
        assert "timedatectl" in caught.value.remedy


def test_facts_are_read_as_boards_write_them(tmp_path: Path) -> None:
    release = tmp_path / "os-release"
    release.write_text('# a Pi\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n\nodd\n')
    assert board.os_release(release) == {
        "PRETTY_NAME": "Debian GNU/Linux 12 (bookworm)",
        "ID": "debian",
        "VERSION_ID": "12",
    }
    assert board.os_release(tmp_path / "none") == {}
    jetson = tmp_path / "nv_tegra_release"
    jetson.write_text("# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64\n")
    assert board.l4t_release(jetson) == "R36.4.3"
    assert board.l4t_release(tmp_path / "none") is None
    facts = board.board_facts(tmp_path / "not" / "there")
    assert facts["bits"] in {32, 64}
    assert facts["free_bytes"] > 0
    assert any(version.startswith("3.") for version in facts["pythons"])


# --- files ---------------------------------------------------------------------------------------------------------


NAMES = ("a", "b/c", "d/e/f")


@given(st.lists(st.none() | st.binary(max_size=20), min_size=len(NAMES), max_size=len(NAMES)))
def test_files_are_put_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, contents: list[bytes | None]
) -> None:
    folder = tmp_path_factory.mktemp("snapshot")
    kept = {
        folder / name: None if content is None else snapshot.Wanted(content, 0o640)
        for name, content in zip(NAMES, contents, strict=True)
    }
    snapshot.write(kept)
    snapshot.save(folder / "restore.json", kept)
    snapshot.write({path: snapshot.Wanted(b"other") for path in kept})

    loaded = snapshot.load(folder / "restore.json")
    assert loaded == kept
    snapshot.write(loaded)
    assert snapshot.differing(kept) == []
    assert (folder / "restore.json").stat().st_mode & 0o777 == 0o600


def test_a_line_that_a_power_cut_tore_is_passed_over(tmp_path: Path) -> None:
    history = tmp_path / "history.jsonl"
    files.append_history(history, "confirmed", to="1")
    with history.open("a") as file:
        file.write('{"event": "rolled-')
    assert [entry["event"] for entry in files.read_history(history)] == ["confirmed"]


def test_what_the_agent_writes_cannot_hold_up_root_or_lead_it_elsewhere(tmp_path: Path) -> None:
    said = tmp_path / "said.json"
    said.write_text("{}")
    (tmp_path / "link").symlink_to(said)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "deep").write_text("[" * 1_000_000)
    (tmp_path / "no-text").write_bytes(b'{"a": "\xff"}')

    assert files.read_json(said) == {}
    for name in ("link", "pipe", "deep", "no-text", "not-there"):
        assert files.read_json(tmp_path / name) is None


@pytest.mark.parametrize("said", ["nonsense", r"\377", "[1]", '{"device": {}}', "[" * 100_000], ids=range(5))
def test_a_version_that_does_not_tell_its_configuration_is_refused(said: str) -> None:
    with pytest.raises(InstallError, match="says nothing of its configuration"):
        configuration._checked(["printf", said])


def test_nobody_who_reads_along_is_needed(tmp_path: Path) -> None:
    """The log of a job may be on the disk that is full, and a pipe may end; the work goes on."""
    with Path("/dev/full").open("w") as full, (tmp_path / "log").open("w") as log:
        report.Report(report.json_lines(full)).note("x")
        os.dup2(log.fileno(), full.fileno())
    assert (tmp_path / "log").read_text() == '{"event": "note", "text": "x"}\n', "there is room again"
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        report.Report(report.json_lines(pipe)).note("x")


def test_a_job_is_over_whose_number_another_process_has(layout: Layout) -> None:
    with jobs.only_one(layout):
        assert jobs._running(layout)
        written = (layout.root / ".lock").read_text()
    assert not jobs._running(layout)
    (layout.root / ".lock").write_text(written.replace(f" {os.getpid()} ", " 1 "))
    assert not jobs._running(layout)


def test_a_place_that_the_service_does_not_see_is_refused(tmp_path: Path) -> None:
    (tmp_path / "opt").symlink_to("/home/opt")
    system_files.check_seen(Layout.at(Path("/opt/edgejoule"), Path("/etc/edgejoule")))
    for root in (tmp_path / "opt" / "edgejoule", Path("/home/pi/edgejoule"), Path("/root")):
        with pytest.raises(InstallError, match=r"sees nothing below .*--no-service"):
            system_files.check_seen(Layout.at(root, Path("/etc/edgejoule")))
