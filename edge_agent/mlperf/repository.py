"""Find energy runs in a copy of a result repository, or beside a file that somebody names.

The repositories have ``closed/ORGANISATION/results/BOARD/BENCHMARK/energy/`` (and ``open/``), sometimes one level
more, and now and then a folder name of its own kind: v1.0 has an ``enegy``. So files are found by their names. Files
of several runs may share a folder if each run's names begin alike: ``board_kws.results.json``,
``board_kws.results.txt``. Beside them stand ``performance`` and ``accuracy``, whose files have the same names and no
energy.
"""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from edge_agent.mlperf.errors import TraceError, TraceMissingError
from edge_agent.mlperf.published import (
    Published,
    RunnerLog,
    is_energy_text,
    parse_results_text,
    parse_runner_log,
)
from edge_agent.mlperf.traces import Trace, parse_results_json, parse_timestamps, parse_trace_bin, refuse_pointer
from firmware_bridge.errors import ConfigurationError

_ROLES: Final = (
    ("trace", re.compile(r"(?P<prefix>.*?)trace(?P<number>\d+)-energy\.bin")),
    ("events", re.compile(r"(?P<prefix>.*?)trace(?P<number>\d+)-timestamps\.json")),
    ("json", re.compile(r"(?P<prefix>.*?)results\.json")),
    ("text", re.compile(r"(?P<prefix>.*?)results\.txt")),
    ("log", re.compile(r"(?P<prefix>.*?)log\.txt")),
)
_KNOWN: Final = "results.json, results.txt, traceN-energy.bin or traceN-timestamps.json"
_SKIPPED_FOLDERS: Final = {".git"}
_ENERGY_FOLDERS: Final = {"energy", "enegy"}


@dataclass(slots=True)
class RunFiles:
    """The files of one run. ``traces`` and ``events`` by number. ``label``: how it is shown.

    ``is_named``: somebody named one of its files, so it is meant to be an energy run.
    """

    label: str
    folder: Path
    prefix: str
    is_named: bool = False
    json: Path | None = None
    text: Path | None = None
    log: Path | None = None
    traces: dict[int, Path] = field(default_factory=dict)
    events: dict[int, Path] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EnergyRun:
    """One energy run, read. ``published``: None where no results.txt is beside the trace."""

    traces: tuple[Trace, ...]
    published: Published | None
    log: RunnerLog


def find_runs(paths: Iterable[Path]) -> list[RunFiles]:
    """Return the runs that files and folders name, each once, in order. Raises ConfigurationError for what is none."""
    found: dict[tuple[Path, str], RunFiles] = {}
    for path in paths:
        if path.is_dir():
            files, root = [file for file in _walk(path) if _role(file.name)], path
            if not files:
                raise ConfigurationError(f"{path}: no {_KNOWN} in it; give a copy of a results repository")
        elif path.exists():
            files, root = _beside(path), path.parent
        else:
            raise ConfigurationError(f"{path}: no such file or folder; give a copy of a results repository")
        for file in files:
            _take(file, root, found, is_named=not path.is_dir())
    return [run for run in found.values() if run.json or run.text or run.traces or run.events]


def _walk(folder: Path) -> list[Path]:
    files = []
    for place, folders, names in os.walk(folder, onerror=_refuse_folder):
        folders[:] = sorted(set(folders) - _SKIPPED_FOLDERS)
        files += [Path(place, name) for name in sorted(names)]
    return files


def _refuse_folder(error: OSError) -> None:
    raise ConfigurationError(f"{error.filename}: {error.strerror}; make the folder readable") from error


def _beside(path: Path) -> list[Path]:
    """Return the files of the run that ``path`` is of."""
    role = _role(path.name)
    if role is None:
        raise ConfigurationError(f"{path}: not a file of an energy run; name a {_KNOWN}, or the folder")
    prefix = role[1]
    return sorted(one for one in path.parent.iterdir() if (other := _role(one.name)) and other[1] == prefix)


def _role(name: str) -> tuple[str, str, int] | None:
    for role, pattern in _ROLES:
        if match := pattern.fullmatch(name):
            return role, match["prefix"], int(match.groupdict().get("number") or 0)
    return None


def _take(file: Path, root: Path, found: dict[tuple[Path, str], RunFiles], *, is_named: bool) -> None:
    known = _role(file.name)
    if known is None:
        return
    role, prefix, number = known
    folder = file.parent.resolve()
    run = found.setdefault((folder, prefix), RunFiles(_label(root, file.parent, prefix), file.parent, prefix))
    run.is_named |= is_named
    if role == "trace":
        run.traces[number] = file
    elif role == "events":
        run.events[number] = file
    elif role == "json":
        run.json = file
    elif role == "text":
        run.text = file
    else:
        run.log = file


def _label(root: Path, folder: Path, prefix: str) -> str:
    """Return "organisation board benchmark" where the folders tell, else the path below ``root`` and the prefix."""
    parts = folder.resolve().parts
    if "results" in parts:
        at = len(parts) - 1 - parts[::-1].index("results")
        parts = (*parts[at - 1 : at], *parts[at + 1 :])
    else:
        parts = folder.relative_to(root).parts
    if parts and parts[-1] in _ENERGY_FOLDERS:
        parts = parts[:-1]
    return " ".join((*parts, *([prefix.rstrip("._-")] if prefix.strip("._-") else []))) or folder.resolve().name


def read_run(files: RunFiles) -> EnergyRun | None:
    """Read the run; None for one of performance or accuracy. Raises TraceError, with the name of the file."""
    text = None if files.text is None else _read(files.text).decode("utf-8", errors="replace")
    has_bins = bool(files.traces or files.events)
    is_energy = text is not None and is_energy_text(text)
    if text is not None and not is_energy and not has_bins and not files.is_named:
        return None
    published = None
    if text is not None and files.text is not None:
        with _naming(files.text):
            published = parse_results_text(text)
    traces = _read_bins(files) if has_bins else _read_json(files, is_energy=is_energy)
    if traces is None:
        return None
    if published is None and any(window.inferences is None for trace in traces for window in trace.windows):
        raise TraceMissingError("no results.txt beside the trace: the number of inferences is unknown")
    log = RunnerLog() if files.log is None else parse_runner_log(files.log.read_text("utf-8", errors="replace"))
    return EnergyRun(traces, published, log)


def _read_bins(files: RunFiles) -> tuple[Trace, ...]:
    traces = []
    for number in sorted(files.traces.keys() | files.events.keys()):
        if number not in files.traces:
            raise TraceMissingError(f"no {files.prefix}trace{number}-energy.bin beside its timestamps")
        if number not in files.events:
            raise TraceMissingError(f"no {files.prefix}trace{number}-timestamps.json beside its samples")
        energy, events = _read(files.traces[number]), _read(files.events[number])
        with _naming(files.events[number]):
            parse_timestamps(events)
        with _naming(files.traces[number]):
            traces.append(parse_trace_bin(energy, events))
    return tuple(traces)


def _read_json(files: RunFiles, *, is_energy: bool) -> tuple[Trace, ...] | None:
    """Return the trials; None where a results.json stands alone and is not of an energy run."""
    if files.json is None:
        raise TraceMissingError("no raw trace beside results.txt: not published, or stripped from this copy")
    is_sure = is_energy or files.is_named or files.folder.name in _ENERGY_FOLDERS
    try:
        with _naming(files.json):
            traces = parse_results_json(_read(files.json))
    except TraceError:
        if is_sure:
            raise
        return None
    if not traces and is_sure:
        raise TraceMissingError(f"{files.json.name}: no power samples in it: a run for performance or accuracy")
    return traces or None


def _read(path: Path) -> bytes:
    with _naming(path):
        try:
            data = path.read_bytes()
        except OSError as error:
            raise TraceError(f"cannot be read: {error.strerror}; make it readable") from error
        refuse_pointer(data)
        return data


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Put the file's name before what is wrong with it, once."""
    try:
        yield
    except TraceError as error:
        if str(error).startswith(f"{path.name}: "):
            raise
        raise type(error)(f"{path.name}: {error}") from error
