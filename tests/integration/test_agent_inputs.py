"""The agent fed from outside: a directory, standard input, a Unix socket; an emulated TC66C on a pty measures it."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from edge_agent.check_set import load_check_set
from edge_agent.model_catalog import file_sha256, find_model
from tests.fakes.agent import IDLE_W, AgentProcess, agent_toml, emulated_meter, running_agent, true_energy_j
from tests.fakes.delivery import wait_until

pytestmark = pytest.mark.timing

INPUT_BYTES = 64


def inputs(count: int) -> bytes:
    check_set = find_model("digits_mlp_int8").check_set
    assert check_set is not None
    x = load_check_set(check_set).x.reshape(-1, INPUT_BYTES)
    return np.resize(x, (count, INPUT_BYTES)).tobytes()


class PipedAgent(AgentProcess):
    """The agent with its standard input in the test's hand."""

    def start(self) -> None:
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "edgejoule", "agent", "run", "--config", str(self.config)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                bufsize=0,
            )

    def write(self, data: bytes) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(data)

    def end_input(self) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()

    def end(self) -> None:
        self.end_input()
        super().end()


@contextmanager
def piped_agent(config: Path) -> Iterator[PipedAgent]:
    agent = PipedAgent(config)
    agent.start()
    try:
        yield agent
    finally:
        agent.end()


def test_a_directory_is_run_over_and_over(tmp_path: Path) -> None:
    (tmp_path / "inputs").mkdir()
    np.save(tmp_path / "inputs/a.npy", np.frombuffer(inputs(30), np.int8).reshape(30, INPUT_BYTES))
    np.savez(tmp_path / "inputs/b.npz", x=np.frombuffer(inputs(2), np.int8).reshape(2, 1, INPUT_BYTES))
    config = agent_toml(tmp_path, input='source = "directory"\npath = "inputs"')
    with emulated_meter(tmp_path), running_agent(config) as agent:
        wait_until(lambda: len(agent.stored()) >= 2, "two windows")
        (found,) = agent.events("inputs_found")
        assert (found["inputs"], found["in_memory"]) == (32, True)
        window = agent.stored()[1]
        assert window.inference_count > 10 * 32, "every input again and again"
        assert abs(window.energy_j - true_energy_j(tmp_path, window)) < 3.0 * window.energy_u_j


def test_a_file_that_does_not_fit_is_one_line_before_the_meter_is_opened(tmp_path: Path) -> None:
    (tmp_path / "inputs").mkdir()
    np.save(tmp_path / "inputs/a.npy", np.zeros((3, INPUT_BYTES), np.float32))
    agent = AgentProcess(agent_toml(tmp_path, input='source = "directory"\npath = "inputs"'))
    agent.start()
    assert agent.wait(20) == 2
    last = agent.log_path.read_text().splitlines()[-1]
    assert last.startswith(f"edgejoule: {tmp_path}/inputs/a.npy: it holds float32 (3, 64), but the model takes int8")


def test_tensors_on_standard_input_are_run_as_they_arrive_and_its_end_ends_the_agent(tmp_path: Path) -> None:
    config = agent_toml(tmp_path, input='source = "stdin"')
    with emulated_meter(tmp_path), piped_agent(config) as agent:
        wait_until(lambda: bool(agent.events("agent_started")), "the agent to start")
        data = inputs(500)
        agent.write(data[:100])
        for begin in range(100, len(data), 3000):
            agent.write(data[begin : begin + 3000])
            time.sleep(0.1)
        wait_until(lambda: sum(one.inference_count for one in agent.stored()) > 0, "a window with inferences")
        agent.write(inputs(7) + b"part")
        agent.end_input()
        wait_until(lambda: bool(agent.events("inputs_ended")), "the end of the inputs")
        (ended,), (partial,) = agent.events("inputs_ended"), agent.events("input_partial")
        assert (ended["tensors"], ended["partial"]) == (507, 1)
        assert (partial["bytes"], partial["remedy"]) == (4, "send 64 bytes for each input")
        assert agent.stop_undelivered() == 0
        windows = agent.stored()
        assert sum(one.inference_count for one in windows) == 507
        assert windows[-1].duration_s < 1.5, "it ends with the inputs"
        assert windows[-1].energy_j > 0.9 * IDLE_W * windows[-1].duration_s
        busy = [one for one in windows if one.inference_count]
        assert all(one.busy_s > 0.0 for one in busy)
        total_s = sum(one.duration_s for one in windows)
        assert sum(one.busy_s for one in busy) < 0.5 * total_s, "waiting is not inference"


def test_a_model_that_is_too_slow_holds_the_sender_up_and_loses_nothing(tmp_path: Path) -> None:
    config = agent_toml(tmp_path, input='source = "stdin"')
    with emulated_meter(tmp_path), piped_agent(config) as agent:
        agent.write(inputs(200_000))  # far more than pipe and agent hold
        agent.end_input()
        wait_until(lambda: bool(agent.events("inputs_ended")), "the end of the inputs", 200.0)
        assert agent.events("inputs_ended")[0]["tensors"] == 200_000
        assert agent.stop_undelivered() == 0
        assert sum(one.inference_count for one in agent.stored()) == 200_000


def test_an_input_that_the_model_fails_on_ends_the_agent_with_one_line_and_every_window(tmp_path: Path) -> None:
    model = Path(__file__).parents[1] / "data/models/pick.tflite"
    np.savez(tmp_path / "check.npz", x=np.array([[0, 1], [1, 2]], np.int32))
    named = f'id = "pick"\npath = "{model}"\nsha256 = "{file_sha256(model)}"\ncheck_set = "check.npz"'
    config = agent_toml(tmp_path, model=named, input='source = "stdin"')
    with emulated_meter(tmp_path), piped_agent(config) as agent:
        wait_until(lambda: bool(agent.events("agent_started")), "the agent to start")
        agent.write(np.array([[0, 1]] * 300, np.int32).tobytes())
        wait_until(lambda: sum(one.inference_count for one in agent.stored()) == 300, "a window with inferences")
        agent.write(np.array([[1, 2]] * 40 + [[7, 0]] + [[1, 1]] * 9, np.int32).tobytes())
        assert agent.wait(20) == 1
        lines = agent.log_path.read_text().splitlines()
        assert lines[-1].startswith(f"edgejoule: {model}: litert ")
        assert "fails on an input: " in lines[-1]
        assert not any("Traceback" in line for line in lines)
        windows = agent.stored()
        assert sum(one.inference_count for one in windows) == 340
        for before, after in pairwise(windows):
            assert after.t_start_unix_ns - before.t_start_unix_ns == pytest.approx(before.duration_s * 1e9, abs=5e6)


def test_a_model_that_fails_on_its_random_inputs_is_one_line(tmp_path: Path) -> None:
    model = Path(__file__).parents[1] / "data/models/pick.tflite"
    named = f'id = "pick"\npath = "{model}"\nsha256 = "{file_sha256(model)}"'
    agent = AgentProcess(agent_toml(tmp_path, model=named))
    agent.start()
    assert agent.wait(20) == 1
    lines = agent.log_path.read_text().splitlines()
    assert "[model] check_set" in lines[-1]
    assert not any("Traceback" in line for line in lines)


def test_one_client_of_the_socket_after_another(tmp_path: Path) -> None:
    path = tmp_path / "tensors.sock"
    config = agent_toml(tmp_path, input=f'source = "socket"\npath = "{path}"')
    with emulated_meter(tmp_path), running_agent(config) as agent:
        wait_until(lambda: bool(agent.events("agent_started")), "the agent to start")
        with socket.socket(socket.AF_UNIX) as first, socket.socket(socket.AF_UNIX) as second:
            first.connect(str(path))
            second.connect(str(path))
            first.sendall(inputs(10) + b"odd")
            second.sendall(inputs(20))
            wait_until(lambda: sum(one.inference_count for one in agent.stored()) == 10, "the first client's inputs")
            first.close()
            wait_until(lambda: sum(one.inference_count for one in agent.stored()) == 30, "the second client's inputs")
        assert [event["bytes"] for event in agent.events("input_partial")] == [3]
        assert agent.stop_undelivered() == 0
        assert len(agent.events("inputs_ended")) == 1
    assert not path.exists()


@pytest.mark.slow
def test_the_agents_own_load_ties_the_meters_time(tmp_path: Path) -> None:
    with emulated_meter(tmp_path), running_agent(agent_toml(tmp_path, align="pattern_s = 8.0")) as agent:
        wait_until(lambda: len(agent.stored()) >= 2, "two windows", 40.0)
        (aligned,) = agent.events("aligned")
        window = agent.stored()[1]
        assert aligned["method"] in {"step_correlation", "host_clock"}
        assert window.sync_method == aligned["method"]
        assert window.sync_residual_s <= 0.1
        if aligned["method"] == "host_clock":
            assert "step_correlation" in aligned["not_taken"], "why not is said"
