"""What may stand in the way, each with its remedy."""

from __future__ import annotations

USAGE_KINDS = ("usage", "configuration", "configuration-changed", "permission")


class InstallError(Exception):
    """One line that says what and where, and what to do about it. ``kind`` is for programs that read the outcome.

    Kinds: usage, permission, busy, bundle, signature, wrong-board, no-python, no-space, clock, configuration,
    configuration-changed, build, self-test, service, gate, no-version. ``journal``: the agent's last words, where
    it ran and failed.
    """

    def __init__(self, kind: str, text: str, remedy: str = "") -> None:
        self.kind, self.text, self.remedy = kind, text, remedy
        self.journal: list[str] = []
        super().__init__(f"{text}; {remedy}" if remedy else text)

    @property
    def exit_code(self) -> int:
        """Return 2 where a person has to ask differently, 1 where the answer is no or it failed."""
        return 2 if self.kind in USAGE_KINDS else 1
