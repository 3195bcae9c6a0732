"""Numbers on the command line: finite, within their limits, and a plain sentence for what is not."""

import argparse
import math


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
