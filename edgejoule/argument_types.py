"""Numbers and times on the command line: finite, within limits, and a plain sentence for what is not."""

import argparse
import math
import re
import time
from datetime import UTC, datetime
from typing import Final

_UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_YEARS: Final = range(1970, 2200)
"""Nanoseconds of much later years do not fit into 64 bits."""
_LATEST_UNIX_NS: Final = round(datetime(_YEARS.stop, 1, 1, tzinfo=UTC).timestamp()) * 10**9


def finite(text: str) -> float:
    """Return a number that is neither infinite nor "nan"."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return value


def positive(text: str) -> float:
    """Return a number above zero."""
    value = finite(text)
    if value <= 0.0:
        raise argparse.ArgumentTypeError(f"must be above zero, not {text}")
    return value


def not_negative(text: str) -> float:
    """Return zero or a number above it."""
    value = finite(text)
    if value < 0.0:
        raise argparse.ArgumentTypeError(f"must not be below zero: {text}")
    return value


def whole(text: str) -> int:
    """Return a whole number from 0 up."""
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 up")
    return int(text)


def share(text: str) -> float:
    """Return a number from 0 to 1."""
    value = finite(text)
    if not 0.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError(f"must be within 0 and 1, not {text}")
    return value


def port_number(text: str) -> int:
    """Return a TCP port, 1 to 65535."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65_535):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; choose one from 1 to 65535")
    return int(text)


def duration(text: str) -> float:
    """Return seconds above zero: 90s 15m 2h 7d, or a number of seconds."""
    parts = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)([smhd]?)", text)
    seconds = float(parts[1]) * _UNITS_S[parts[2] or "s"] if parts else 0.0
    if seconds <= 0.0:
        raise argparse.ArgumentTypeError(f"{text!r} is no length of time; write 90s, 15m, 2h or 7d")
    return seconds


def moment(text: str) -> int:
    """Return Unix nanoseconds: ISO 8601 (UTC unless it says otherwise), now, ago (90s 15m 2h 7d), ahead (+2h)."""
    if text == "now":
        return time.time_ns()
    distance = re.fullmatch(r"(\+?)(\d{1,9})([smhd])", text)
    if distance:
        distance_ns = int(distance[2]) * _UNITS_S[distance[3]] * 10**9
        there = time.time_ns() + (distance_ns if distance[1] else -distance_ns)
        return min(max(0, there), _LATEST_UNIX_NS)
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        when = None
    if when is None or when.year not in _YEARS:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write 2026-01-31T10:00, now, or 2h for two hours ago")
    return round((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()) * 10**9
