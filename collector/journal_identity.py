"""The id of a journal: what it writes elsewhere carries it, so that several collectors may share one place."""

import secrets
from typing import Final

from collector.journal import Journal

NOTE: Final = "journal_id"


def journal_id(journal: Journal) -> str:
    """Return the id of a journal that is open for writing, 16 hexadecimal digits, made at the first call."""
    with journal.transaction():
        if not journal.note(NOTE):
            journal.set_note(NOTE, secrets.token_hex(8))
        return journal.note(NOTE)


def known_journal_id(journal: Journal) -> str:
    """Return the id, "" for a journal that no collector of this version has opened yet."""
    return journal.note(NOTE)
