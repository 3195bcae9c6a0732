"""The Spark of this process: one session, started at the first use and ended with the process.

Its JVM lives as long as this process holds its stdin. What it says on stderr goes to a file, of which an error quotes
the line that tells. Under spark-submit, or where somebody has started a session in this process, that one is used as
it is.
"""

import atexit
import contextlib
import logging
import os
import shutil
import signal
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from subprocess import TimeoutExpired
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from collector.assessment.engine import Limits
from collector.assessment.engine_parts import temporary
from collector.assessment.spark_words import root_cause, telling
from edge_agent.wire.errors import ConfigurationError

if TYPE_CHECKING:
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

INSTALL: Final = "--engine spark needs PySpark, which is not installed; run: pip install 'edgejoule[spark]'"
_JAVA: Final = (
    "--engine spark needs Java 17 or later: no java in JAVA_HOME or PATH; install it (Debian: default-jre-headless)"
)
_LOG: Final = "spark.log"
_QUERY_LOG: Final = "SQLQueryContextLogger"
_LEAVING_S: Final = 30.0
_SUBMITTED: Final = "PYSPARK_GATEWAY_PORT"
_ITS_OWN_HOST: Final = {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_LOCAL_HOSTNAME": "localhost"}
"""Without these Spark looks up the name of this machine, which in a container often has no address."""


class _Own:
    """The Spark that this module started: its session, and what has to be ended after it."""

    def __init__(self, session: "SparkSession", held: ExitStack) -> None:
        self.session, self.held = session, held


_running: list[_Own] = []
"""At most one: a process can have one Spark."""


def spark_session(limits: Limits) -> "SparkSession":
    """Return a session of its own views and settings in this process's Spark, which is started when there is none.

    ``limits`` hold for a Spark that is started here, and stay as they were at its start. Raises ConfigurationError
    when Spark or Java is not installed or does not start.
    """
    try:
        from pyspark.sql import SparkSession  # noqa: PLC0415  an extra of its own
    except ImportError as error:
        raise ConfigurationError(INSTALL) from error
    logging.getLogger().addFilter(_not_of_py4j)
    logging.getLogger("py4j").setLevel(logging.CRITICAL)
    with warnings.catch_warnings(action="ignore", category=FutureWarning):  # of a pandas that nothing here uses
        if _running:
            return _fresh(_running[0].session)
        if _SUBMITTED in os.environ or SparkSession.getActiveSession() is not None:
            return _fresh(SparkSession.builder.getOrCreate())
        own = _start(limits)
        _running.append(own)
        atexit.register(stop_spark)
        return _fresh(own.session)


def stop_spark() -> None:
    """End the Spark that was started here, if there is one."""
    if _running:
        own = _running.pop()
        own.held.close()
        logging.getLogger().removeFilter(_not_of_py4j)


def _fresh(session: "SparkSession") -> "SparkSession":
    made = session.newSession()
    made.conf.set("spark.sql.session.timeZone", "UTC")
    made.conf.set("spark.sql.ansi.enabled", "true")  # what overflows is an error, as it is for DuckDB
    return made


def _start(limits: Limits) -> _Own:
    from py4j.protocol import Py4JError  # noqa: PLC0415  comes with pyspark
    from pyspark import SparkConf, SparkContext, java_gateway  # noqa: PLC0415
    from pyspark.errors import PySparkException  # noqa: PLC0415
    from pyspark.logger import PySparkLogger  # noqa: PLC0415
    from pyspark.sql import SparkSession  # noqa: PLC0415

    home = os.environ.get("JAVA_HOME")
    if shutil.which(str(Path(home, "bin", "java")) if home else "java") is None:
        raise ConfigurationError(_JAVA)
    PySparkLogger.getLogger(_QUERY_LOG).setLevel(logging.CRITICAL)  # it prints what is also raised
    with ExitStack() as opening:
        directory = Path(opening.enter_context(temporary(limits.temp_dir)))
        log = opening.enter_context((directory / _LOG).open("wb"))
        conf = SparkConf(loadDefaults=False).setAll(list(_settings(limits, directory).items()))
        try:
            with _environment(_ITS_OWN_HOST), _ctrl_c_waits():
                gateway: Any = java_gateway.launch_gateway(conf, {"stdout": log, "stderr": log})  # type: ignore[no-untyped-call]
                opening.callback(_end, gateway)
            with _ctrl_c_as_it_was():
                context = SparkContext(conf=conf, gateway=gateway)
            opening.callback(_stop, context)
        except (PySparkException, Py4JError, OSError) as error:
            words = _in_log(directory / _LOG) or root_cause(error)
            raise ConfigurationError(f"--engine spark does not start: {words}; {_needs(limits)}") from error
        return _Own(SparkSession(context), opening.pop_all())


def _needs(limits: Limits) -> str:
    words = f"it needs Java 17 or later, and --memory-mb {limits.memory_bytes / 1e6:.0f} of free memory"
    home = os.environ.get("SPARK_HOME")
    return words if home is None else f"{words}; SPARK_HOME={home} has to be a Spark of PySpark's version, or unset"


@contextmanager
def _environment(wanted: Mapping[str, str]) -> Iterator[None]:
    """Let these be in the environment, where nothing else is said there, of processes that are started inside."""
    ours = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            del os.environ[name]


@contextmanager
def _ctrl_c_waits() -> Iterator[None]:
    """Let Ctrl-C take effect after the block: a Java that is left while it starts does not end. A second one does."""
    came = []
    before = signal.getsignal(signal.SIGINT)

    def wait(number: int, frame: FrameType | None) -> None:
        came.append(number)
        if len(came) > 1 and callable(before):
            before(number, frame)

    with _ctrl_c_as_it_was():
        if before != signal.SIG_IGN and _in_main_thread():
            signal.signal(signal.SIGINT, wait)
        yield
    if came:
        signal.raise_signal(signal.SIGINT)


@contextmanager
def _ctrl_c_as_it_was() -> Iterator[None]:
    """Give Ctrl-C back after the block: a SparkContext takes it, and asks Java a question inside of another."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if _in_main_thread():
            signal.signal(signal.SIGINT, before)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _not_of_py4j(record: logging.LogRecord) -> bool:
    """Tell whether a message comes from elsewhere than py4j, which writes a traceback of what it also raises."""
    return "py4j" not in Path(record.pathname).parts


def _settings(limits: Limits, directory: Path) -> dict[str, str]:
    """Return the settings of a Spark of one machine, which nobody else can reach."""
    return {
        "spark.app.name": "edgejoule",
        "spark.master": f"local[{limits.threads}]",
        "spark.driver.memory": f"{limits.memory_bytes // 1_048_576}m",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.local.dir": str(directory),
        "spark.log.level": "ERROR",
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.shuffle.partitions": str(2 * limits.threads),
        "spark.sql.warehouse.dir": str(directory / "warehouse"),
        "spark.ui.enabled": "false",
    }


def _stop(context: "SparkContext") -> None:
    """Stop Spark; a Java that somebody has killed cannot be asked to."""
    from py4j.protocol import Py4JError  # noqa: PLC0415  comes with pyspark

    with contextlib.suppress(Py4JError, OSError), warnings.catch_warnings(action="ignore", category=RuntimeWarning):
        context.stop()


def _end(gateway: Any) -> None:
    """End the JVM: it leaves when its stdin is closed. PySpark forgets it, or the next one could not start."""
    from pyspark import SparkContext  # noqa: PLC0415  an extra of its own

    SparkContext._gateway = SparkContext._jvm = None  # noqa: SLF001
    gateway.shutdown()
    gateway.proc.stdin.close()
    try:
        gateway.proc.wait(_LEAVING_S)
    except TimeoutExpired:
        gateway.proc.kill()
        gateway.proc.wait()


def _in_log(log: Path) -> str:
    return telling(log.read_text(encoding="utf-8", errors="replace").splitlines())
