"""``python -m benchmarks.soak``: a simulated fleet with random faults against real servers, and the verdict.

mosquitto where it is installed, else the embedded broker; InfluxDB where it is; the collector as it runs on a server;
all on free loopback ports, with their data in a scratch directory. Words that are not known here go to
``edgejoule fleet simulate`` and override the defaults: 1000 devices, one window per second each, ten minutes, chaos.
"""

import argparse
import contextlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from edgejoule.output import EXIT_DONE, EXIT_NO, stderr_console, stdout_console
from tests.fakes.brokers import Kind, running_broker
from tests.fakes.influxd import running_influxd
from tests.what_is_there import find_program

DATABASE: Final = "soak"
LOAD: Final = ("--devices", "1000", "--rate", "1", "--seconds", "600", "--drain-s", "300")
_READY_S: Final = 30.0
_STOP_S: Final = 60.0
_COMMAND: Final = (sys.executable, "-m", "edgejoule")


def main(argv: Sequence[str] | None = None) -> int:
    """Run it and return 0 if every figure agrees, 1 if one does not."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--with-broker", choices=("mosquitto", "embedded"), help="default: mosquitto if installed")
    parser.add_argument("--no-chaos", action="store_true", help="no faults but those that you name")
    parser.add_argument("--no-influxdb", action="store_true", help="journal and lake only")
    parser.add_argument("--keep", action="store_true", help="leave the scratch directory")
    arguments, words = parser.parse_known_args(argv)
    kind: Kind = arguments.with_broker or ("mosquitto" if find_program("mosquitto") else "embedded")
    with_influxdb = bool(find_program("influxd")) and not arguments.no_influxdb
    directory = Path(tempfile.mkdtemp(prefix="edgejoule-soak-"))
    faults = () if arguments.no_chaos else ("--chaos",)
    try:
        code = _soak(directory, kind, [*LOAD, *faults, *words], with_influxdb=with_influxdb)
    finally:
        if arguments.keep:
            stderr_console().print(f"kept: {directory}", markup=False)
        else:
            shutil.rmtree(directory)
    return code


def _soak(directory: Path, kind: Kind, words: Sequence[str], *, with_influxdb: bool) -> int:
    with contextlib.ExitStack() as stack:
        limits = "max_queued_messages 1000000\nmax_inflight_messages 500\n"  # those of deploy/mosquitto.conf
        broker = stack.enter_context(running_broker(kind, directory, limits if kind == "mosquitto" else ""))
        config = f'state_dir = "state"\n[broker]\nurl = "{broker.url}"\n'
        if with_influxdb:
            influxd = stack.enter_context(running_influxd(directory / "influxdb"))
            influxd.query(f"CREATE DATABASE {DATABASE}")
            config += f'[influxdb]\nurl = "{influxd.url}"\ndatabase = "{DATABASE}"\n'
        path = directory / "collector.toml"
        path.write_text(config, encoding="utf-8")
        collector = stack.enter_context(_collector(directory, path))
        _say(f"{kind}, {'InfluxDB' if with_influxdb else 'no InfluxDB'}; edgejoule fleet simulate {' '.join(words)}")
        simulated = subprocess.run(
            [*_COMMAND, "fleet", "simulate", "--broker", broker.url, "--check", "--config", str(path), *words],
            check=False,
        ).returncode
        ledger = subprocess.run(
            [*_COMMAND, "fleet", "ledger", "--config", str(path), "--json"], stdout=subprocess.DEVNULL, check=False
        ).returncode
        _say(f"collector: {_peak_memory(collector.pid)} at most, {_size(directory / 'state')} on disk")
        healthy = collector.poll() is None
    done = simulated == 0 and ledger == 0 and healthy
    _say(
        f"soak: {'good' if done else 'BAD'} (fleet simulate --check {simulated}, fleet ledger {ledger}, collector "
        f"{'ran to the end' if healthy else 'DIED'})"
    )
    return EXIT_DONE if done else EXIT_NO


@contextlib.contextmanager
def _collector(directory: Path, config: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the collector until the block ends, from the moment that its broker has it."""
    log_file = directory / "collector.log"
    with log_file.open("ab") as log:
        process = subprocess.Popen([*_COMMAND, "collector", "run", "--config", str(config)], stdout=log, stderr=log)
    try:
        deadline_s = time.monotonic() + _READY_S
        while "broker_connected" not in log_file.read_text(encoding="utf-8"):
            if process.poll() is not None or time.monotonic() > deadline_s:
                raise RuntimeError(f"the collector did not start: {log_file.read_text(encoding='utf-8')}")
            time.sleep(0.05)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _peak_memory(pid: int) -> str:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return "unknown memory"
    return next(line.split(":")[1].strip() for line in status.splitlines() if line.startswith("VmHWM"))


def _size(directory: Path) -> str:
    return f"{sum(one.stat().st_size for one in directory.rglob('*') if one.is_file()) / 1e6:.0f} MB"


def _say(line: str) -> None:
    stdout_console().print(line, markup=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
