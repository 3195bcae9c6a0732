"""A user's own loop, metered by an emulated TC66C on a pty: through Python, and from other languages by the socket."""

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from edge_agent.metering import MeteredAgent, MeteredWindow, WindowRefusedError
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.records import InferenceWindow
from tests.fakes.agent import (
    BUSY_W,
    IDLE_W,
    AgentProcess,
    agent_toml,
    emulated_meter,
    outbox_windows,
    running_agent,
    true_energy_j,
)
from tests.fakes.delivery import wait_until

pytestmark = pytest.mark.timing

EXAMPLES = Path(__file__).parents[2] / "examples"
SHA256 = "a" * 64
RUNTIME = 'runtime = "own"\nversion = "7"\ndelegate = "none"\nthreads = 1'
SPIN_S = 0.02


def application_toml(directory: Path, **changed: str) -> Path:
    tables = {
        "input": f'source = "application"\npath = "{directory / "app.sock"}"',
        "input.runtime": RUNTIME,
        "input.models": f'mine = "{SHA256}"',
        **changed,
    }
    return agent_toml(directory, **tables)


def infer(seconds: float = SPIN_S) -> None:
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        pass


def timed_inference_s(window: MeteredWindow) -> float:
    """Run one that is timed; return a little more than it took, however long another program had the CPU."""
    before_s = time.monotonic()
    with window.inference():
        infer()
    return time.monotonic() - before_s


def stored(directory: Path) -> list[InferenceWindow]:
    return outbox_windows(directory / "state/outbox.sqlite3")


def assert_no_hole(windows: list[InferenceWindow]) -> None:
    assert [window.seq for window in windows] == list(range(1, len(windows) + 1))
    for before, after in pairwise(windows):
        assert after.t_start_unix_ns - before.t_start_unix_ns == pytest.approx(before.duration_s * 1e9, abs=5e6)


@contextmanager
def metered(directory: Path, **changed: str) -> Iterator[MeteredAgent]:
    with emulated_meter(directory), MeteredAgent.from_config(application_toml(directory, **changed)) as agent:
        yield agent


def test_a_loop_in_python_is_metered_and_every_joule_is_in_one_window(tmp_path: Path) -> None:
    with metered(tmp_path, window="window_s = 1.0\nbaseline_s = 1.0") as agent:
        time.sleep(0.3)
        with agent.window("mine") as window:
            took_s = [timed_inference_s(window) for _ in range(60)]
            window.count(3)
        result = window.result
        with agent.window("digits_mlp_int8") as second:
            infer(0.4)
            second.count(2, latency_s=0.2)
        other = second.result
        time.sleep(0.3)
    windows = stored(tmp_path)
    assert_no_hole(windows)
    mine = [one for one in windows if one.model_id == "mine"]
    assert len(mine) >= 2, "it is longer than window_s"
    assert {one.model_sha256 for one in mine} == {SHA256}
    assert {one.runtime.runtime for one in windows} == {"own"}
    assert sum(one.energy_j for one in mine) == pytest.approx(result.energy_j)
    assert sum(one.duration_s for one in mine) == pytest.approx(result.duration_s)
    assert sum(one.inference_count for one in mine) == result.inference_count == 63
    assert result.energy_per_inference_j == pytest.approx(result.energy_j / 63)
    assert abs(result.energy_j - sum(true_energy_j(tmp_path, one) for one in mine)) < 3.0 * result.energy_u_j
    assert IDLE_W < result.energy_j / result.duration_s < BUSY_W + 0.1
    assert result.net_energy_j is not None
    idle_w = (result.energy_j - result.net_energy_j) / result.duration_s
    assert IDLE_W - 0.1 < idle_w < (IDLE_W + BUSY_W) / 2.0, "the baseline holds what this program does in it"
    assert result.latency_p50_s is not None
    assert 0.99 * SPIN_S < result.latency_p50_s < 1.01 * sorted(took_s)[30]
    assert result.simulated
    assert result.sync_method in {"host_clock", "step_correlation"}
    assert result.gap_s == pytest.approx(0.0, abs=0.01)
    assert (other.model_id, other.inference_count) == ("digits_mlp_int8", 2)
    between = [one for one in windows if one.inference_count == 0]
    assert between
    assert {one.model_id for one in between} == {"digits_mlp_int8"}
    assert all(one.agent_cpu_ratio is not None and one.overhead_cpu_ratio is None for one in windows)
    assert not (tmp_path / "agent.pid").exists()


def test_an_exception_ends_the_window_and_another_thread_may_count(tmp_path: Path) -> None:
    with metered(tmp_path) as agent:
        broken = agent.window("mine")
        with pytest.raises(KeyError):
            fail_in(broken)
        assert broken.result.inference_count == 1
        with agent.window("mine") as window:
            threads = [threading.Thread(target=count_often, args=(window,)) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            with pytest.raises(WindowRefusedError, match="a window of mine is open"), agent.window("mine"):
                pass
            with pytest.raises(WindowRefusedError, match="is open"):
                _ = window.result
        assert window.result.inference_count == 2000
        with pytest.raises(
            ConfigurationError, match=r"'yours' is not known; known: .*digits_mlp_int8, .*mine.*input\.models"
        ):
            agent.window("yours")
        with pytest.raises(WindowRefusedError, match="with statement"):
            agent.window("mine").count()
        left_open = agent.window("mine").__enter__()
        left_open.count()
    with pytest.raises(WindowRefusedError, match="over"):
        left_open.count()
    assert left_open.result.inference_count == 1, "the agent's end is the window's"
    assert sum(one.inference_count for one in stored(tmp_path)) == 2002


def test_an_agent_may_run_again_after_it_has_ended(tmp_path: Path) -> None:
    with emulated_meter(tmp_path):
        agent = MeteredAgent.from_config(application_toml(tmp_path))
        for count in (1, 2):
            with agent:
                with agent.window("mine") as window:
                    infer(0.2)
                    window.count(count)
                with pytest.raises(ConfigurationError, match="another agent"), agent:
                    pass
                assert window.result.inference_count == count
    assert sum(one.inference_count for one in stored(tmp_path)) == 3


def test_what_is_not_for_applications_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"source = 'check_set'.*\[input\.runtime\]"):
        MeteredAgent.from_config(agent_toml(tmp_path)).__enter__()
    agent = MeteredAgent.from_config(application_toml(tmp_path))
    with pytest.raises(WindowRefusedError, match="does not run"):
        agent.window("mine")


def fail_in(window: MeteredWindow) -> None:
    with window:
        window.count()
        with window.inference():
            raise KeyError("the application's own")


def count_often(window: MeteredWindow) -> None:
    for _ in range(500):
        window.count()


class LineClient:
    """What any language can do: open the socket, write lines, read lines."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(20.0)
        self._socket.connect(str(path))
        self._file = self._socket.makefile("rwb", buffering=0)

    def say(self, line: str) -> None:
        self._file.write(f"{line}\n".encode())

    def ask(self, line: str) -> str:
        self.say(line)
        return self.hear()

    def hear(self) -> str:
        return self._file.readline().decode().rstrip("\n")

    def close(self) -> None:
        self._file.close()
        self._socket.close()


def words_of(answer: str) -> dict[str, str]:
    assert answer.startswith("ok "), answer
    return dict(word.split("=", 1) for word in answer.split()[1:] if "=" in word)


@contextmanager
def served(directory: Path) -> Iterator[AgentProcess]:
    with emulated_meter(directory), running_agent(application_toml(directory)) as agent:
        wait_until(lambda: bool(agent.events("application_socket")), "the socket")
        yield agent


def test_a_program_in_another_language_is_metered_through_the_socket(tmp_path: Path) -> None:
    with served(tmp_path) as agent, closing(LineClient(tmp_path / "app.sock")) as client:
        assert (tmp_path / "app.sock").stat().st_mode & 0o777 == 0o660
        assert client.ask("help").startswith("ok commands: window MODEL_ID")
        status = words_of(client.ask("status"))
        assert (status["window"], status["meter_connected"], status["simulated"]) == ("none", "yes", "yes")
        assert client.ask("window mine") == "ok window mine"
        for _ in range(20):
            infer()
            client.say(f"count 2 {SPIN_S / 2}")
        client.say("count")
        with closing(LineClient(tmp_path / "app.sock")) as other:
            assert other.ask("window mine").startswith("error a window of mine is open")
            assert other.ask("count").startswith("error no window is open here")
            assert words_of(other.ask("status"))["window"] == "mine"
        client.say("end")
        result = words_of(client.hear())
        assert (result["inference_count"], result["simulated"], result["sync_method"]) == ("41", "yes", "host_clock")
        assert client.ask("end").startswith("error no window is open here")
        assert float(result["latency_p50_s"]) == pytest.approx(SPIN_S / 2)
        wait_until(lambda: sum(one.inference_count for one in agent.stored()) == 41, "the windows on disk")
        mine = [one for one in agent.stored() if one.model_id == "mine"]
        assert sum(one.energy_j for one in mine) == pytest.approx(float(result["energy_j"]), rel=1e-6)
        assert sum(one.duration_s for one in mine) == pytest.approx(float(result["duration_s"]), rel=1e-6)
        assert agent.stop_undelivered() == 0
        assert_no_hole(agent.stored())
    assert not (tmp_path / "app.sock").exists()


def test_malformed_lines_and_clients_that_die_do_no_harm(tmp_path: Path) -> None:
    with served(tmp_path) as agent:
        with closing(LineClient(tmp_path / "app.sock")) as rude:
            assert rude.ask("x" * 100_000).startswith("error the line is longer than 256 bytes")
            assert rude.ask("dance").startswith("error 'dance' is no command")
            assert rude.ask("window yours").startswith("error model 'yours' is not known; known: ")
            assert rude.ask("window mine") == "ok window mine"
            rude.say("count 7")
        wait_until(lambda: bool(agent.events("application_left")), "a word about the client that left")
        with closing(LineClient(tmp_path / "app.sock")) as client:
            assert client.ask("window mine") == "ok window mine", "the dead one's window is over"
            client.say("count\nend\nwindow mine\ncount 3\nend\nstatus")
            assert words_of(client.hear())["inference_count"] == "1"
            assert client.hear() == "ok window mine"
            assert words_of(client.hear())["inference_count"] == "3"
            assert words_of(client.hear())["window"] == "none"
        with closing(LineClient(tmp_path / "app.sock")) as hasty:
            hasty.ask("window mine")
            hasty.say("count 5\nend")
        wait_until(lambda: sum(one.inference_count for one in agent.stored()) == 16, "all counts on disk")
        first = LineClient(tmp_path / "app.sock")
        for _ in range(3):  # with the third answer the hasty one's end has been read
            words_of(first.ask("status"))
        crowd = [first, *(LineClient(tmp_path / "app.sock") for _ in range(15))]
        assert all(words_of(client.ask("status")) for client in crowd)
        with closing(LineClient(tmp_path / "app.sock")) as late:
            assert late.hear().startswith("error 16 programs are connected")
        for client in crowd:
            client.close()


@pytest.mark.parametrize("words", ["window mine\nend", "help\nwindow mine", "window mine\ncount 2\nend\nwindow mine"])
def test_a_program_that_leaves_before_its_answer_holds_no_window(tmp_path: Path, words: str) -> None:
    with served(tmp_path) as agent:
        for _ in range(3):
            hasty = LineClient(tmp_path / "app.sock")
            hasty.say(words)
            hasty.close()
        with closing(LineClient(tmp_path / "app.sock")) as client:
            wait_until(lambda: words_of(client.ask("status"))["window"] == "none", "no window to be open")
            assert client.ask("window mine") == "ok window mine"
            assert "inference_count=0" in client.ask("end")
        assert "Traceback" not in agent.log_path.read_text()


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_the_example_in_c_runs(tmp_path: Path) -> None:
    program = tmp_path / "meter_my_loop"
    subprocess.run(["cc", "-Wall", "-Werror", "-o", program, EXAMPLES / "meter_my_loop.c"], check=True)
    with served(tmp_path) as agent:
        done = subprocess.run(
            [program, tmp_path / "app.sock", "mine", "300"], capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        opened, ended = done.stdout.splitlines()
        assert opened == "ok window mine"
        result = words_of(ended)
        assert result["inference_count"] == "300"
        assert 0.99 * 0.002 < float(result["latency_p50_s"]) < 2.02 * float(result["duration_s"]) / 300
        wait_until(lambda: sum(one.inference_count for one in agent.stored()) == 300, "the windows on disk")
        refused = subprocess.run(
            [program, tmp_path / "app.sock", "yours", "1"], capture_output=True, text=True, timeout=30, check=False
        )
        assert refused.returncode == 1
        assert "not known" in refused.stdout


def test_the_example_in_python_runs(tmp_path: Path) -> None:
    with emulated_meter(tmp_path):
        done = subprocess.run(
            [sys.executable, EXAMPLES / "meter_my_loop.py", application_toml(tmp_path), "mine", "1.5"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, "PYTHONPATH": str(EXAMPLES.parents[1])},
        )
    assert done.returncode == 0, done.stderr
    assert "SIMULATED" in done.stdout
    count = int(done.stdout.split()[0])
    assert sum(one.inference_count for one in stored(tmp_path)) == count > 0
    assert all("outbox_not_delivered" in line or "broker_unreachable" in line for line in done.stderr.splitlines())
