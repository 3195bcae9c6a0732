"""The application socket: a thread that hears what programs say and answers them. See ``line_protocol``.

The time of a window's edge is that at which its line is read here. Clients are bounded in number, in the length of a
line and in what waits to be answered; one that dies closes its window.
"""

import selectors
import socket
import threading
from collections.abc import Callable
from typing import Final

import structlog

from edge_agent.application.line_protocol import (
    HELP,
    MAX_LINE_BYTES,
    AskHelp,
    AskStatus,
    Command,
    Count,
    EndWindow,
    LineError,
    OpenWindow,
    error_line,
    parse,
    result_line,
)
from edge_agent.application.models import ModelTable
from edge_agent.application.span import Span
from edge_agent.application.work import ApplicationWork, WindowRefusedError
from edge_agent.wire.errors import ConfigurationError
from firmware_bridge.port import Waker

MAX_CLIENTS: Final = 16
CHUNK_BYTES: Final = 65_536

_LOG = structlog.get_logger()


class _Client:
    """One connection. ``span``: its window, open or waiting for the meter (``ending``)."""

    def __init__(self, channel: socket.socket) -> None:
        self.channel = channel
        self.lines = LineBuffer()
        self.span: Span | None = None
        self.ending = False
        self.todo: list[bytes | None] = []


class LineBuffer:
    """Cuts bytes into lines. Pure; a line beyond ``MAX_LINE_BYTES`` is dropped and given as None."""

    def __init__(self) -> None:
        self._held = b""
        self._too_long = False

    def feed(self, data: bytes) -> list[bytes | None]:
        """Return the lines that end in ``data``, without their line feeds."""
        *whole, rest = (self._held + data).split(b"\n")
        lines: list[bytes | None] = []
        for line in whole:
            lines.append(None if self._too_long or len(line) > MAX_LINE_BYTES else line.rstrip(b"\r"))
            self._too_long = False
        self._too_long = self._too_long or len(rest) > MAX_LINE_BYTES
        self._held = b"" if self._too_long else rest
        return lines


class ApplicationServer:
    """Serves a listening socket until ``close``. ``status``: what to tell of the agent, words after ``ok``."""

    def __init__(
        self, listener: socket.socket, work: ApplicationWork, models: ModelTable, status: Callable[[], str]
    ) -> None:
        self._listener, self._work, self._models, self._status = listener, work, models, status
        self._selector = selectors.DefaultSelector()
        self._waker = Waker()
        self._clients: list[_Client] = []
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="application socket")

    def start(self) -> None:
        """Begin to serve, in the background."""
        self._work.on_result = self._waker.wake
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._waker.fileno(), selectors.EVENT_READ)
        self._thread.start()

    def close(self) -> None:
        """Answer who waits for a result that is there, and end."""
        self._stopping = True
        self._waker.wake()
        self._thread.join()
        for client in self._clients:
            client.channel.close()
        self._selector.close()
        self._waker.close()

    def _run(self) -> None:
        while not self._stopping:
            for key, _ in self._selector.select():
                if key.fileobj is self._listener:
                    self._accept()
                elif key.data is not None:
                    self._hear(key.data)
            self._waker.reset()
            self._answer_results()
        self._answer_results()

    def _accept(self) -> None:
        try:
            channel, _ = self._listener.accept()
        except BlockingIOError:
            return
        if len(self._clients) >= MAX_CLIENTS:
            with channel:
                channel.setblocking(False)
                _send(channel, error_line(f"{MAX_CLIENTS} programs are connected; close a connection first"))
            return
        channel.setblocking(False)
        client = _Client(channel)
        self._clients.append(client)
        self._selector.register(channel, selectors.EVENT_READ, client)

    def _hear(self, client: _Client) -> None:
        try:
            data = client.channel.recv(CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._leave(client)
            return
        client.todo += client.lines.feed(data)
        self._work_off(client)

    def _work_off(self, client: _Client) -> None:
        """Take what the client said, up to an ``end``: the rest waits until that is answered.

        What is left of a client that does not take its answers is not obeyed: nobody would end its window.
        """
        while client.todo and not client.ending and client in self._clients:
            lines, client.todo = client.todo, []
            for number, line in enumerate(lines):
                self._take(client, line)
                if client.ending or client not in self._clients:
                    client.todo = lines[number + 1 :]
                    break

    def _take(self, client: _Client, line: bytes | None) -> None:
        if line is None:
            self._answer(
                client, error_line(f"the line is longer than {MAX_LINE_BYTES} bytes; send one command a line")
            )
            return
        try:
            command = parse(line)
            answer = None if command is None else self._obey(client, command)
        except (LineError, WindowRefusedError, ConfigurationError) as error:
            answer = error_line(str(error))
        if answer is not None:
            self._answer(client, answer)

    def _obey(self, client: _Client, command: Command) -> str | None:
        if isinstance(command, Count):
            self._work.count(_window_of(client), command.number, command.latency_s)
            return None
        if isinstance(command, OpenWindow):
            model = self._models.find(command.model_id)
            client.span = self._work.begin(model)
            return f"ok window {model.model_id}"
        if isinstance(command, EndWindow):
            self._work.end(_window_of(client))
            client.ending = True
            self._selector.unregister(client.channel)
            return None
        if isinstance(command, AskStatus):
            return f"ok window={self._work.open_model_id or 'none'} {self._status()}"
        assert isinstance(command, AskHelp)
        return HELP

    def _answer_results(self) -> None:
        for client in [one for one in self._clients if one.ending]:
            try:
                assert client.span is not None
                answer = result_line(self._work.result(client.span, 0.0))
            except TimeoutError:
                continue
            except WindowRefusedError as error:
                answer = error_line(str(error))
            client.span, client.ending = None, False
            self._selector.register(client.channel, selectors.EVENT_READ, client)
            self._answer(client, answer)
            self._work_off(client)

    def _answer(self, client: _Client, text: str) -> None:
        if client in self._clients and not _send(client.channel, text):
            self._leave(client)

    def _leave(self, client: _Client) -> None:
        """Forget a client that went away, or reads nothing; its window ends now."""
        if client.span is not None and not client.ending:
            self._work.end(client.span)
            _LOG.warning("application_left", model=client.span.model.model_id, note="its window ended then")
        if not client.ending:
            self._selector.unregister(client.channel)
        client.channel.close()
        self._clients.remove(client)


def _window_of(client: _Client) -> Span:
    if client.span is None:
        raise WindowRefusedError("no window is open here; open one first: window MODEL_ID")
    return client.span


def _send(channel: socket.socket, text: str) -> bool:
    """Send a line; False if the client does not take it: it is gone, or has left thousands of answers unread."""
    body = f"{text}\n".encode()
    try:
        return channel.send(body, socket.MSG_NOSIGNAL) == len(body)
    except OSError:
        return False
