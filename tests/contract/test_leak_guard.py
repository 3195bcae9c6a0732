"""The guards of tests/conftest.py catch what they are for: each planted leak and each silent skip fails a run."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]

LEAKS = {
    "thread 'stray'": """
        import threading
        def test_leaves_a_thread():
            threading.Thread(target=threading.Event().wait, name="stray", daemon=True).start()
    """,
    "thread 'stubborn'": """
        import threading
        def test_leaves_a_thread_that_would_keep_the_interpreter_alive():
            threading.Thread(target=threading.Event().wait, name="stubborn").start()
    """,
    "child process": """
        import subprocess
        kept = []
        def test_leaves_a_process():
            kept.append(subprocess.Popen(["sleep", "60"]))
    """,
    "open socket:": """
        import socket
        kept = []
        def test_leaves_a_socket():
            kept.append(socket.socket())
    """,
    "open /dev/pt": """
        import os
        def test_leaves_a_terminal():
            os.openpty()
    """,
    "unfinished asyncio task stray": """
        import asyncio
        kept = []
        def test_leaves_a_task():
            loop = asyncio.new_event_loop()
            kept.extend([loop, loop.create_task(asyncio.sleep(60), name="stray")])
            loop.run_until_complete(asyncio.sleep(0))
    """,
    "data.bin": """
        kept = []
        def test_leaves_a_file(tmp_path):
            kept.append((tmp_path / "data.bin").open("wb"))
    """,
}

SERVER = """
    import subprocess
    import pytest
    @pytest.fixture(scope="module")
    def server():
        command = ["sh", "-c", "trap 'kill $!' EXIT; while read line; do sleep 60 & echo $line; done"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            yield process
            process.stdin.close()
    def test_makes_the_server_start_a_process(server):
        server.stdin.write(b"one\\n")
        server.stdin.flush()
        assert server.stdout.readline() == b"one\\n"
"""

SKIPS = """
    import pytest
    @pytest.mark.skip(reason="just because")
    def test_skipped():
        pass
    @pytest.mark.hardware
    def test_with_a_meter():
        pass
    def test_passes():
        pass
"""

WITHOUT_TRAIN = """
    import importlib.machinery
    known = importlib.machinery.PathFinder.find_spec
    class Finder:
        def __call__(self, name, path=None, target=None):
            return None if name.partition(".")[0] in {"jax", "sktime"} else known(name, path, target)
    importlib.machinery.PathFinder.find_spec = Finder()
"""
TRAINS = """
    import jax.numpy
    def test_trains():
        pass
"""


def run_pytest(folder: Path, source: str, *, ci: bool) -> subprocess.CompletedProcess[str]:
    """Run ``source`` as a test file under a copy of the guard; no plug-in of the outer run reaches it."""
    (folder / "test_planted.py").write_text(textwrap.dedent(source))
    (folder / "conftest.py").write_text((REPOSITORY / "tests" / "conftest.py").read_text())
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    hardware: a meter\n    gpu: a GPU\n    train: x\n")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "CI"))}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(folder)} | ({"CI": "true"} if ci else {}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("trace", LEAKS)
def test_a_planted_leak_fails(trace: str, tmp_path: Path) -> None:
    outcome = run_pytest(tmp_path, LEAKS[trace], ci=False)

    assert outcome.returncode == 1, outcome.stdout
    assert "left behind" in outcome.stdout
    assert trace in outcome.stdout


def test_what_a_server_of_several_tests_starts_is_its_own_affair(tmp_path: Path) -> None:
    outcome = run_pytest(tmp_path, SERVER, ci=False)

    assert outcome.returncode == 0, outcome.stdout


def test_skips_are_counted_and_the_remedy_named(tmp_path: Path) -> None:
    outcome = run_pytest(tmp_path, SKIPS, ci=False)

    assert outcome.returncode == 0, outcome.stdout
    assert "skipped 1: just because" in outcome.stdout
    assert "2 skipped in all; to run them: `make test` as root" in outcome.stdout


def test_in_ci_only_hardware_may_be_skipped(tmp_path: Path) -> None:
    outcome = run_pytest(tmp_path, SKIPS, ci=True)

    assert outcome.returncode == 1, outcome.stdout
    assert "1 passed, 1 skipped, 1 error" in outcome.stdout
    assert "CI=true demands every test: just because" in outcome.stdout


@pytest.mark.parametrize("ci", [False, True])
def test_a_file_that_imports_what_trains_is_skipped_where_that_is_missing(tmp_path: Path, *, ci: bool) -> None:
    (tmp_path / "sitecustomize.py").write_text(textwrap.dedent(WITHOUT_TRAIN))

    outcome = run_pytest(tmp_path, TRAINS, ci=ci)

    assert "the extra [train] is not installed (jax, sktime missing)" in outcome.stdout
    assert ("1 error" if ci else "1 skipped") in outcome.stdout
    assert "test_planted.py::" not in outcome.stdout
