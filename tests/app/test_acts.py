"""Commands beside daemons that die: every act once, in the book of SQLite and of Postgres."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial

import anyio
import pytest

from tests.store.building import Store, key, opened, owed, tick_of
from watcher.app.acts import Answer, Deed, act
from watcher.document.secrets import SecretUrl
from watcher.errors import DatabaseUnusable, LeaseLost
from watcher.model.act import Act, ActKind, ActState
from watcher.model.incident import Asked, Incident, Resolution
from watcher.model.message import Telling
from watcher.model.ports import IncidentQuery
from watcher.model.time import HOUR
from watcher.runtime.asking import Asking
from watcher.runtime.clock import SystemClock
from watcher.store import process
from watcher.store.acts import SqlActs
from watcher.store.book import SqlBook
from watcher.store.database import Database
from watcher.store.history import SqlHistory
from watcher.store.identity import time_ordered
from watcher.store.lease import Lease

CLOCK = SystemClock()


@asynccontextmanager
async def daemon(url: str, *, holder: str | None = None) -> AsyncIterator[SqlBook]:
    """What takes acts up in a daemon: the asking, and a pump's ticks, each in one transaction."""
    async with await Database.open(url, clock=CLOCK) as database:
        lease = Lease(database, holder=holder)
        while True:
            try:
                await lease.acquire()
                break
            except DatabaseUnusable:
                await anyio.sleep(0.05)
        book = SqlBook(database, lease, time_ordered())

        async def commit(asked: Asked) -> None:
            with suppress(LeaseLost):  # a command that took it for gone has fenced it off
                await book.commit(tick_of([asked], CLOCK.now()))

        async with anyio.create_task_group() as group:
            group.start_soon(Asking(SqlActs(database), commit, CLOCK).run)
            yield book
            group.cancel_scope.cancel()


@asynccontextmanager
async def filled(url: str) -> AsyncIterator[list[str]]:
    """Two incidents that stand, mail told of them, and nobody that owns the database."""
    async with await Database.open(url, clock=CLOCK) as database:
        store = await Store.on(database)
        began = CLOCK.now() - HOUR
        transitions = [opened(key(name), at=began) for name in ("shop", "video")]
        committed = await store.apply(*transitions, owed=[owed("mail/0")])
        await store.lease.release()
    yield [one.incident.id for one in committed]


async def notes(url: str, incident: str) -> list[str]:
    async with await Database.open(url, clock=CLOCK, create=False) as database:
        timeline = await SqlHistory(database).timeline(incident)
    return [entry.text for entry in timeline if entry.kind == "note"]


async def ask(url: str, incident: str, text: str, answers: list[Answer]) -> None:
    answers.append(await act(SecretUrl(url), [incident], Deed(ActKind.NOTE, "ada", text)))


def states(answers: Sequence[Answer]) -> set[ActState]:
    return {one.state for answer in answers for one in answer.acts}


async def test_many_commands_at_once_without_a_daemon_do_each_what_they_were_asked(database_url: str) -> None:
    async with filled(database_url) as (shop, _):
        answers: list[Answer] = []
        async with anyio.create_task_group() as group:
            for number in range(8):
                group.start_soon(ask, database_url, shop, str(number), answers)

        assert states(answers) == {ActState.APPLIED}
        assert sorted(await notes(database_url, shop)) == sorted(map(str, range(8)))


@pytest.mark.timeout(120)
async def test_commands_beside_daemons_that_come_and_go_lose_and_double_nothing(database_url: str) -> None:
    """Each daemon goes without a word, in the middle of whatever it does; its process is said to be gone."""
    gone = f"{process.name().rpartition(':')[0]}:1"
    answers: list[Answer] = []
    async with filled(database_url) as (shop, video):
        async with anyio.create_task_group() as commands:
            for number in range(4):
                async with daemon(database_url, holder=gone):
                    for incident in (shop, video):
                        commands.start_soon(ask, database_url, incident, str(number), answers)
                    await anyio.sleep(0.3 * number)

        assert states(answers) == {ActState.APPLIED}
        for incident in (shop, video):
            assert sorted(await notes(database_url, incident)) == ["0", "1", "2", "3"]


async def test_an_end_by_a_command_is_owed_to_whoever_was_told(database_url: str) -> None:
    async with filled(database_url) as (shop, _):
        [incident] = (await act(SecretUrl(database_url), [shop], Deed(ActKind.RESOLVE, "ada"))).incidents
        async with await Database.open(database_url, clock=CLOCK) as database:
            deliveries = await SqlHistory(database).deliveries(shop)

    assert incident.resolution is Resolution.MANUAL
    assert [(row.target, row.telling, row.state) for row in deliveries] == [
        ("mail/0", Telling.OPENED, "skipped"),
        ("mail/0", Telling.RESOLVED, "due"),
    ]


async def test_what_a_command_that_was_killed_had_written_down_is_done_by_the_next_one_first(
    database_url: str,
) -> None:
    async with filled(database_url) as (shop, _):
        async with await Database.open(database_url, clock=CLOCK) as database:
            await SqlActs(database).leave([Act(shop, ActKind.NOTE, "bob", CLOCK.now(), text="first")])
        await ask(database_url, shop, "second", [])

        assert await notes(database_url, shop) == ["first", "second"]


async def test_a_daemon_may_start_at_once_after_a_command_acted_in_its_place(database_url: str) -> None:
    async with filled(database_url) as (shop, _), anyio.create_task_group() as group:
        group.start_soon(partial(act, SecretUrl(database_url), [shop], Deed(ActKind.ACKNOWLEDGE, "ada")))
        async with await Database.open(database_url, clock=CLOCK) as database:
            for _ in range(20):
                lease = Lease(database)
                await lease.acquire()  # never refused: no command is seen to own the database
                await lease.release()


async def test_what_names_nothing_does_nothing(database_url: str) -> None:
    async with filled(database_url) as (shop, video):
        answer = await act(SecretUrl(database_url), [shop, "zzz", ""], Deed(ActKind.RESOLVE, "ada"))
        async with await Database.open(database_url, clock=CLOCK, create=False) as database:
            held: Sequence[Incident] = await SqlHistory(database).incidents(IncidentQuery())

    assert {name: len(found) for name, found in answer.unclear.items()} == {"zzz": 0, "": 2}
    assert {one.over for one in held} == {False}
    assert {one.id for one in held} == {shop, video}
