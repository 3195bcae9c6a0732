"""Errors of the library. The class answers one question: what now?"""


class FirmwareBridgeError(Exception):
    """Root of this library's errors."""


class ConfigurationError(FirmwareBridgeError):
    """Somebody must change a setting: trying again with the same one cannot help."""


class NotInstalledError(ConfigurationError):
    """A package of an extra is missing. ``extra``: the one that brings it."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed; pip install 'edgejoule[{extra}]'")


class MeterUnavailableError(FirmwareBridgeError):
    """The port is absent, busy or went away: trying again later can help."""


class RecordingEndedError(FirmwareBridgeError):
    """A recording was played to its end: stop, nothing more will come."""
