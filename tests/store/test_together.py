"""Works that wait for SQLite's writer are committed together, and fail by themselves."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, StaticPool, create_engine, event
from sqlalchemy.exc import IntegrityError

from watcher.store.together import AT_ONCE, Together

FINE, FAILS, BREAKS = "fine", "fails", "breaks"
"""A work goes through, raises after it has written, or makes the database give up the transaction."""


@dataclass
class Desk:
    """A writer and the file that it writes."""

    path: Path
    engine: Engine
    together: Together
    commits: list[object] = field(default_factory=list)

    def rows(self) -> Sequence[int]:
        """What another connection reads."""
        with closing(sqlite3.connect(self.path)) as other:
            return [number for (number,) in other.execute("SELECT number FROM note ORDER BY number")]

    def all_at_once(self, works: Sequence[Callable[[Connection], int]]) -> "Sequence[Future[int]]":
        """Submit them while the thread is held up, so that all of them wait; then wait for all."""
        gate, begun = Event(), Event()

        def hold(_connection: Connection) -> None:
            begun.set()
            gate.wait()

        held = self.together.submit(hold)
        begun.wait()
        futures = [self.together.submit(work) for work in works]
        gate.set()
        held.result()
        for future in futures:
            future.exception()
        return futures


@contextmanager
def desk() -> Iterator[Desk]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "notes.db"

        def connect() -> sqlite3.Connection:
            made = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            made.execute("PRAGMA foreign_keys = ON")
            return made

        engine = create_engine("sqlite://", creator=connect, poolclass=StaticPool)
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
        with closing(connect()) as first:
            first.execute("CREATE TABLE note (number INTEGER PRIMARY KEY ON CONFLICT ROLLBACK)")
            first.execute("CREATE TABLE answer (number REFERENCES note DEFERRABLE INITIALLY DEFERRED)")
        one = Desk(path, engine, Together(engine))
        event.listen(engine, "commit", one.commits.append)
        try:
            yield one
        finally:
            one.together.end(engine.dispose).result()
            one.together.shutdown()


def note(number: int, kind: str = FINE) -> Callable[[Connection], int]:
    def work(connection: Connection) -> int:
        connection.exec_driver_sql("INSERT INTO note VALUES (?)", (number,))
        if kind == FAILS:
            raise ValueError(number)
        if kind == BREAKS:
            connection.exec_driver_sql("INSERT INTO note VALUES (?)", (number,))
        return number

    return work


def test_what_waits_is_committed_at_once() -> None:
    with desk() as one:
        futures = one.all_at_once([note(number) for number in range(AT_ONCE)])

        assert [future.result() for future in futures] == one.rows() == [*range(AT_ONCE)]
        assert len(one.commits) == 2  # of the work that held the thread up, and of the rest


def test_more_than_that_is_committed_in_turns() -> None:
    with desk() as one:
        one.all_at_once([note(number) for number in range(2 * AT_ONCE)])

        assert len(one.rows()) == 2 * AT_ONCE
        assert len(one.commits) == 3


def test_nobody_is_answered_before_the_commit() -> None:
    """Whoever is answered finds it in another connection."""
    with desk() as one:
        found: list[bool] = []
        future = one.together.submit(note(1))
        future.add_done_callback(lambda _future: found.append(one.rows() == [1]))
        future.result()
        one.together.end(lambda: None).result()

        assert found == [True]


def test_one_that_fails_takes_back_its_own_alone() -> None:
    with desk() as one:
        fine, fails, other = one.all_at_once([note(1), note(2, FAILS), note(3)])

        assert (fine.result(), other.result()) == (1, 3)
        with pytest.raises(ValueError, match="2"):
            fails.result()
        assert one.rows() == [1, 3]


def test_a_transaction_that_the_database_gave_up_is_nobodys() -> None:
    """As it does when the disk is full: all are told, and may try again."""
    with desk() as one:
        futures = one.all_at_once([note(1), note(2, BREAKS), note(3)])

        assert [type(future.exception()) for future in futures] == [IntegrityError] * 3
        assert one.rows() == []
        assert one.together.submit(note(1)).result() == 1


def test_a_commit_that_fails_is_nobodys() -> None:
    with desk() as one:

        def unfounded(connection: Connection) -> int:
            return connection.exec_driver_sql("INSERT INTO answer VALUES (404)").rowcount

        futures = one.all_at_once([note(1), unfounded])

        assert [type(future.exception()) for future in futures] == [IntegrityError] * 2
        assert one.rows() == []
        assert one.together.submit(note(1)).result() == 1


def test_who_left_before_its_turn_has_written_nothing() -> None:
    with desk() as one:
        gate = Event()
        held = one.together.submit(lambda _connection: gate.wait())
        left, stays = one.together.submit(note(1)), one.together.submit(note(2))
        assert left.cancel()
        gate.set()

        assert (held.result(), stays.result()) == (True, 2)
        assert one.rows() == [2]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from([FINE, FINE, FINE, FAILS, BREAKS]), max_size=12))
def test_whoever_is_told_it_is_written_finds_it_and_nobody_else_does(kinds: Sequence[str]) -> None:
    with desk() as one:
        futures = one.all_at_once([note(number, kind) for number, kind in enumerate(kinds)])

        assert one.rows() == [future.result() for future in futures if future.exception() is None]
        if BREAKS not in kinds:
            assert one.rows() == [number for number, kind in enumerate(kinds) if kind == FINE]
