"""Errors of the authority and of those who ask it. The class answers: what now?"""


class PkiError(Exception):
    """One line: what, where, and the remedy."""


class RefusedError(PkiError):
    """The authority says no, or what it gave does not work: the same question gets the same answer."""


class UnreachableError(PkiError):
    """No answer now; trying again later can help."""
