"""The agent on another processor: installed there from a real bundle by the real installer, and delivering from there.

On this machine run what it talks to: the emulated meter behind a pseudo-terminal, mosquitto with TLS, the collector.
"""

import json
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from collector.values import DeviceState, LedgerLine, StoredWindow
from tests.fakes.brokers import running_broker
from tests.fakes.certificates import LOOPBACK, Authority, Pair
from tests.fakes.delivery import CollectorProcess, wait_until
from tests.fakes.secure_brokers import tls_lines
from tests.userland.rootfs import debian_root, mirror
from tests.userland.userland import SHARED, Userland, ask_to_end

DEVICE_ID = "pi4-userland"
STATE_DIR = "/var/lib/edgejoule-agent"
WINDOWS = 2
PATIENCE_S = 120.0
BUNDLE_TIMEOUT_S = 300.0
END_TIMEOUT_S = 90.0
AGENT_TOML = """\
[device]
id = "{device}"
device_class = "raspberry-pi-4b"
state_dir = "{state_dir}"
[meter]
driver = "tc66c"
port = "{shared}/meter"
boundary = "usb_dc"
[model]
id = "digits_mlp_int8"
[workload]
duty_ratio = 0.1
[window]
window_s = 3.0
[align]
method = "none"
[broker]
url = "mqtts://127.0.0.1:{port}"
ca_file = "{shared}/{authority}"
cert_file = "{shared}/{cert}"
key_file = "{shared}/{key}"
"""


@dataclass(frozen=True)
class Delivered:
    """What came of it. ``progress``: what the agent said of itself last."""

    manifest: dict[str, object]
    result: dict[str, object]
    progress: dict[str, object]
    device: DeviceState
    line: LedgerLine
    windows: list[StoredWindow]


def run_agent(folder: Path, target: str, architecture: str, qemu: str, packages: Sequence[str]) -> Delivered:
    """Install the bundle of ``target``, deliver some windows, end the agent, and return what the collector has."""
    shared = folder / "shared"
    shared.mkdir()
    lower = debian_root(architecture, packages)
    bundle = make_bundle(shared / "edgejoule.bundle.zip", target, folder)
    userland = Userland.make(lower, folder / "layer", shared, qemu)
    authority = Authority(shared)
    lines = tls_lines(authority, authority.issue("broker", hosts=LOOPBACK), access_list=True)
    with running_broker("mosquitto", folder, lines) as broker, ExitStack() as running:
        device = authority.issue(DEVICE_ID)
        (shared / "agent.toml").write_text(_configuration(broker.port, authority, device))
        result = install(userland, bundle)
        pair = authority.issue("collector")
        secured = f'ca_file = "{authority.path}"\ncert_file = "{pair.cert}"\nkey_file = "{pair.key}"\n'
        collector = CollectorProcess(folder, f"mqtts://localhost:{broker.port}", broker_lines=secured)
        running.callback(collector.stop)
        collector.start()
        running.enter_context(_process([sys.executable, "-m", "edgejoule", *_emulator(shared)], folder / "meter.log"))
        wait_until((shared / "meter").is_symlink, "the emulated meter has its port", PATIENCE_S)
        progress = _deliver(userland, folder / "agent.log")
        with closing(collector.open_journal()) as journal:
            (state,) = journal.devices()
            (line,) = journal.ledger()
            windows = journal.rows_after(0, 1000)
    with zipfile.ZipFile(bundle) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    return Delivered(manifest, result, progress, state, line, windows)


def _configuration(port: int, authority: Authority, device: Pair) -> str:
    """Return the agent's configuration, with the names that files have inside."""
    return AGENT_TOML.format(
        device=DEVICE_ID,
        state_dir=STATE_DIR,
        shared=SHARED,
        port=port,
        authority=authority.path.name,
        cert=device.cert.name,
        key=device.key.name,
    )


def make_bundle(path: Path, target: str, folder: Path) -> Path:
    """Make the bundle by the command, with wheels of this checkout; a 32-bit one's by the cross compiler first."""
    words = ["-m", "edgejoule", "deploy", "bundle", "--target", target, "--out", str(path)]
    if target.endswith("-armhf"):
        script = Path(__file__).parents[2] / "scripts" / "build_armhf_wheels.py"
        _done([str(script), "--mirror", mirror(), str(folder / "built")])
        words += ["--wheelhouse", str(folder / "built")]
    _done(words)
    return path


def install(userland: Userland, bundle: Path) -> dict[str, object]:
    """Let the installer of the bundle install it there, as a person with a stick would; return its last line."""
    with zipfile.ZipFile(bundle) as archive:
        (bundle.parent / "installer.pyz").write_bytes(archive.read("installer.pyz"))
    words = ["install", "--foreground", "--no-service", "--no-compile", "--allow-clock"]
    words += ["--bundle", f"{SHARED}/{bundle.name}", "--config", f"{SHARED}/agent.toml"]
    said = userland.run("/usr/bin/python3", f"{SHARED}/installer.pyz", *words)
    result: dict[str, object] = json.loads(said.strip().splitlines()[-1])
    return result


def _emulator(shared: Path) -> list[str]:
    return ["meter", "emulate", "tc66c", "--idle-w", "3", "--seed", "7", "--link", str(shared / "meter")]


def _deliver(userland: Userland, log: Path) -> dict[str, object]:
    """Run the installed agent until a collector has some of its windows, then ask it to end as systemd would."""
    program = ["/opt/edgejoule/current/venv/bin/edgejoule", "agent", "run", "--config", "/etc/edgejoule/agent.toml"]
    path = userland.layer / "upper" / STATE_DIR.lstrip("/") / "progress.json"
    with _process(userland.command(*program), log) as agent:

        def has_delivered() -> bool:
            assert agent.poll() is None, f"the agent ended: {log.read_text()[-3000:]}"
            return path.is_file() and json.loads(path.read_text())["windows_stored"] >= WINDOWS

        try:
            wait_until(has_delivered, f"{WINDOWS} windows are stored", PATIENCE_S)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{log.read_text()[-3000:]}") from error
        ask_to_end(agent, signal.SIGTERM)
        assert agent.wait(END_TIMEOUT_S) == 0, log.read_text()[-3000:]
    progress: dict[str, object] = json.loads(path.read_text())
    return progress


@contextmanager
def _process(command: list[str], log: Path) -> "Iterator[subprocess.Popen[bytes]]":
    with log.open("ab") as sink:
        process = subprocess.Popen(command, stdout=sink, stderr=sink)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(20)


def _done(words: list[str]) -> None:
    outcome = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, timeout=BUNDLE_TIMEOUT_S, check=False
    )
    assert outcome.returncode == 0, outcome.stderr[-3000:]
