"""Where the daemon dies when it is told to: `WATCHER_FAILPOINT=after_send:3` ends it after the third send.

For tests of what a crash leaves behind. Unset, nothing is wrapped and nothing is paid.
"""

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Final, Self, TypeVar

from sqlalchemy import Connection

from watcher.errors import UserError
from watcher.model.message import Due, Message
from watcher.model.ports import Clock, Outbox, Sender
from watcher.model.time import Duration, Instant
from watcher.store.database import Database, Driver, Work
from watcher.store.outbox import SqlOutbox

T = TypeVar("T")

VARIABLE: Final = "WATCHER_FAILPOINT"


class Point(StrEnum):
    """The named points."""

    BEFORE_COMMIT = "before_commit"  # of a tick: all is written, and not committed
    AFTER_COMMIT = "after_commit"
    BEFORE_SEND = "before_send"
    AFTER_SEND = "after_send"
    BEFORE_MARK = "before_mark"
    AFTER_MARK = "after_mark"


class Failpoint:
    """One point, and how often it is passed before it is the end."""

    def __init__(self, point: Point, passes: int) -> None:
        """The `passes`-th pass is the last."""
        self._point = point
        self._left = passes

    @classmethod
    def planned(cls, environment: Mapping[str, str] = os.environ) -> Self | None:
        """The one that the environment names, if any.

        Raises:
            UserError: it names none that there is.
        """
        said = environment.get(VARIABLE, "")
        if not said:
            return None
        name, _, passes = said.partition(":")
        if name not in list(Point) or not (passes or "1").isdecimal() or passes == "0":
            raise UserError(
                f"{VARIABLE}: {said!r} is no point; write one of {', '.join(Point)}, and :3 for the third"
            )
        return cls(Point(name), int(passes or "1"))

    def passed(self, point: Point) -> None:
        """Go on, or die as by `kill -9`."""
        if point is self._point:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def commits(self, database: Database) -> Database:
        """The same database for the book: its commits are passed."""
        return database.through(lambda driver: _Driver(driver, self))

    def marks(self, database: Database) -> Outbox:
        """The outbox: what is marked as told is passed."""
        return _Outbox(database, self)

    def sends(self, senders: Mapping[str, Sender]) -> Mapping[str, Sender]:
        """The same senders: their sends are passed."""
        return {target: _Sender(sender, self) for target, sender in senders.items()}


class _Driver:
    def __init__(self, driver: Driver, fail: Failpoint) -> None:
        self._driver = driver
        self._fail = fail

    async def write(self, work: Work[T]) -> T:
        def passing(connection: Connection) -> T:
            done = work(connection)
            self._fail.passed(Point.BEFORE_COMMIT)
            return done

        done = await self._driver.write(passing)
        self._fail.passed(Point.AFTER_COMMIT)
        return done

    async def read(self, work: Work[T], *, within: Duration) -> T:
        return await self._driver.read(work, within=within)

    async def apart(self, work: Callable[[], T]) -> T:
        return await self._driver.apart(work)

    def now(self, connection: Connection, clock: Clock) -> Instant:
        return self._driver.now(connection, clock)

    async def close(self) -> None:
        await self._driver.close()


class _Outbox(SqlOutbox):
    def __init__(self, database: Database, fail: Failpoint) -> None:
        super().__init__(database)
        self._fail = fail

    async def done(self, rows: Sequence[Due], *, at: Instant, reason: str, detail: str) -> None:
        self._fail.passed(Point.BEFORE_MARK)
        await super().done(rows, at=at, reason=reason, detail=detail)
        self._fail.passed(Point.AFTER_MARK)


class _Sender:
    def __init__(self, sender: Sender, fail: Failpoint) -> None:
        self._sender = sender
        self._fail = fail

    async def send(self, message: Message) -> str:
        self._fail.passed(Point.BEFORE_SEND)
        answer = await self._sender.send(message)
        self._fail.passed(Point.AFTER_SEND)
        return answer
