"""Dead letters for people: what strangers sent is made harmless before it reaches a terminal."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from rich.markup import escape
from rich.table import Table

from collector.dead_letters import Letter
from collector.letter_replay import Outcome, ReplayTally
from edgejoule.fleet_tables import plain_table
from edgejoule.output import printable

EXCERPT_LETTERS: Final = 120
_REASONS_SHOWN: Final = 5
_WORDS: Final[dict[Outcome, str]] = {
    "accepted": "accepted",
    "outdated": "valid, but newer ones of their devices are known",
    "refused": "refused again",
    "untouched": "not tried",
}


def excerpt(payload: bytes, letters: int = EXCERPT_LETTERS) -> str:
    """Return the beginning of ``payload`` as harmless text."""
    text = printable(payload[: 4 * letters].decode(errors="backslashreplace"))
    return text if len(text) <= letters and len(payload) <= 4 * letters else f"{text[: letters - 3]}..."


def is_safe_on_a_terminal(payload: bytes) -> bool:
    """Return whether it is text that moves no cursor."""
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return False
    return all(letter.isprintable() or letter in "\n\t" for letter in text)


def letter_table(letters: Iterable[Letter], matching: int) -> Table:
    """Return one row per letter; ``matching``: how many there are with those that are not shown."""
    table = plain_table("Dead letters")
    table.add_column("number", justify="right", no_wrap=True)
    table.add_column("time (UTC)\ndevice", overflow="fold", min_width=19)
    table.add_column("bytes", justify="right", no_wrap=True)
    table.add_column("topic\nreason\nwhat came", overflow="fold")
    shown = 0
    for letter in letters:
        shown += 1
        what = "\n".join(map(escape, (printable(letter.topic), printable(letter.reason), excerpt(letter.payload))))
        table.add_row(str(letter.id), f"{_when(letter)}\n{escape(_owner(letter))}", _size(letter), what)
        table.add_section()
    if shown < matching:
        table.caption, table.caption_justify = f"{shown} of {matching}; --limit 0 shows all", "left"
    return table


def letters_as_json(letters: Iterable[Letter]) -> dict[str, Any]:
    """Return the letters without their payloads."""
    return {
        "letters": [
            {
                "id": letter.id,
                "t_unix_ns": letter.t_unix_ns,
                "topic": letter.topic,
                "fleet": letter.fleet,
                "device_id": letter.device_id,
                "kind": letter.kind,
                "sink": letter.sink,
                "reason": letter.reason,
                "kept_bytes": len(letter.payload),
                "full_bytes": letter.full_bytes,
                "cut": letter.cut,
                "excerpt": excerpt(letter.payload),
            }
            for letter in letters
        ]
    }


def one_line(letter: Letter) -> str:
    """Return what it is and why it is here."""
    cut = " (the rest was not kept)" if letter.cut else ""
    return printable(
        f"{letter.id}: {_when(letter)} {letter.topic}: {_size(letter)} bytes{cut}: {letter.reason}",
    )


def letters_in_words(count: int) -> str:
    """Return "1 dead letter", "2 dead letters"."""
    return f"{count} dead letter{'' if count == 1 else 's'}"


def replay_lines(tally: ReplayTally, *, dry_run: bool) -> list[str]:
    """Return what became of the letters, and why some are still there."""
    counted = [f"{tally.outcomes[outcome]} {words}" for outcome, words in _WORDS.items() if tally.outcomes[outcome]]
    head = f"{'would be: ' if dry_run else ''}{', '.join(counted) or 'there is none to replay'}"
    common = tally.reasons.most_common(_REASONS_SHOWN)
    more = len(tally.reasons) - len(common)
    return [
        head,
        *(f"  {count} x {printable(reason)}" for reason, count in common),
        *([f"  and {more} more reason{'s' if more > 1 else ''}"] if more else []),
    ]


def _when(letter: Letter) -> str:
    return datetime.fromtimestamp(letter.t_unix_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _owner(letter: Letter) -> str:
    name = "/".join(part for part in (letter.fleet, letter.device_id) if part)
    return printable(name) or "unknown"


def _size(letter: Letter) -> str:
    if letter.full_bytes is None:
        return f"over {len(letter.payload)}"
    return f"{len(letter.payload)} of {letter.full_bytes}" if letter.cut else str(letter.full_bytes)
