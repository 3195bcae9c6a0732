"""One line of the doctor's report."""

from collections.abc import Sequence
from typing import Literal

import msgspec

Level = Literal["ok", "warning", "failure"]


class Finding(msgspec.Struct, frozen=True):
    """What was looked at, how it is, and what to do about it ("" when nothing)."""

    level: Level
    topic: str
    text: str
    remedy: str = ""


class DoctorReport(msgspec.Struct, frozen=True):
    """All findings, in the order they were made."""

    findings: list[Finding]
    warnings: int
    failures: int


def ok(topic: str, text: str) -> Finding:
    """Return a finding that needs nothing."""
    return Finding("ok", topic, text)


def warning(topic: str, text: str, remedy: str) -> Finding:
    """Return a finding that works but costs something."""
    return Finding("warning", topic, text, remedy)


def failure(topic: str, text: str, remedy: str) -> Finding:
    """Return a finding that stops the agent or the collector, or falsifies what they say."""
    return Finding("failure", topic, text, remedy)


def summarise(findings: Sequence[Finding]) -> DoctorReport:
    """Return the report over ``findings``."""
    levels = [finding.level for finding in findings]
    return DoctorReport(list(findings), levels.count("warning"), levels.count("failure"))
