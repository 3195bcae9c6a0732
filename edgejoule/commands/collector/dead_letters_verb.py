"""``edgejoule collector dead-letters list|show|replay|drop``; the collector may run meanwhile."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Any

from edge_agent.wire.errors import ConfigurationError
from edgejoule.journals import config_of
from edgejoule.output import EXIT_DONE, EXIT_NO, stderr_console, stdout_console, write_json

if TYPE_CHECKING:
    from collector.config import CollectorConfig
    from collector.dead_letters import Letter, Wanted
    from collector.journal import Journal
    from collector.values import Sink

_STEP = 100


def run(arguments: argparse.Namespace) -> int:
    """Do what the verb says. Raises ConfigurationError."""
    verbs = {"list": _list, "show": _show, "replay": _replay, "drop": _drop}
    return verbs[arguments.verb](arguments)


def _list(arguments: argparse.Namespace) -> int:
    from collector import dead_letters
    from edgejoule.letter_tables import letter_table, letters_as_json

    with _journal(arguments) as journal, journal.snapshot() as db:
        found = dead_letters.ids(db, _wanted(arguments))[::-1]
        shown = found[: arguments.limit or None]
        letters = dead_letters.letters(db, shown)
        if arguments.json:
            write_json({"matching": len(found), **letters_as_json(letters)})
        elif shown:
            stdout_console().print(letter_table(letters, len(found)))
        else:
            stdout_console().print("no dead letter" if _is_any(arguments) else "no such dead letter")
    return EXIT_DONE


def _show(arguments: argparse.Namespace) -> int:
    from edgejoule.letter_tables import is_safe_on_a_terminal, one_line

    with _journal(arguments) as journal:
        letter = _only(journal, arguments.id)
    if arguments.output is not None:
        try:
            arguments.output.write_bytes(letter.payload)
        except OSError as error:
            raise ConfigurationError(f"--output {arguments.output}: cannot write it: {error.strerror}") from error
    elif sys.stdout.isatty() and not is_safe_on_a_terminal(letter.payload):
        raise ConfigurationError(f"dead letter {letter.id} is not text; write it with --output FILE, or into a pipe")
    stderr_console().print(one_line(letter), markup=False, soft_wrap=True)
    if arguments.output is None:
        sys.stdout.buffer.write(letter.payload)
        sys.stdout.buffer.flush()
    return EXIT_DONE


def _replay(arguments: argparse.Namespace) -> int:
    from collector.letter_replay import LetterReplay
    from edgejoule.letter_tables import replay_lines

    with _journal(arguments, writes=True) as journal, _sinks(arguments) as sinks:
        found = _chosen(journal, arguments)
        replay = LetterReplay(journal, sinks, dry_run=arguments.dry_run)
        with _progress("replay", len(found)) as advance:
            tally = replay.run(found, advance)
    for line in replay_lines(tally, dry_run=arguments.dry_run):
        stdout_console().print(line, markup=False, soft_wrap=True)
    return EXIT_NO if tally.stay else EXIT_DONE


def _drop(arguments: argparse.Namespace) -> int:
    from collector import dead_letters
    from edgejoule.letter_tables import letters_in_words

    with _journal(arguments, writes=True) as journal:
        found = _chosen(journal, arguments)
        if arguments.dry_run:
            stdout_console().print(f"{letters_in_words(len(found))} would be dropped")
            return EXIT_DONE
        if not arguments.yes:
            raise ConfigurationError(f"{letters_in_words(len(found))} would be gone for ever; add --yes to do it")
        dropped = 0
        with _progress("drop", len(found)) as advance:
            for start in range(0, len(found), _STEP):
                with journal.transaction() as db:
                    step = found[start : start + _STEP]
                    dropped += sum(dead_letters.remove(db, letter, "dropped") for letter in step)
                advance(len(step))
    stdout_console().print(f"{letters_in_words(dropped)} dropped, but still counted by the ledger")
    return EXIT_DONE


def _wanted(arguments: argparse.Namespace) -> "Wanted":
    from collector.dead_letters import Wanted

    return Wanted(
        ids=tuple(arguments.ids) if getattr(arguments, "ids", None) else None,
        device_id=arguments.device,
        reason=arguments.reason,
        kind=arguments.kind,
        since_unix_ns=arguments.since,
    )


def _is_any(arguments: argparse.Namespace) -> bool:
    return not (arguments.device or arguments.reason or arguments.kind or arguments.since)


def _chosen(journal: "Journal", arguments: argparse.Namespace) -> list[int]:
    """Return the ids that are meant. Raises ConfigurationError when nothing was named, or an id is not there."""
    from collector import dead_letters

    if not arguments.ids and not arguments.all and _is_any(arguments):
        raise ConfigurationError("dead-letters: which ones? name their IDs, a filter such as --device, or --all")
    if arguments.ids and arguments.all:
        raise ConfigurationError("dead-letters: IDs and --all contradict one another; leave out one of them")
    with journal.snapshot() as db:
        for letter_id in arguments.ids:
            if not dead_letters.ids(db, dead_letters.Wanted(ids=(letter_id,))):
                raise ConfigurationError(_absent(letter_id))
        return dead_letters.ids(db, _wanted(arguments))


def _only(journal: "Journal", letter_id: int) -> "Letter":
    from collector import dead_letters

    with journal.snapshot() as db:
        found = next(dead_letters.letters(db, [letter_id]), None)
    if found is None:
        raise ConfigurationError(_absent(letter_id))
    return found


def _absent(letter_id: int) -> str:
    return (
        f"no dead letter has the number {letter_id}; edgejoule collector dead-letters list shows those that are there"
    )


@contextmanager
def _journal(arguments: argparse.Namespace, *, writes: bool = False) -> "Iterator[Journal]":
    """Open the journal, which has to be there. Raises ConfigurationError."""
    from collector.journal import Journal

    config = _config(arguments)
    with closing(Journal(config.journal_path, read_only=True)) as journal:
        if not writes:
            yield journal
            return
    with closing(Journal(config.journal_path, late_after_s=config.journal.late_after_s)) as journal:
        yield journal


def _config(arguments: argparse.Namespace) -> "CollectorConfig":
    return config_of(arguments, "dead-letters: of which collector? give --state-dir DIR or --config collector.toml")


@contextmanager
def _sinks(arguments: argparse.Namespace) -> "Iterator[dict[str, Sink[Any]]]":
    """Open the stores that the configuration names; none without one."""
    from collector.build import build_assessor, build_bench_sinks, build_sinks

    if arguments.config is None:
        yield {}
        return
    config = _config(arguments)
    assessor = build_assessor(config)
    with ExitStack() as opened:
        sinks: list[Any] = [*build_sinks(config, assessor), *build_bench_sinks(config, assessor)]
        for sink in sinks:
            opened.callback(sink.close)
        yield {sink.name: sink for sink in sinks}


@contextmanager
def _progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = stderr_console()
    columns = TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=total)
        yield lambda count: progress.advance(task, count)
