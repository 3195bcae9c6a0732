"""RTS or DTR of a second serial adapter as marker line, where a machine has no pins.

A USB adapter with logic levels drives the pin low when the signal is asserted; one with RS-232 levels drives it high,
with 5 V and more, which no meter's input stands. Which of the two it is shows in the samples: see
``edge_agent.alignment.align``. ``set`` returns when the adapter has taken the request, its pin may follow within a
USB frame: ``settle_s``, an assumption.
"""

from typing import Any, Literal

from edge_agent.alignment.lines import MarkerLineError
from edge_agent.wire.errors import ConfigurationError


class ModemLine:
    """One modem control signal, not asserted at first. Raises ConfigurationError: one line.

    ``handle``: an open serial port as pyserial's, opened where None is given.
    """

    is_simulated = False
    settle_s = 1e-3

    def __init__(self, port: str, signal: Literal["rts", "dtr"], *, handle: Any = None) -> None:
        self.name = f"{signal.upper()} of {port}"
        self._signal = signal
        self._handle = handle or _open(port)
        try:
            self._drive(high=False)
        except OSError as error:
            self.close()
            raise ConfigurationError(
                f"[align] modem_port = {port!r}: it has no {signal.upper()} ({error.strerror or error}); name a "
                "serial adapter with modem signals"
            ) from error

    def set(self, level: bool) -> None:  # noqa: FBT001 a level
        """See MarkerLine.set."""
        try:
            self._drive(high=level)
        except OSError as error:
            raise MarkerLineError(f"{self.name}: cannot drive it: {error.strerror or error}") from error

    def close(self) -> None:
        """See MarkerLine.close."""
        self._handle.close()

    def _drive(self, *, high: bool) -> None:
        asserted = not high
        if self._signal == "rts":
            self._handle.rts = asserted
        else:
            self._handle.dtr = asserted


def _open(port: str) -> Any:
    try:
        import serial  # noqa: PLC0415  an optional dependency
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "[align] modem_port: pyserial is not installed; pip install 'edgejoule[serial]'"
        ) from error
    try:
        return serial.serial_for_url(port, exclusive=True)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"[align] modem_port = {port!r}: cannot open it ({error}); name the adapter whose signal is wired to the "
            "meter's marker input, not the meter's own port"
        ) from error
