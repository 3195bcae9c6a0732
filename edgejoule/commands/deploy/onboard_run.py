"""The installer run on this board, apart from whoever started it, its progress shown as it comes."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.progress import BarColumn, Progress, TaskID, TextColumn

from edgejoule.deploy.onboard import jobs
from edgejoule.deploy.onboard.cli import layout_of, main
from edgejoule.deploy.onboard.problems import InstallError
from edgejoule.output import EXIT_DONE, stderr_console, write_json

MODULE = "edgejoule.deploy.onboard"


class _Shown:
    """Shows events: a bar on a terminal, a line for each step elsewhere. Keeps the result."""

    def __init__(self) -> None:
        self._console = stderr_console()
        self._step = ""
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self.result: dict[str, Any] = {}
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            columns = (TextColumn("{task.percentage:>3.0f} %"), BarColumn(), TextColumn("{task.description}"))
            self._bar = Progress(*columns, console=self._console, transient=True)

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
            self._task = self._bar.add_task("", total=100)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def tell(self, event: dict[str, Any]) -> None:
        """Take one event."""
        if event["event"] == "result":
            self.result = event
        elif event["event"] == "note":
            self._console.print(event["text"], markup=False, soft_wrap=True)
        elif event["event"] == "step":
            self._show(event)

    def _show(self, event: dict[str, Any]) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=event["percent"], description=event["text"])
        elif event["step"] != self._step:
            self._console.print(f"{event['step']}: {event['text']}", markup=False, soft_wrap=True)
        self._step = event["step"]


def run_apart(verb: str, words: Sequence[str], arguments: argparse.Namespace) -> int:
    """Run a verb of the installer, show how it gets on and how it ended; return its exit code."""
    layout = layout_of(arguments)
    try:
        job = jobs.start(layout, ["-m", MODULE, verb, *words, *place_words(arguments), "--foreground"], Path("/"))
        with _Shown() as shown:
            code = jobs.follow(layout, job, shown.tell)
    except InstallError as error:
        return say_error(error, as_json=arguments.json)
    except KeyboardInterrupt:
        stderr_console().print(
            f"edgejoule: the installation goes on by itself; read along: edgejoule deploy follow --root {layout.root}",
            markup=False,
            soft_wrap=True,
        )
        raise
    return say_result(shown.result, code, as_json=arguments.json)


def follow(arguments: argparse.Namespace) -> int:
    """Read along with a job until it ends, and return its exit code."""
    layout = layout_of(arguments)
    try:
        with _Shown() as shown:
            code = jobs.follow(layout, arguments.id or jobs.latest(layout), shown.tell)
    except InstallError as error:
        return say_error(error, as_json=arguments.json)
    return say_result(shown.result, code, as_json=arguments.json)


def run_here(words: Sequence[str], *, as_json: bool) -> int:
    """Run a verb that takes no time in this process, and say how it ended."""
    shown = _Shown()
    code = main(words, shown.tell)
    return say_result(shown.result, code, as_json=as_json)


def say_result(result: dict[str, Any], code: int, *, as_json: bool) -> int:
    """Say how it ended, and return the exit code."""
    if as_json:
        write_json(result)
    elif code == EXIT_DONE:
        # Nothing may be imported any more: this program may have removed itself.
        sys.stdout.write(f"{result.get('text', '')}\n")
    else:
        lines = [f"edgejoule: {result.get('text', '')}", *(f"  {line}" for line in result.get("journal", []))]
        remedy = result.get("remedy", "")
        lines[0] += f"; {remedy}" if remedy else ""
        sys.stderr.write("\n".join(lines) + "\n")
    return code


def say_error(error: InstallError, *, as_json: bool) -> int:
    """Say what stood in the way, and return the exit code."""
    facts = {"outcome": "failed", "kind": error.kind, "text": error.text, "remedy": error.remedy}
    return say_result({**facts, "journal": error.journal}, error.exit_code, as_json=as_json)


def place_words(arguments: argparse.Namespace) -> list[str]:
    """Return the words that say where things are."""
    words = ["--root", whole(arguments.root)]
    if arguments.etc is not None:
        words += ["--etc", whole(arguments.etc)]
    if arguments.no_service:
        words.append("--no-service")
    return words


def gate_words(arguments: argparse.Namespace) -> list[str]:
    """Return the words of the health gate."""
    return ["--gate-windows", str(arguments.gate_windows), "--gate-seconds", str(arguments.gate_seconds)]


def whole(path: Path) -> str:
    """Return a path that holds from any folder."""
    return str(Path.cwd() / path.expanduser())
