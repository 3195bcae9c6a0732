"""The id of a journal: what it writes elsewhere carries it, so that several collectors may share one place."""

import secrets
from typing import Final

from collector.journal import Journal

NOTE: Final = "journal_id"


def journal_id(journal: Journal) -> str:
    """Return the id of a journal that is open for writing, 16 hexadecimal digits, made at the first call."""
    with journal.transaction():
        known = journal.note(NOTE)
        if not known:
            known = secrets.token_hex(8)
            journal.set_note(NOTE, known)
    return known


def known_journal_id(journal: Journal) -> str:
    """Return the id, "" for a journal that no collector of this version has opened yet."""
    return journal.note(NOTE)
