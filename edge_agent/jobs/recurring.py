"""Puts the device's own recurring jobs into the queue, once in each of their periods."""

from collections.abc import Sequence
from typing import Final

import structlog

from edge_agent.jobs.config import JobConfig
from edge_agent.jobs.planner import NS_PER_S
from edge_agent.jobs.queue import Job, JobQueue, QueueFullError
from edge_agent.wire.orders import Deferral

ID_PREFIX: Final = "job."
"""Before name and period in the id, so that it is told from an order's."""
_LOG = structlog.get_logger()


def put_recurring(jobs: Sequence[JobConfig], queue: JobQueue, now_unix_ns: int) -> tuple[Job, ...]:
    """Put the jobs whose period has begun and that were not put for it yet. Raises OSError: call again later.

    For a clock that is set: without the time there are no periods. A period that is found too late for its deadline is
    left out, and said in the log.
    """
    found = (_put(job, queue, now_unix_ns) for job in jobs)
    return tuple(job for job in found if job is not None)


def _put(job: JobConfig, queue: JobQueue, now_unix_ns: int) -> Job | None:
    every_ns = round(job.every_s * NS_PER_S)
    period = now_unix_ns // every_ns
    if queue.last_period(job.name) - period in {0, 1}:  # 1: a clock that was set back a little begins none again
        return None
    deadline_unix_ns = period * every_ns + round((job.deadline_s or job.every_s) * NS_PER_S)
    put = None
    if now_unix_ns + round(job.duration_s * NS_PER_S) <= deadline_unix_ns:
        defer = Deferral(deadline_unix_ns=deadline_unix_ns, duration_s=job.duration_s, energy_j=job.energy_j or None)
        try:
            put = queue.put(f"{ID_PREFIX}{job.name}.{period}", job.what, defer, now_unix_ns, origin="recurring")
        except QueueFullError as error:
            _LOG.warning("job_left_out", job=job.name, reason=str(error))
    else:
        _LOG.info("job_left_out", job=job.name, reason="its period was found too late for its deadline")
    queue.note_period(job.name, period)
    return put
