"""What Spark and its Java say when something goes wrong, as one line that tells."""

from collections.abc import Sequence
from typing import Final

from collector.assessment.engine_parts import first_line

_TELLING: Final = ("Error", "Exception", "Unsupported", "unsupported", "Could not", "Unable", "Invalid")
_NO_FAULT: Final = (" INFO ", " WARN ")
_GENERAL: Final = (
    "Error occurred during initialization of VM",
    "Error: A JNI error has occurred",
    "Error: LinkageError occurred",
    "Error: Could not create the Java Virtual Machine",
    "Error: A fatal exception has occurred",
)
_CAUSE: Final = "Caused by: "


def has_ended(error: Exception) -> bool:
    """Tell whether an error says that there is no Java any more to ask."""
    from py4j.protocol import Py4JError, Py4JJavaError, Py4JNetworkError  # noqa: PLC0415  an extra of its own

    if not isinstance(error, Py4JJavaError):
        return isinstance(error, (Py4JNetworkError, ConnectionError))
    try:
        error.java_exception.getCause()
    except (Py4JError, OSError):
        return True
    return False


def root_cause(error: Exception) -> str:
    """Return in one line what is behind an error: Spark wraps it several times, and says it last."""
    from py4j.protocol import Py4JError, Py4JJavaError  # noqa: PLC0415  an extra of its own

    if not isinstance(error, Py4JJavaError):
        return first_line(str(error))
    try:
        cause = error.java_exception
        while (deeper := cause.getCause()) is not None:
            cause = deeper
        return first_line(str(cause.toString()))
    except (Py4JError, OSError):
        return "Spark has ended"


def telling(lines: Sequence[str]) -> str:
    """Return the line of a log that says why its process ended, or "".

    It is the last cause of the first exception, or what stands below a line that only says that there is an error.
    """
    said = [line.strip() for line in lines if not any(level in line for level in _NO_FAULT)]
    found = [line for line in said if any(word in line for word in _TELLING)]
    causes = [line.removeprefix(_CAUSE) for line in found if line.startswith(_CAUSE)]
    special = [line for line in found if not line.startswith(_GENERAL)]
    return next((first_line(line) for line in [*causes[-1:], *special, *found]), "")
