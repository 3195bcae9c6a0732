"""What a server's answer means for whoever asked: usable, come again, or change something first. Pure."""

import email.utils
import re
from collections.abc import Mapping
from typing import Final

from collector.intensity.errors import SourceError

AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses after which the same question may be answered (RFC 9110, section 15; RFC 6585, section 4)."""

MESSAGE_CHARS: Final = 160
"""So much of a server's own words stands in an error."""


def error_of(status: int, where: str, headers: Mapping[str, str], body: bytes, now_unix_s: float) -> SourceError:
    """Return what to raise for a status that is no success. ``headers``: names in small letters."""
    said = own_words(body)
    words = f": {said}" if said else ""
    if status in AGAIN:
        wait_s = retry_after_s(headers.get("retry-after", ""), now_unix_s)
        patience = "" if wait_s is None else f", to be asked again in {wait_s:.0f} s"
        text = f"{where}: answers {status}{patience}{words}"
        return SourceError(text, retry=True, retry_after_s=wait_s, status=status, said=said)
    if 300 <= status < 400:
        target = headers.get("location", "elsewhere").partition("?")[0]
        return SourceError(f"{where}: moved to {target}; set the source's url to where it is now", retry=False)
    remedy = {
        401: "; it does not know the key: check key_file",
        403: "; the key may not read this: check key_file and what the contract covers",
        404: "; check the zone and the source's url",
    }.get(status, "")
    return SourceError(f"{where}: answers {status}{words}{remedy}", retry=False, status=status, said=said)


def retry_after_s(header: str, now_unix_s: float) -> float | None:
    """Return how long a Retry-After header asks to wait (RFC 9110, section 10.2.3), None where it says nothing."""
    text = header.strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    try:
        moment = email.utils.parsedate_to_datetime(text)
        return max(0.0, moment.timestamp() - now_unix_s)
    except (ValueError, OverflowError):
        return None


def max_age_s(cache_control: str, limit_s: float) -> float:
    """Return how long an answer stays fresh by its Cache-Control header (RFC 9111, section 5.2), at most ``limit_s``.

    0 where the header says nothing, or that the answer has to be asked for each time.
    """
    text = cache_control.lower()
    found = re.search(r"(?:^|[\s,])max-age\s*=\s*\"?([0-9]{1,9})", text)
    if found is None or "no-cache" in text or "no-store" in text:
        return 0.0
    return min(float(found[1]), limit_s)


def own_words(body: bytes) -> str:
    """Return the beginning of what a server says, as one line of printable characters; "" for a page of HTML.

    Of XML it is what stands in elements named ``text``, as in an acknowledgement of ENTSO-E.
    """
    text = body[: 32 * MESSAGE_CHARS].decode("utf-8", errors="replace")
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if line.startswith("<"):
        line = " ".join(re.findall(r"<(?:\w+:)?text>([^<]*)</", line)).strip()
    return line if len(line) <= MESSAGE_CHARS else f"{line[:MESSAGE_CHARS]} ..."
