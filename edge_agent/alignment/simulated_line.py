"""The marker input of an emulated meter as marker line: ``edgejoule meter emulate --marker-socket PATH``."""

import socket
from typing import Final

from edge_agent.alignment.lines import MarkerLineError
from edge_agent.wire.errors import ConfigurationError

ANSWER_TIMEOUT_S: Final = 0.5
MAX_DATAGRAM_BYTES: Final = 16


class SimulatedLine:
    """Input ``bit`` of the emulator behind a Unix datagram socket. Raises ConfigurationError: one line.

    The emulator answers when the level is set, and ``set`` waits for that.
    """

    is_simulated = True
    settle_s = 0.0

    def __init__(self, path: str, bit: int) -> None:
        self.name = f"input {bit} of the emulated meter at {path}"
        self._bit = bit
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self._socket.bind("")  # Linux gives it an abstract name, so that it can be answered
            self._socket.connect(path)
        except OSError as error:
            self.close()
            raise ConfigurationError(
                f"[align] marker_socket = {path!r}: no emulated meter listens there ({error.strerror or error}); "
                "start 'edgejoule meter emulate' with --marker-socket"
            ) from error
        self._socket.settimeout(ANSWER_TIMEOUT_S)

    def set(self, level: bool) -> None:  # noqa: FBT001 a level
        """See MarkerLine.set."""
        command = f"{self._bit}:{int(level)}".encode()
        try:
            self._socket.send(command)
            while self._socket.recv(MAX_DATAGRAM_BYTES) != command:
                pass
        except OSError as error:
            raise MarkerLineError(f"{self.name}: {error.strerror or 'it does not answer'}") from error

    def close(self) -> None:
        """See MarkerLine.close."""
        self._socket.close()
