"""Bytes written as hexadecimal text, as manuals, forums and serial monitors show them. Pure."""

import re
from typing import Final

from firmware_bridge.errors import ConfigurationError

_COMMENT: Final = re.compile(r"#.*")
_PREFIX: Final = re.compile(r"0[xX]|\\x")
_SEPARATORS: Final = str.maketrans(dict.fromkeys(":,;-\t\r\f\v\ufeff", " "))
_NOT_HEX: Final = re.compile(r"[^0-9A-Fa-f ]")
_WORD: Final = re.compile(r"\S+")


def parse_hex(text: str, name: str) -> bytes:
    """Return the bytes of hexadecimal text: digits in pairs, between them white space, ``0x``, ``:``, ``,``, ``-``.

    ``#`` begins a comment. Raises ConfigurationError with line and column (from 1) of the first fault.
    """
    pieces: list[bytes] = []
    for number, line in enumerate(text.splitlines(), 1):
        digits = _COMMENT.sub("", line).translate(_SEPARATORS)
        digits = _PREFIX.sub(lambda prefix: " " * len(prefix[0]), digits)
        bad = _NOT_HEX.search(digits)
        if bad is not None:
            raise ConfigurationError(
                f"{name}: line {number}, column {bad.start() + 1}: {line[bad.start()]!r} is no hexadecimal digit; "
                "write pairs of 0-9 and a-f, comments after #"
            )
        for word in _WORD.finditer(digits):
            if len(word[0]) % 2:
                raise ConfigurationError(
                    f"{name}: line {number}, column {word.start() + 1}: {word[0][:20]!r} has an odd number of digits; "
                    "write each byte with two"
                )
            pieces.append(bytes.fromhex(word[0]))
    return b"".join(pieces)


def looks_like_hex(head: bytes) -> bool:
    """Tell whether these first bytes of a file may be hexadecimal text."""
    if len(head) < 2 or not head.isascii():
        return False
    line = _PREFIX.sub("  ", _COMMENT.sub("", head.decode("ascii")).translate(_SEPARATORS))
    return _NOT_HEX.search(line.replace("\n", " ")) is None
