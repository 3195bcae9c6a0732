"""What every test lives under: nothing may be left behind, and nothing may be skipped in silence.

A test that leaves a thread, a child process, a socket, a terminal or a temporary file open, or an unfinished asyncio
task, fails. A test whose program or package is missing is skipped with the reason; with ``CI=true`` only real hardware
and GPUs may be missing, any other skip fails. The last lines of a run say how many were skipped and how to run them.
"""

import asyncio
import gc
import logging
import os
import stat
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import psutil
import pytest
import structlog

from tests.room import room_of
from tests.what_is_there import NEEDS, find_program, missing_of_train

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.boards.rack import Rack
    from tests.grafana_seed.answers import Answer
    from tests.grafana_seed.site import Seeded

GRACE_S = 3.0
POLL_S = 0.02
MAY_BE_MISSING_IN_CI = ("hardware", "gpu")
SPARK_SETTINGS = {
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
    " -XX:+UnlockDiagnosticVMOptions -XX:-BytecodeVerificationRemote -Xms600m -XX:MetaspaceSize=256m",
    "spark.default.parallelism": "1",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.codegen.wholeStage": "false",
}
HOW_TO_RUN_MORE = (
    "to run them: `make test` as root (or with sudo that asks for no password) on Debian or Ubuntu installs what they "
    "need; hardware: `--meter-port DRIVER=PORT`; a GPU: on a machine that has one"
)

hypothesis.settings.register_profile("edgejoule", deadline=None, print_blob=True)
hypothesis.settings.register_profile("edgejoule-ci", deadline=None, print_blob=True, derandomize=True)


def in_ci() -> bool:
    """Tell whether this run has to be complete."""
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--meter-port", metavar="DRIVER=PORT", help="run the hardware tests on this real meter")


def pytest_configure(config: pytest.Config) -> None:
    del config
    hypothesis.settings.load_profile("edgejoule-ci" if in_ci() else "edgejoule")


# --- several at once -----------------------------------------------------------------------------------------------


def pytest_xdist_auto_num_workers() -> int:
    """Run one worker more than there are cores: much of a test is waiting. ``tests/room.py`` has what goes with it."""
    return len(os.sched_getaffinity(0)) + 1


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Begin when there is room, before the test's time begins to count."""
    workers = int(getattr(item.config, "workerinput", {}).get("workercount", 1))
    room = room_of(item.config.rootpath, workers)
    if room is None:
        return (yield)
    with room.taken(2 if item.get_closest_marker("timing") else 1):
        return (yield)


# --- what may be missing -------------------------------------------------------------------------------------------


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what cannot run here; keep on one worker the timing-sensitive tests, those of a seed, browser or Spark."""
    lacking = {marker: check(config) for marker, check in NEEDS.items()}
    for item in items:
        if "e2e" in item.path.parts:
            item.add_marker(pytest.mark.xdist_group("e2e"))
            item.add_marker(pytest.mark.timing)
        if "seeded" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("grafana_seed"))
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("browser"))
        if "spark" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("spark"))
        if "boards" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("boards"))
        for marker, reason in lacking.items():
            if reason and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    excused = any(item.get_closest_marker(marker) for marker in MAY_BE_MISSING_IN_CI)
    if report.skipped and not hasattr(report, "wasxfail") and in_ci() and not excused:
        report.outcome = "failed"
        report.longrepr = f"skipped, though CI=true demands every test: {_reason(report)}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Skip a file that imports what only the extra [train] brings, where that is missing."""
    report = yield
    text = str(report.longrepr)
    if report.failed and any(f"No module named '{name}" in text for name in missing_of_train()):
        report.outcome = "skipped"
        report.longrepr = (str(collector.path), 0, f"Skipped: {NEEDS['train'](collector.config)}")
    if report.skipped and in_ci():
        report.outcome = "failed"
        report.longrepr = f"a whole file skipped, though CI=true demands every test: {_reason(report)}"
    return report


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    if not skipped:
        return
    terminalreporter.write_line("")
    for reason, count in Counter(map(_reason, skipped)).most_common():
        terminalreporter.write_line(f"skipped {count}: {reason}")
    terminalreporter.write_line(f"{len(skipped)} skipped in all; {HOW_TO_RUN_MORE}.")


# --- nothing is left behind ----------------------------------------------------------------------------------------


_LEFT_THREADS: list[threading.Thread] = []


class _Census:
    """What this process holds that a test could leave behind."""

    def __init__(self) -> None:
        self.threads = {thread for thread in threading.enumerate() if thread.is_alive()}
        self.processes = {child for child in psutil.Process().children(recursive=True) if not _is_pythons_own(child)}
        self.files = {number: target for number, target in _open_files() if _is_telling(number, target)}
        self.tasks = {task for task in _asyncio_tasks() if not task.done()}

    def processes_since(self, before: "_Census") -> set[psutil.Process]:
        """Return the processes that were not there ``before``, nor were started by one that was.

        A server or a browser that serves several tests starts and ends its own children; its fixture ends it.
        """
        return {process for process in self.processes - before.processes if not before.processes & _parents(process)}

    def leaks_since(self, before: "_Census") -> list[str]:
        """Describe what is here and was not there ``before``."""
        return [
            *(f"thread {thread.name!r}" for thread in self.threads - before.threads),
            *(f"child process {_describe(process)}" for process in self.processes_since(before)),
            *(f"open {target}" for number, target in self.files.items() if before.files.get(number) != target),
            *(f"unfinished asyncio task {task.get_name()}" for task in self.tasks - before.tasks),
        ]


def _open_files() -> Iterable[tuple[int, str]]:
    for entry in Path("/proc/self/fd").iterdir():
        try:
            yield int(entry.name), str(entry.readlink())
        except OSError:  # the descriptor that lists this folder is gone by now
            continue


def _is_telling(number: int, target: str) -> bool:
    """Count sockets, terminals and files in temporary folders; libraries keep pipes and caches of their own open."""
    if target.startswith(("socket:", "/dev/pts/", "/dev/ptmx")):
        return True
    if not target.startswith(f"{tempfile.gettempdir()}/") or target.startswith(f"{sys.prefix}/"):
        return False
    if target.endswith(" (deleted)"):
        return False
    try:
        return stat.S_ISREG(os.fstat(number).st_mode)
    except OSError:
        return False


def _asyncio_tasks() -> Iterable["asyncio.Task[object]"]:
    """Return every task of every loop; asyncio itself only tells those of the running loop."""
    if "asyncio.tasks" not in sys.modules:
        return []
    for name in ("_scheduled_tasks", "_all_tasks"):  # Python 3.12 renamed it
        known = getattr(asyncio.tasks, name, None)
        if known is not None:
            return list(known)
    return []


def _is_pythons_own(process: psutil.Process) -> bool:
    """Tell the helper that multiprocessing starts once and keeps for the life of the interpreter."""
    try:
        return any("multiprocessing.resource_tracker" in word for word in process.cmdline())
    except psutil.Error:
        return False


def _parents(process: psutil.Process) -> set[psutil.Process]:
    try:
        return set(process.parents())
    except psutil.Error:
        return set()


def _describe(process: psutil.Process) -> str:
    try:
        return f"{process.pid} ({' '.join(process.cmdline()) or process.name()})"
    except psutil.Error:
        return str(process.pid)


@pytest.fixture(autouse=True)
def _own_logging() -> Generator[None, None, None]:
    """Undo what the command line sets up: its log goes to a stderr that pytest closes after the test."""
    root = logging.getLogger()
    handlers = list(root.handlers)
    yield
    structlog.reset_defaults()
    for handler in [handler for handler in root.handlers if handler not in handlers]:
        if type(handler) is logging.StreamHandler:
            root.removeHandler(handler)


@pytest.fixture(autouse=True)
def _nothing_left_behind(request: pytest.FixtureRequest) -> Generator[None, None, None]:
    """Fail the test that leaves something; give what is just ending a moment, and end what stays."""
    before = _Census()
    yield
    deadline_s = time.monotonic() + GRACE_S
    after = _Census()
    while (leaks := after.leaks_since(before)) and time.monotonic() < deadline_s:
        gc.collect()
        time.sleep(POLL_S)
        after = _Census()
    for process in after.processes_since(before):
        _end(process)
    _LEFT_THREADS.extend(after.threads - before.threads)
    if leaks:
        pytest.fail(f"{request.node.nodeid} left behind: " + "; ".join(sorted(leaks)), pytrace=False)


def pytest_unconfigure() -> None:
    """End the process by force when a thread that a test left would keep it alive for ever."""
    if any(thread.is_alive() and not thread.daemon for thread in _LEFT_THREADS):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(pytest.ExitCode.TESTS_FAILED)


def _end(process: psutil.Process) -> None:
    try:
        process.kill()
        process.wait(timeout=GRACE_S)
    except psutil.Error:
        return


@pytest.fixture(scope="session")
def mosquitto_program() -> str:
    """Return the path of mosquitto, for tests marked ``mosquitto``."""
    return _found("mosquitto")


@pytest.fixture(scope="session")
def influxd_program() -> str:
    """Return the path of InfluxDB 1.x, for tests marked ``influxdb``."""
    return _found("influxd")


@pytest.fixture(scope="session")
def chromium_program() -> str:
    """Return the path of Chromium, for tests marked ``browser``."""
    return _found("chromium")


@pytest.fixture(scope="module")
def browser(chromium_program: str) -> Generator["Browser", None, None]:
    """Yield a browser for the tests of one file, marked ``browser``; what a page leaves in it is theirs to close.

    Not for longer: while it is there, its event loop counts as the running one of this thread.
    """
    from tests.fakes.browser import chromium  # noqa: PLC0415  a package of its own

    with chromium(chromium_program) as started:
        yield started


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Generator[None, None, None]:
    """Have Spark run for the tests of one file, marked ``spark``; set so that small questions cost little.

    Not for longer: it takes half a gigabyte.
    """
    from collector.assessment.engine import Limits  # noqa: PLC0415  the collector, only where it is asked for
    from collector.assessment.spark_session import spark_session, stop_spark  # noqa: PLC0415

    settings = tmp_path_factory.mktemp("spark") / "spark-defaults.conf"
    settings.write_text("".join(f"{name} {value}\n" for name, value in SPARK_SETTINGS.items()))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SPARK_CONF_DIR", str(settings.parent))
        spark_session(Limits(engine="spark"))
    yield
    stop_spark()


@pytest.fixture(scope="module")
def boards(tmp_path_factory: pytest.TempPathFactory) -> Generator["Rack", None, None]:
    """Yield an empty rack for boards with a real systemd and sshd (``tests/boards``), for tests marked ``boards``."""
    from tests.boards.rack import rack  # noqa: PLC0415  the collector, only where it is asked for

    with rack(tmp_path_factory.mktemp("boards")) as empty:
        yield empty


@pytest.fixture(scope="session")
def board_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a bundle of this checkout for such boards; the packages come from the cache, or by hash from PyPI."""
    from tests.boards.bundles import bundle_for_boards  # noqa: PLC0415

    return bundle_for_boards(tmp_path_factory.mktemp("board_bundle"))


@pytest.fixture(scope="session")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Generator["Seeded", None, None]:
    """Yield the store of the fleet that dashboards and alerts are tested on, for tests marked ``influxdb``."""
    from tests.grafana_seed.site import seeded_site  # noqa: PLC0415  the collector, only where it is asked for

    with seeded_site(tmp_path_factory.mktemp("grafana_seed")) as site:
        yield site


@pytest.fixture(scope="session")
def asked(seeded: "Seeded") -> "dict[tuple[str, int, str], Answer]":
    """Return each target's query as it was sent, and its answer, by dashboard's uid, panel's id and target's refId."""
    from tests.grafana_seed.answers import every_answer  # noqa: PLC0415

    return {one.key: one for one in every_answer(seeded)}


@pytest.fixture(scope="session")
def answers(asked: "dict[tuple[str, int, str], Answer]") -> dict[tuple[str, int, str], dict[str, Any]]:
    """Return InfluxDB's JSON alone, by the same keys."""
    return {key: one.raw for key, one in asked.items()}


def _found(name: str) -> str:
    path = find_program(name)
    assert path is not None, f"mark the test `{name}`, so that it is skipped where the program is missing"
    return path
