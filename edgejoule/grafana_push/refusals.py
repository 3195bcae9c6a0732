"""What a server's refusals mean and what to do about them: each one line, whatever stands between here and it."""

import re
from typing import Any, Final

import niquests.exceptions
from grafana_client.client import GrafanaException

NOT_FOUND: Final = 404
UNAUTHORISED: Final = 401
SERVER_ERROR: Final = 500
_FAILED: Final = ("the server failed", "look into its log and push again: nothing is done twice")
_REMEDIES: Final = {
    401: (
        "the credentials are not accepted",
        "give a service account's token of the role Admin, or Editor without data sources, that has not expired",
    ),
    403: ("not allowed", "data sources, and before Grafana 11 alert rules too, need the role Admin, the rest Editor"),
    409: ("conflict", "another one has this name, or somebody changed it meanwhile: look there, then push again"),
    412: (
        "not as expected",
        "somebody changed it meanwhile, or another one has this name: look with --dry-run, then push again",
    ),
}
"""By status: what it is, and what to do."""
_TITLE: Final = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_OBJECT: Final = re.compile(r"<[^<>]* object at 0x[0-9a-f]+>:? ?|HTTPS?Connection\([^()]*\): ")
_LONGEST: Final = 200


class RefusedError(Exception):
    """The server said no, or nothing, in one line. ``final``: it would say the same to everything else."""

    def __init__(self, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.final = final


class NotFoundError(RefusedError):
    """There is none of that uid."""


def refused(error: GrafanaException, url: str, timeout_s: float) -> RefusedError:
    """Return what the server's answer means."""
    status, said = error.status_code, _said(error.response)
    if status == 0:
        return RefusedError(f"{url} did not answer within {timeout_s:g} s", final=True)
    if status == NOT_FOUND:
        if not _is_grafana(error.response):
            return RefusedError(f"{url} has no Grafana at that path (404): {said}; look at --url", final=True)
        return NotFoundError(f"not found: {said}")
    what, remedy = _REMEDIES.get(status, _FAILED if status >= SERVER_ERROR else ("refused", ""))
    return RefusedError(f"{what} ({status}): {said}{remedy and '; ' + remedy}", final=status == UNAUTHORISED)


def unreachable(error: BaseException, url: str) -> RefusedError:
    """Return why there is no answer at all."""
    if isinstance(error, niquests.exceptions.TooManyRedirects) and error.response is not None:
        where = _one_line(error.response.headers.get("Location") or "elsewhere")
        return RefusedError(f"{url} sends on to {where}; give the address of the Grafana itself as --url", final=True)
    cause = getattr(error.args[0], "reason", None) if error.args else None
    why = _one_line(_OBJECT.sub("", str(cause or error)))
    return RefusedError(f"{url} cannot be reached: {why or type(error).__name__}", final=True)


def strange(url: str, instead: str) -> RefusedError:
    """Return that something answers, but not as a Grafana does."""
    return RefusedError(f"{url} answers {instead}; is it a Grafana?", final=True)


def _is_grafana(answer: Any) -> bool:
    """Return whether Grafana itself may have said so: with a message, or with nothing."""
    return not answer or (isinstance(answer, dict) and "message" in answer)


def _said(answer: Any) -> str:
    """Return the message; of a page, such as a proxy's, its title."""
    said = answer.get("message") if isinstance(answer, dict) else answer
    text = str(said or "no reason given")
    if text.lstrip()[:1] == "<":
        title = _TITLE.search(text)
        return f"a page with the title {_one_line(title[1])!r}" if title else "a page without a title"
    return _one_line(text)


def _one_line(text: str) -> str:
    """Return the text without line breaks and control characters, and not too long."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    line = " ".join(printable.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."
