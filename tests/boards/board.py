"""One board: systemd as process 1 on its own disk, in a network namespace, with sshd."""

import contextlib
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import psutil

from tests.boards.disk import Disk
from tests.boards.network import Network

METER_PORT: Final = "/run/board-meter/tty"
BOOT_TIMEOUT_S: Final = 60.0
PATIENCE_S: Final = 60.0
_STOP_TIMEOUT_S: Final = 20.0
_CGROUPS: Final = ("/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup")
_SHIFTED_CLOCK: Final = "/usr/lib/shifted_clock.so"
_CHECKOUT: Final = Path(__file__).parents[2]
# Whoever ends unshare ends them all: the kernel ends a PID namespace, and those in it, with its first process.
_BOOT: Final = """
for group in {groups}; do mkdir -p $group; sh -c 'echo $PPID' > $group/cgroup.procs; done
export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
exec setpriv --pdeathsig KILL unshare --pid --fork --kill-child=KILL --mount-proc \
  systemd-nspawn --quiet --directory={root} --machine={name} --register=no --keep-unit \
  --network-namespace-path=/run/netns/{namespace} --capability=all --system-call-filter=bpf --console=pipe {ours} \
  --boot systemd.unit=board.target </dev/null >>{console} 2>&1
"""
_METER_SERVICE: Final = """[Unit]
Description=The meter of this board, emulated

[Service]
RuntimeDirectory=board-meter
WorkingDirectory={checkout}
ExecStart={python} -m edgejoule meter emulate --link {link} --seed 1 {options} {driver}
ExecStartPost=/bin/sh -c 'until [ -e {link} ]; do sleep 0.1; done; chgrp dialout {link}; chmod 0660 {link}'

[Install]
WantedBy=multi-user.target
"""


def _hidden() -> list[Path]:
    """Return what the emulated meter runs from and the overlay does not show: below a /tmp of its own, or mounted."""
    ours = (_CHECKOUT, Path(sys.prefix), Path(sys.base_prefix))
    return [one for one in ours if one.is_relative_to("/tmp") or one.stat().st_dev != Path("/").stat().st_dev]


class Board:
    """``name`` is also its host name; ``address`` is where sshd listens once ``boot`` has returned."""

    def __init__(self, name: str, network: Network, disk: Disk, key_file: Path) -> None:
        self.name = name
        self.namespace, self.address = network.add()
        self.key_file = key_file
        self._network = network
        self._disk = disk
        # The switch. Not each boot, but this is a child of the tests, so that a test may cut the power and boot.
        self._switch = subprocess.Popen(["sh", "-s"], stdin=subprocess.PIPE, start_new_session=True)
        self._groups = [f"{root}/{self.namespace}" for root in _CGROUPS if Path(root, "cgroup.procs").is_file()]

    def path(self, place: str) -> Path:
        """Return the board's file as this side sees it."""
        return self._disk.path(place)

    def boot(self) -> None:
        """Switch it on; return when its systemd is up and its sshd listens."""
        console = self._disk.root.parent / "console.log"
        script = _BOOT.format(
            groups=" ".join(self._groups),
            root=self._disk.root,
            name=self.name,
            namespace=self.namespace,
            console=console,
            ours=" ".join(f"--bind-ro={path}" for path in _hidden()),
        )
        self._tell(f"({script}) &\n")
        deadline_s = time.monotonic() + BOOT_TIMEOUT_S
        while not (self._is_up() and self._answers_ssh()):
            if time.monotonic() > deadline_s:
                raise RuntimeError(f"{self.name} did not boot: {console.read_text(errors='replace')[-3000:]}")
            time.sleep(0.05)

    def run(self, command: str, *, check: bool = True, timeout_s: float = PATIENCE_S) -> str:
        """Run a shell command on the board as root, not by SSH; return its stdout."""
        done = self._inside(command, timeout_s)
        if check and done.returncode != 0:
            raise AssertionError(f"{self.name}: {command!r} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def succeeds(self, command: str) -> bool:
        """Run a shell command on the board; tell whether it ended well."""
        return self._inside(command, PATIENCE_S).returncode == 0

    def wait_for(self, command: str, timeout_s: float = PATIENCE_S) -> None:
        """Return when ``command`` ends well on the board."""
        deadline_s = time.monotonic() + timeout_s
        while not self.succeeds(command):
            if time.monotonic() > deadline_s:
                journal = self.run("journalctl --no-pager -n 30", check=False)
                raise AssertionError(f"{self.name}: not within {timeout_s} s: {command}\n{journal}")
            time.sleep(0.2)

    def ssh_words(self, user: str = "root") -> list[str]:
        """Return the command line that reaches it by SSH, without the remote command."""
        options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
        return ["ssh", "-i", str(self.key_file), *options, f"{user}@{self.address}"]

    def host_key(self) -> str:
        """Return its line of a known_hosts file."""
        kind, key = self.path("/etc/ssh/ssh_host_ed25519_key.pub").read_text().split()[:2]
        return f"{self.address} {kind} {key}\n"

    def plug_meter(self, driver: str, options: str = "--idle-w 2") -> None:
        """Start an emulated meter at ``METER_PORT``; it is there again after every boot."""
        unit = _METER_SERVICE.format(
            checkout=_CHECKOUT, python=sys.executable, link=METER_PORT, options=options, driver=driver
        )
        self.path("/etc/systemd/system/board-meter.service").write_text(unit)
        self.run("systemctl daemon-reload && systemctl enable --quiet --now board-meter.service")

    def shift_clock(self, by_s: int) -> None:
        """Let everybody who comes by SSH see a time that is ``by_s`` seconds from the true one; 0 for that one."""
        source = Path(__file__).with_name("shifted_clock.c")
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", self.path(_SHIFTED_CLOCK), source], check=True)
        lines = f"SetEnv LD_PRELOAD={_SHIFTED_CLOCK} SHIFTED_CLOCK_S={by_s}\n" if by_s else ""
        config = self.path("/etc/ssh/sshd_config")
        kept = [line for line in config.read_text().splitlines(keepends=True) if not line.startswith("SetEnv")]
        config.write_text("".join(kept) + lines)
        self.run("systemctl restart ssh.service")  # a reload returns before sshd listens again

    def unplug_network(self) -> None:
        """Make it unreachable."""
        self._network.unplug(self.namespace)

    def plug_network(self) -> None:
        """Make it reachable again."""
        self._network.plug(self.namespace)

    def cut_power(self) -> None:
        """End everything on it at once."""
        children = psutil.Process(self._switch.pid).children()
        for child in children:
            child.kill()
        self._tell("wait\n")
        _, left = psutil.wait_procs(children, _STOP_TIMEOUT_S)
        assert not left, f"{self.name} does not end: {left}"
        for group in self._groups:
            _remove_group(Path(group))

    def close(self) -> None:
        """Switch it off for good."""
        try:
            self.cut_power()
        finally:
            self._switch.communicate(timeout=_STOP_TIMEOUT_S)

    def _inside(self, command: str, timeout_s: float) -> subprocess.CompletedProcess[str]:
        words = ["nsenter", "--target", str(self._first_process()), "--mount", "--uts", "--ipc", "--net", "--pid"]
        return subprocess.run(
            [*words, "--", "sh", "-c", command],
            check=False,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            stdin=subprocess.DEVNULL,
            env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"},
        )

    def _first_process(self) -> int:
        for process in psutil.Process(self._switch.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if process.name() == "systemd" and process.cmdline()[-1:] == ["systemd.unit=board.target"]:
                    return process.pid
        raise RuntimeError(f"{self.name} is switched off")

    def _is_up(self) -> bool:
        with contextlib.suppress(RuntimeError, psutil.Error):
            state = self._inside("systemctl is-system-running", PATIENCE_S).stdout.strip()
            return state in {"running", "degraded"}
        return False

    def _answers_ssh(self) -> bool:
        # Asked from inside: an unplugged board boots too.
        return self.succeeds("ss --listening --tcp --numeric | grep -q ':22 '")

    def _tell(self, line: str) -> None:
        assert self._switch.stdin is not None
        self._switch.stdin.write(line.encode())
        self._switch.stdin.flush()


def _remove_group(group: Path) -> None:
    """Remove a cgroup with all below it, once the kernel has reaped what was in it."""
    deadline_s = time.monotonic() + _STOP_TIMEOUT_S
    while group.is_dir() and time.monotonic() < deadline_s:
        for folder in sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True):
            with contextlib.suppress(OSError):
                folder.rmdir()
        with contextlib.suppress(OSError):
            group.rmdir()
        if group.is_dir():
            time.sleep(0.05)
