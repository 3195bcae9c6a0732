"""A fleet of boards as an operator has it: a fleet file, an authority, a broker with certificates, a collector."""

import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from collector.journal import Journal
from edge_agent.wire.mqtt import BrokerSettings
from edgejoule.cli import main
from edgejoule.pki import names
from edgejoule.pki.authority import Authority, create_authority
from edgejoule.pki.broker_config import broker_lines
from edgejoule.pki.device_files import DeviceFiles
from edgejoule.pki.files import make_folder
from tests.boards.board import METER_PORT, Board
from tests.boards.disk import ROOTS_HOME
from tests.boards.rack import Rack
from tests.fakes.brokers import running_broker
from tests.fakes.delivery import running_subscriber
from tests.fakes.ports import free_port

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
APPLY_TIMEOUT_S: Final = 240.0


@dataclass
class Applied:
    """What ``edgejoule deploy apply`` or ``plan`` ended with. ``said``: its JSON."""

    code: int
    said: dict[str, Any]
    lines: str

    @property
    def boards(self) -> dict[str, dict[str, Any]]:
        return {board["device"]: board for board in self.said["boards"]}

    @property
    def statuses(self) -> dict[str, str]:
        return {name: board["status"] for name, board in self.boards.items()}


@dataclass
class FleetSite:
    """``device_lines``: of the fleet file, by device id; ``write`` writes it."""

    rack: Rack
    folder: Path
    url: str
    journal: Journal
    authority: Authority
    bundle: Path
    device_lines: dict[str, str] = field(default_factory=dict)

    @property
    def file(self) -> Path:
        return self.folder / "fleet.toml"

    def add(self, board: Board, **more: str) -> None:
        """Put a board into the fleet file, under its name."""
        lines = {"id": f'"{board.name}"', "host": f'"{board.address}"', **more}
        self.device_lines[board.name] = "[[device]]\n" + "".join(f"{key} = {value}\n" for key, value in lines.items())
        self.write()

    def write(self, *, gate_s: float = 150.0, roll_out: str = "waves = [1, 2]") -> None:
        self.file.write_text(
            f'[fleet]\nid = "demo"\n[roll_out]\n{roll_out}\n[pki]\ndirectory = "ca"\n'
            f'[defaults]\nuser = "root"\nssh_key = "{self.rack.key_file}"\nbroker = "{self.url}"\n'
            f'model = "digits_mlp_int8"\ngate_seconds = {gate_s}\n'
            f'[defaults.agent]\nmeter = {{ driver = "tc66c", port = "{METER_PORT}", boundary = "usb_dc" }}\n'
            "workload = { inferences_per_s = 5.0 }\nwindow = { window_s = 1.0 }\n"
            'align = { method = "none" }\n' + "".join(self.device_lines.values())
        )

    def apply(self, *words: str, bundle: Path | None = None) -> Applied:
        return self._run("apply", words, bundle, lambda _line, _process: None)

    def plan(self, *words: str, bundle: Path | None = None) -> Applied:
        return self._run("plan", words, bundle, lambda _line, _process: None)

    def apply_while(self, heard: dict[str, Callable[[], None]], *words: str, bundle: Path | None = None) -> Applied:
        """Apply, and call what ``heard`` names when a line of the progress begins with it, each once."""

        def hear(line: str, _process: subprocess.Popen[str]) -> None:
            for begin in [begin for begin in heard if line.startswith(begin)]:
                heard.pop(begin)()

        return self._run("apply", words, bundle, hear)

    def apply_until(self, begin: str, *words: str, bundle: Path | None = None) -> Applied:
        """Apply, and press Ctrl-C when a line of the progress begins so."""

        def hear(line: str, process: subprocess.Popen[str]) -> None:
            if line.startswith(begin):
                process.send_signal(signal.SIGINT)

        return self._run("apply", words, bundle, hear)

    def _run(
        self,
        verb: str,
        words: tuple[str, ...],
        bundle: Path | None,
        hear: Callable[[str, subprocess.Popen[str]], None],
    ) -> Applied:
        known = ["--known-hosts", str(self.rack.known_hosts)]
        asked = [
            verb,
            str(self.file),
            "--bundle",
            str(bundle or self.bundle),
            *known,
            "--no-compile",
            "--json",
            *words,
        ]
        lines: list[str] = []
        with subprocess.Popen(
            [sys.executable, "-m", "edgejoule", "deploy", *asked],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            alarm = threading.Timer(APPLY_TIMEOUT_S, process.kill)
            alarm.start()
            try:
                assert process.stderr is not None
                assert process.stdout is not None
                for line in process.stderr:
                    lines.append(line)
                    hear(line, process)
                said = process.stdout.read()
            finally:
                alarm.cancel()
                alarm.join()
        assert said, "".join(lines)
        return Applied(process.returncode, json.loads(said), "".join(lines))

    def windows_of(self, device_id: str) -> int:
        """Return how many of its windows the collector has."""
        return sum(row.device_id == device_id for row in self.journal.rows_after(0, 1_000_000))


def release_of(board: Board) -> str | None:
    """Return which version runs on a board."""
    link = board.path("/opt/edgejoule/current")
    return link.readlink().name if link.is_symlink() else None


def main_pid(board: Board) -> int:
    return int(board.run("systemctl show --value --property=MainPID edgejoule-agent.service"))


def let_in(board: Board, user: str) -> None:
    """Make a user who logs in with the rack's key and may do all by sudo, as on a Raspberry Pi."""
    board.run(
        f"useradd --create-home {user} && mkdir -m 700 /home/{user}/.ssh && "
        f"cp {ROOTS_HOME}/.ssh/authorized_keys /home/{user}/.ssh/ && chown -R {user}: /home/{user}/.ssh"
    )
    board.path(f"/etc/sudoers.d/{user}").write_text(f"{user} ALL=(ALL) NOPASSWD: ALL\n")


@contextmanager
def fleet_site(rack: Rack, folder: Path, bundle: Path) -> Iterator[FleetSite]:
    """Yield a site without boards; its broker wants a certificate of everybody and lets each write as itself."""
    authority = create_authority(folder / "ca", "fleet")
    collector = DeviceFiles(folder / "collector")
    answer = authority.sign(collector.request(names.service("collector")), names.service("collector"))
    collector.adopt(answer.certificate, answer.authority)
    port = free_port()
    with ExitStack() as stack:
        place = folder / "broker"
        make_folder(place, 0o755)
        words = ["--name", "localhost", "--ip", "127.0.0.1", "--ip", rack.gateway, "--out", str(place)]
        assert main(["pki", "server-cert", str(authority.directory), *words]) == 0
        lines = broker_lines(port=port, certificates=str(place), access_list=str(DEPLOY / "edgejoule.acl"))
        lines, found = re.subn(rf"^listener {port}$", f"listener {port} {rack.gateway}", lines, flags=re.MULTILINE)
        assert found == 1, lines
        once = ("listener", "acl_file", "allow_anonymous")  # what holds for both listeners stands once
        loopback = "".join(f"{line}\n" for line in lines.splitlines() if not line.startswith(once))
        broker = stack.enter_context(running_broker("mosquitto", place, loopback + lines))
        journal = stack.enter_context(closing(Journal(folder / "journal.sqlite3")))
        login = BrokerSettings(
            url=f"mqtts://127.0.0.1:{broker.port}",
            ca_file=str(folder / "collector/ca.crt"),
            cert_file=str(folder / "collector/device.crt"),
            key_file=str(folder / "collector/device.key"),
        )
        stack.enter_context(running_subscriber(journal, login))
        yield FleetSite(rack, folder, f"mqtts://{rack.gateway}:{port}", journal, authority, bundle)
