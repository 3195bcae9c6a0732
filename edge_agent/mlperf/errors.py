"""Errors of the replay. The class answers: is the file bad, or only not here?"""


class TraceError(Exception):
    """The file is damaged, or not of the format that its name says: fetch it again, or report it to its owner."""


class TraceMissingError(TraceError):
    """The figures are not here: never published, stripped from this copy, or a Git LFS pointer in their place."""
