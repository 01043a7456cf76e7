"""One thread that writes to SQLite: what waits for it is committed together, by one sync of the disk.

A hundred receivers that ask and report at once would else wait for a hundred syncs, one after the other. Each
work has a savepoint of its own: one that fails takes back what it wrote, and nothing of the others'.
"""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, TypeVar

from sqlalchemy import Connection, Engine

T = TypeVar("T")
Outcome: TypeAlias = Callable[[], None]
"""Tells who waits what became of a work, once that is certain."""

AT_ONCE: Final = 128
"""Works of one transaction at most: whoever comes after them waits for no more than that."""


@dataclass(frozen=True, slots=True)
class _Job:
    work: Callable[[Connection], Any]
    future: "Future[Any]"


class Together:
    """Runs works in the order they come; nobody is answered before the commit that holds their work."""

    def __init__(self, engine: Engine) -> None:
        """`engine` has one connection; its `begin` takes the writer's lock."""
        self._engine = engine
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._waiting: deque[_Job] = deque()

    def submit(self, work: Callable[[Connection], T]) -> "Future[T]":
        """What the work gives, or what it or the commit raises; then nothing of it is written."""
        future: Future[T] = Future()
        self._waiting.append(_Job(work, future))
        self._thread.submit(self._commit)
        return future

    def end(self, last: Callable[[], None]) -> "Future[None]":
        """After all that was submitted, in the same thread."""
        return self._thread.submit(last)

    def shutdown(self) -> None:
        """Wait for the thread."""
        self._thread.shutdown()

    def _commit(self) -> None:
        """Each submission calls for one; the first of them takes the works of the rest along."""
        jobs = self._taken()
        if not jobs:
            return
        try:
            with self._engine.begin() as connection:
                outcomes = _done(connection, jobs)
        except BaseException as error:  # noqa: BLE001 - a future's: whoever waits for it is raised it
            for job in jobs:
                job.future.set_exception(error)
            return
        for tell in outcomes:
            tell()

    def _taken(self) -> Sequence[_Job]:
        """Works whose callers still wait."""
        taken: list[_Job] = []
        while self._waiting and len(taken) < AT_ONCE:
            job = self._waiting.popleft()
            if job.future.set_running_or_notify_cancel():
                taken.append(job)
        return taken


def _done(connection: Connection, jobs: Sequence[_Job]) -> Sequence[Outcome]:
    if len(jobs) == 1:
        return [_result(jobs[0], jobs[0].work(connection))]
    return [_apart(connection, job) for job in jobs]


def _apart(connection: Connection, job: _Job) -> Outcome:
    """One of several, in a savepoint.

    Raises:
        Exception: the database gave up the whole transaction, as it does when the disk is full.
    """
    raw: Any = connection.connection.dbapi_connection
    raw.execute("SAVEPOINT one")
    try:
        outcome = _result(job, job.work(connection))
    except Exception as error:  # a work's own: whoever waits for it is raised it, the others are not
        if not raw.in_transaction:
            raise
        raw.execute("ROLLBACK TO one")
        outcome = _error(job, error)
    raw.execute("RELEASE one")
    return outcome


def _result(job: _Job, result: object) -> Outcome:
    return lambda: job.future.set_result(result)


def _error(job: _Job, error: Exception) -> Outcome:
    return lambda: job.future.set_exception(error)
