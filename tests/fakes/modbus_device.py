"""A Modbus device by somebody else: pymodbus's own server and simulator data, at the other end of a cable of ptys."""

import asyncio
import os
import select
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice

Tamper = Callable[[bytes], bytes]
Action = Callable[[int, list[int]], None]
"""Called with a function code and the device's registers (of that function, from 0) whenever they are read."""
_BITS = [SimData(0, values=[False] * 16, datatype=DataType.BITS)]


@contextmanager
def cable(*, echo: bool = False, to_host: Tamper = bytes) -> Iterator[tuple[str, str]]:
    """Two serial ports, joined: what goes into one comes out of the other. Yields the host's and the device's path.

    ``echo``: the host hears itself, as with half-duplex RS-485 adapters. ``to_host`` may change each piece that the
    device sends.
    """
    ends = [os.openpty(), os.openpty()]
    stop_fd = os.eventfd(0, os.EFD_CLOEXEC)
    for _, slave in ends:
        tty.setraw(slave)
    host, device = ends[0][0], ends[1][0]

    def carry() -> None:
        poll = select.poll()
        for fd in (host, device, stop_fd):
            poll.register(fd, select.POLLIN)
        while True:
            ready = {fd for fd, _ in poll.poll()}
            if stop_fd in ready:
                return
            if host in ready:
                data = os.read(host, 4096)
                os.write(device, data)
                if echo:
                    os.write(host, data)
            if device in ready:
                os.write(host, to_host(os.read(device, 4096)))

    thread = threading.Thread(target=carry, name="cable")
    thread.start()
    try:
        yield os.ttyname(ends[0][1]), os.ttyname(ends[1][1])
    finally:
        os.eventfd_write(stop_fd, 1)
        thread.join()
        for fd in (*ends[0], *ends[1], stop_fd):
            os.close(fd)


def device(address: int, inputs: list[SimData], holding: list[SimData], action: Action | None = None) -> SimDevice:
    """Describe a device with input and holding registers; all others are refused."""

    async def on_read(
        function: int, first: int, at: int, count: int, registers: list[int], values: list[int] | list[bool] | None
    ) -> None:
        if action is not None and values is None:
            action(function, registers)

    return SimDevice(address, simdata=(_BITS, _BITS, holding, inputs), action=on_read)


@contextmanager
def serving(what: SimDevice | list[SimDevice], port: str) -> Iterator[None]:
    """Run pymodbus's serial server in a thread of its own."""
    running = threading.Event()
    failed: list[BaseException] = []
    stopping: list[Callable[[], object]] = []

    async def serve() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        stopping.append(lambda: loop.call_soon_threadsafe(stop.set))
        server: Any = ModbusSerialServer(what, port=port, baudrate=9600)
        await server.serve_forever(background=True)
        running.set()
        await stop.wait()
        await server.shutdown()

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:  # handed to the test's own thread
            failed.append(error)
            raise
        finally:
            running.set()

    thread = threading.Thread(target=run, name="pymodbus server")
    thread.start()
    running.wait()
    try:
        if failed:
            raise failed[0]
        yield
    finally:
        for stop in stopping:
            stop()
        thread.join()
