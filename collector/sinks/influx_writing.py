"""What an InfluxDB's answers mean: whose fault a refusal is, and which lines it names.

An HTTP status alone does not say whose fault it is. A 400 for a line that cannot be stored condemns that line; a 400
for a wrong organisation condemns nothing and must not empty the journal into the dead letters. So a row is rejected
only when the server's own words say that the data are at fault; every other refusal keeps the rows, with the reason.

InfluxDB 3 lists the lines that it refused by number, 1.x and 2.x quote those that they cannot parse; of a conflict of
types they name the field, of points beyond retention they say how many (seen on 1.6.7; 2.x and 3 by their documents).
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any, Final, Literal

_DATA_FAULTS: Final = (
    "unable to parse",
    "partial write",
    "beyond retention policy",
    "outside retention policy",
    "type conflict",
    "parsing failed for write_lp",
    "parsing for line protocol failed",
    "line protocol parsing error",
)
_REMEDIES: Final = {
    401: "correct the user, password or token",
    403: "give this user or token the right to write",
    404: "create the database or bucket, or correct its name",
}
_DROPPED: Final = re.compile(r"dropped[= ](\d+)")
_QUOTED: Final = re.compile(r"unable to parse '(.*)': (.*?)(?: dropped=\d+)?$", re.MULTILINE)
_CONFLICT: Final = re.compile(r'input field "(.*?)" on measurement')


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server made of one body: stored it, refused it for its data, or can't take it now.

    ``words``: what it said of the data, whole. ``named``: reasons by line number, from 0, of the lines that it named.
    """

    verdict: Literal["stored", "bad_data", "too_large", "later"]
    reason: str = ""
    words: str = ""
    named: dict[int, str] = field(default_factory=dict)


STORED: Final = Answer("stored")


def judge(where: str, status: int, body: str) -> Answer:
    """Return what the server at ``where`` meant with HTTP ``status`` and the ``body`` of its answer."""
    if 200 <= status < 300:
        return STORED
    message = words_of(body)
    words = _shortened(" ".join(message.split()))
    if status == 413:
        return Answer("too_large", f"{where}: HTTP 413: {words}")
    if status in {400, 422} and any(fault in message.lower() for fault in _DATA_FAULTS):
        return Answer("bad_data", words, message, named_lines(body))
    remedy = _REMEDIES.get(status, "the rows are kept and tried again" if status >= 429 else "check the settings")
    return Answer("later", f"{where}: HTTP {status}: {words or 'no reason given'}; {remedy}")


def words_of(body: str) -> str:
    """Return the server's words: ``message`` or ``error`` of its JSON, else the body as it is."""
    answer = _json_of(body)
    return str(answer.get("message") or answer.get("error") or body) if isinstance(answer, dict) else body


def named_lines(body: str) -> dict[int, str]:
    """Return the reasons by line number, from 0, in an answer of InfluxDB 3: a list of lines, or the first one."""
    answer = _json_of(body)
    found = answer.get("data") if isinstance(answer, dict) else None
    items = found if isinstance(found, list) else [found]
    return {
        item["line_number"] - 1: _shortened(str(item.get("error_message") or "no reason given"))
        for item in items
        if isinstance(item, dict) and isinstance(item.get("line_number"), int) and item["line_number"] > 0
    }


def suspects(answer: Answer, lines: list[str]) -> list[int]:
    """Return the places in ``lines``, as they were sent, of those that the refusal speaks of; empty when unsaid.

    A guess, which the caller has to try: what is counted may be less than what was refused, for one reason can hide
    another.
    """
    if named := blamed(answer, lines):
        return sorted(named)
    if conflict := _CONFLICT.search(answer.words):
        starts = (f",{conflict[1]}=", f" {conflict[1]}=")
        return [place for place, line in enumerate(lines) if any(start in line for start in starts)]
    if "retention policy" in answer.words and (count := _dropped(answer)):
        by_age = sorted(range(len(lines)), key=lambda place: _stamp(lines[place]))
        return sorted(by_age[:count])
    return []


def refuses_all(answer: Answer, lines: list[str]) -> bool:
    """Return whether the server said of each of ``lines`` that it cannot be stored."""
    return len(lines) == 1 or _dropped(answer) == len(lines) or len(blamed(answer, lines)) == len(lines)


def blamed(answer: Answer, lines: list[str]) -> dict[int, str]:
    """Return the reasons by place in ``lines`` of those that the server named, by number or by quoting them."""
    if answer.named:
        return {place: reason for place, reason in answer.named.items() if place < len(lines)}
    quoted = dict(_QUOTED.findall(answer.words))
    return {place: f"unable to parse: {quoted[line]}" for place, line in enumerate(lines) if line in quoted}


def _dropped(answer: Answer) -> int:
    found = _DROPPED.search(answer.words)
    return int(found[1]) if found else 0


def _stamp(line: str) -> int:
    stamp = line.rpartition(" ")[2]
    return int(stamp) if stamp.lstrip("-").isdigit() else 0


def _json_of(body: str) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _shortened(words: str) -> str:
    """Return both ends of a long message: the fault stands behind the line that it repeats."""
    return words if len(words) <= 300 else f"{words[:120]} ... {words[-170:]}"
