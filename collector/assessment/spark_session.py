"""The Spark of this process: one session, started at the first use and ended with the process.

Its JVM lives as long as this process holds its stdin. What it says on stderr goes to a file, of which an error quotes
the line that tells. Under spark-submit, or where somebody has started a session in this process, that one is used as
it is.
"""

import atexit
import logging
import os
import shutil
import warnings
from contextlib import ExitStack
from pathlib import Path
from subprocess import TimeoutExpired
from typing import TYPE_CHECKING, Any, Final

from collector.assessment.engine import Limits
from collector.assessment.engine_parts import first_line, temporary
from edge_agent.wire.errors import ConfigurationError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

INSTALL: Final = "--engine spark needs PySpark, which is not installed; run: pip install 'edgejoule[spark]'"
_JAVA: Final = (
    "--engine spark needs Java 17 or later: no java in JAVA_HOME or PATH; install it (Debian: default-jre-headless)"
)
_LOG: Final = "spark.log"
_QUERY_LOG: Final = "SQLQueryContextLogger"
_LEAVING_S: Final = 30.0
_TELLING: Final = ("Error", "Exception", "Unsupported", "unsupported", "Could not", "Unable", "Invalid")
_SUBMITTED: Final = "PYSPARK_GATEWAY_PORT"


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
    """End the Spark that was started here, if there is one; this process can start no other."""
    if _running:
        own = _running.pop()
        own.held.close()


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
            gateway: Any = java_gateway.launch_gateway(conf, {"stdout": log, "stderr": log})  # type: ignore[no-untyped-call]
            opening.callback(_end, gateway)
            context = SparkContext(conf=conf, gateway=gateway)
            opening.callback(context.stop)
        except (PySparkException, Py4JError, OSError) as error:
            words = _telling(directory / _LOG) or first_line(str(error))
            raise ConfigurationError(
                f"--engine spark does not start: {words}; it needs Java 17 or later, and "
                f"--memory-mb {limits.memory_bytes / 1e6:g} of free memory"
            ) from error
        return _Own(SparkSession(context), opening.pop_all())


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


def _end(gateway: Any) -> None:
    """End the JVM: it leaves when its stdin is closed."""
    gateway.shutdown()
    gateway.proc.stdin.close()
    try:
        gateway.proc.wait(_LEAVING_S)
    except TimeoutExpired:
        gateway.proc.kill()
        gateway.proc.wait()


def _telling(log: Path) -> str:
    """Return the first line of the log that says what went wrong, or ""."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return next((line.strip()[:300] for line in lines if any(word in line for word in _TELLING)), "")
