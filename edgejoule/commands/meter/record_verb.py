"""``edgejoule meter record``: the meter's raw bytes with their times, in a file."""

import argparse
import math
import time
from pathlib import Path
from typing import BinaryIO, Self

from rich.live import Live
from rich.text import Text

from edgejoule import __version__
from edgejoule.commands.meter.common import options_of, refuse_to_overwrite, stop_on_signal
from edgejoule.commands.meter.live import LINE_S
from edgejoule.output import EXIT_DONE, EXIT_NO, stderr_console, stdout_console, write_json
from firmware_bridge.capture import RecordProgress, record_from
from firmware_bridge.capture_file import CaptureHeader, CaptureWriter
from firmware_bridge.errors import ConfigurationError, FirmwareBridgeError, MeterUnavailableError
from firmware_bridge.registry import get_driver
from firmware_bridge.stream import is_simulated_port, open_port


def run(arguments: argparse.Namespace) -> int:
    """Record until the time is over or somebody stops it. The file is made once the port is open."""
    driver = get_driver(arguments.driver)
    options = options_of(arguments)
    path: Path = arguments.file
    driver.make_decoder(options)
    refuse_to_overwrite(path, force=arguments.force)
    _check_folder(path)
    seconds = math.inf if arguments.seconds is None else arguments.seconds
    with stop_on_signal() as stop, open_port(arguments.port, driver.serial_settings(options)) as port:
        header = CaptureHeader(
            driver=driver.name,
            options=dict(options),
            port=arguments.port,
            started_unix_ns=time.time_ns(),
            simulated=is_simulated_port(arguments.port) or is_simulated_port(port.device),
            version=__version__,
            started_host_s=port.time_s(),
        )
        try:
            with _create(path) as file, _Progress(driver.title) as shown:
                writer = CaptureWriter(file, header)
                progress = record_from(port, driver, options, writer, seconds=seconds, stop=stop, watch=shown.show)
        except MeterUnavailableError as error:
            raise MeterUnavailableError(f"{error}; {path} is good up to here") from error
        except OSError as error:
            raise FirmwareBridgeError(
                f"{path}: cannot write it: {error.strerror}; it is good up to its last whole read"
            ) from error
    if not progress.received_bytes:
        path.unlink()
        raise MeterUnavailableError(
            f"{arguments.port}: nothing came from the meter in {progress.seconds:.0f} s; is it powered, is this its "
            f"port, and is it really a {driver.name}? No file was left"
        )
    return _report(path, progress, as_json=arguments.json)


def _check_folder(path: Path) -> None:
    if not path.absolute().parent.is_dir():
        raise ConfigurationError(f"{path}: cannot write it: there is no folder {path.parent}; make it first")


def _create(path: Path) -> BinaryIO:
    try:
        return path.open("wb")
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot write it: {error.strerror}") from error


def _report(path: Path, progress: RecordProgress, *, as_json: bool) -> int:
    if as_json:
        write_json({"file": str(path), **_facts(progress)})
    else:
        stdout_console().print(f"{path}: {_text(progress)}", markup=False, soft_wrap=True)
    if not progress.samples:
        stderr_console().print(
            "note: no sample was found in it; wrong driver, or an option that does not fit?", markup=False
        )
    return EXIT_DONE if progress.samples else EXIT_NO


def _facts(progress: RecordProgress) -> dict[str, object]:
    return {
        "received_bytes": progress.received_bytes,
        "seconds": progress.seconds,
        "samples": progress.samples,
        "frame_errors": dict(progress.frame_errors),
        "identity": progress.identity,
    }


def _text(progress: RecordProgress) -> str:
    errors = "".join(f", {kind} {count:,}" for kind, count in sorted(progress.frame_errors.items()))
    return (
        f"{progress.seconds:.1f} s, {progress.received_bytes:,} bytes from the meter, {progress.samples:,} samples"
        + errors
    )


class _Progress:
    """A line that changes on a terminal, a new one now and then elsewhere."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._console = stderr_console()
        on_terminal = self._console.is_terminal and not self._console.is_dumb_terminal
        self._live = Live(console=self._console, transient=True, auto_refresh=False) if on_terminal else None
        self._next_line_s = time.monotonic() + LINE_S

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, progress: RecordProgress) -> None:
        """Show how far it is."""
        if self._live is not None:
            self._live.update(Text(f"{self._title}: {_text(progress)}"), refresh=True)
        elif time.monotonic() >= self._next_line_s:
            self._next_line_s += LINE_S
            self._console.print(_text(progress), markup=False, soft_wrap=True)
