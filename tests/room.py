"""How much room a test has on the machine when several run at once.

With one worker more than there are cores, a worker that only waits (for a meter's next second, for a process to start)
leaves no core idle. A test marked ``timing`` counts for two: what it says of seconds and joules it must say beside one
other test at most, on two cores. The room is handed out by the kernel's file locks, which end with the process.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

POLL_S: Final = 0.05


class Room:
    """``places`` files in ``folder``; one process each may hold a place."""

    def __init__(self, folder: Path, places: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._door = folder / "door"
        self._places = [folder / f"place-{number}" for number in range(places)]

    @contextmanager
    def taken(self, count: int) -> Iterator[None]:
        """Hold ``count`` places. Who waits for the second one keeps the door shut, so that nobody waits for ever."""
        with ExitStack() as held:
            with _locked(self._door):
                while len(free := [one for one in self._places if _is_free(one)]) < min(count, len(self._places)):
                    time.sleep(POLL_S)
                for place in free[:count]:
                    held.enter_context(_locked(place))
            yield


def room_of(checkout: Path, workers: int) -> Room | None:
    """Return the room that all workers in one checkout share; None where there are no more of them than cores."""
    cores = len(os.sched_getaffinity(0))
    return Room(checkout / ".pytest_cache" / "room", workers) if workers > cores else None


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _is_free(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
