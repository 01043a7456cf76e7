"""The life of an incident as a machine of states: acts, transitions and deaths in any order, on a real store.

The model is a page long and knows nothing of tables. After every step the book must say what it says, and
what was committed must never be told twice: each tick may die before its transaction or after it, and is then
taken up again by another daemon, which knows the book alone.
"""

import asyncio
import os
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import Table, select

from tests.databases import HandClock
from tests.store.building import key, opened, owed, reopened, resolved, tick_of, withdrawn
from watcher.model.act import UNACKNOWLEDGE_AFTER, Act, ActKind, ActState
from watcher.model.incident import Change, Resolution, Status, Transition
from watcher.model.ports import IncidentQuery, Tick
from watcher.model.time import HOUR, MINUTE, Instant
from watcher.store import process, tables
from watcher.store.acts import SqlActs
from watcher.store.book import SqlBook
from watcher.store.database import Database
from watcher.store.history import SqlHistory
from watcher.store.identity import time_ordered
from watcher.store.lease import Lease, Vacancy
from watcher.store.migrate import upgrade

T = TypeVar("T")
EXAMPLES = int(os.environ.get("WATCHER_LIFE_EXAMPLES", "15"))
MEMORY = Path("/dev/shm")  # noqa: S108 - thousands of commits need no disk
GONE = f"{process.name().rpartition(':')[0]}:1"
"""The name of a daemon that is no more: its lease keeps nobody out."""


@dataclass
class Believed:
    """What an incident ought to be, and what its timeline ought to say."""

    first: Transition
    status: Status = Status.OPEN
    resolution: Resolution | None = None
    by: str = ""
    unack_at: Instant | None = None
    assignee: str = ""
    snoozed_until: Instant | None = None
    story: list[str] = field(default_factory=lambda: ["opened"])

    @property
    def over(self) -> bool:
        return self.status in {Status.RESOLVED, Status.WITHDRAWN}

    def do(self, act: Act, at: Instant) -> bool:
        """Whether it is done."""
        if self.status is Status.WITHDRAWN or (self.over and act.kind is not ActKind.NOTE):
            return False
        match act.kind:
            case ActKind.ACKNOWLEDGE:
                self.status, self.by = Status.ACKNOWLEDGED, act.who
                self.unack_at = act.until or at + UNACKNOWLEDGE_AFTER
                self.story.append("acknowledged")
            case ActKind.UNACKNOWLEDGE:
                if self.status is not Status.ACKNOWLEDGED:
                    return False
                self.lapse()
            case ActKind.NOTE:
                self.story.append("note")
            case ActKind.ASSIGN:
                self.assignee = act.text
                self.story.append("assigned")
            case ActKind.SNOOZE:
                if act.until is not None and act.until <= at:
                    return False
                self.snoozed_until = act.until
                self.story.append("snoozed")
            case ActKind.RESOLVE:
                self.end(Resolution.MANUAL)
        return True

    def lapse(self) -> None:
        self.status, self.by, self.unack_at = Status.OPEN, "", None
        self.story.append("unacknowledged")

    def end(self, resolution: Resolution) -> None:
        self.status, self.resolution = Status.RESOLVED, resolution
        self.story.append("resolved")

    def reopen(self) -> None:
        self.status = Status.ACKNOWLEDGED if self.by else Status.OPEN
        self.resolution = None
        self.story.append("reopened")

    def withdraw(self) -> None:
        self.status, self.resolution = Status.WITHDRAWN, Resolution.CORRECTED
        self.story.append("withdrawn")


@cache
def empty_book() -> bytes:
    """A database with the schema and nothing else: making one takes longer than most examples."""

    async def make(file: Path) -> None:
        async with await Database.open(f"sqlite:///{file}", clock=HandClock(), inline=True) as database:
            await upgrade(database)

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "watcher.db"
        asyncio.run(make(file))
        return file.read_bytes()


class Life(RuleBasedStateMachine):
    """Steps are asked of the store and of the model alike."""

    incidents = Bundle("incidents")

    @initialize()
    def open_store(self) -> None:
        self.folder = tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)
        self.runner = asyncio.Runner()
        self.clock = HandClock()
        file = Path(self.folder.name) / "watcher.db"
        file.write_bytes(empty_book())
        opening = Database.open(f"sqlite:///{file}", clock=self.clock, inline=True)
        self.database = self.run(opening)
        self.acts, self.history = SqlActs(self.database), SqlHistory(self.database)
        self.believed: dict[str, Believed] = {}
        self.asked: list[tuple[int, Act]] = []
        self.settled: dict[int, ActState] = {}
        self.begin()

    def teardown(self) -> None:
        if hasattr(self, "database"):
            self.run(self.database.close())
            self.runner.close()
            self.folder.cleanup()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def begin(self) -> None:
        """Another daemon."""
        self.lease = Lease(self.database, holder=GONE)
        self.run(self.lease.acquire())
        self.book = SqlBook(self.database, self.lease, time_ordered())

    # --- what the numbers say

    @rule(target=incidents, number=st.integers(0, 2))
    def opens(self, number: int) -> str:
        """An episode of a key, after all those it had."""
        self.clock.at += HOUR
        first = opened(key(f"r{number}-{self.clock.at}"), at=self.clock.at)
        [committed] = self.commit(Tick(self.clock.at, changes=[(first, [owed()])]))
        incident: str = committed.incident.id
        self.believed[incident] = Believed(first)
        return incident

    @rule(incident=incidents)
    def recovers(self, incident: str) -> None:
        one = self.believed[incident]
        if one.resolution is Resolution.RECOVERED:
            return  # the engine ends what it has ended already by MOVED
        self.judged(resolved(one.first, end=self.clock.at, decided=self.clock.at))
        if not one.over:
            one.end(Resolution.RECOVERED)

    @rule(incident=incidents)
    def reopens(self, incident: str) -> None:
        """By restatement: what a person ended stays ended, and what stands stands."""
        one = self.believed[incident]
        self.judged(reopened(one.first, decided=self.clock.at))
        if one.status is Status.RESOLVED and one.resolution is not Resolution.MANUAL:
            one.reopen()

    @rule(incident=incidents)
    def never_was(self, incident: str) -> None:
        one = self.believed[incident]
        self.judged(withdrawn(one.first, decided=self.clock.at))
        if one.status is not Status.WITHDRAWN:
            one.withdraw()

    def judged(self, transition: Transition) -> None:
        """A tick; told once more, as after an unclear commit, it changes nothing."""
        self.clock.at += 1
        tick = Tick(self.clock.at, changes=[(transition, [owed()])])
        one = next(one for one in self.believed.values() if one.first.key == transition.key)
        may = one.status is not Status.WITHDRAWN
        if transition.change is Change.RESOLVED:
            may = not one.over
        if transition.change is Change.REOPENED:
            may = one.status is Status.RESOLVED and one.resolution is not Resolution.MANUAL
        assert bool(self.commit(tick)) == may
        assert not self.commit(tick)

    def commit(self, tick: Tick) -> Any:  # noqa: ANN401 - what a book answers
        return self.run(self.book.commit(tick))

    # --- what people do

    @rule(
        incident=incidents,
        kind=st.sampled_from(ActKind),
        who=st.sampled_from(["ada", "bob"]),
        hours=st.sampled_from([None, 0, 1, 30]),
    )
    def asks(self, incident: str, kind: ActKind, who: str, hours: int | None) -> None:
        until = None if hours is None else self.clock.at + hours * HOUR + 1
        act = Act(incident, kind, who, self.clock.at, text=who, until=until)
        [number] = self.run(self.acts.leave([act]))
        self.asked.append((number, act))

    @rule(hours=st.sampled_from([0, 2, 13]), dies=st.sampled_from(["no", "before", "after"]))
    def takes_up(self, hours: int, dies: str) -> None:
        """A daemon applies what waits; it may die before its transaction, or before it hears of its end."""
        self.clock.at += hours * HOUR + MINUTE
        seen = self.run(self.acts.waiting(self.clock.at))
        if dies == "before":
            self.begin()
            return
        tick = tick_of(seen, self.clock.at, [owed()])
        self.commit(tick)
        self.believe(self.clock.at, {one.act.incident_id for one in seen if not one.act.id})
        if dies == "after":
            self.begin()
            assert not self.commit(replace(tick, at=self.clock.at + 1))

    @rule()
    def a_command_takes_up(self) -> None:
        """No daemon runs: the command applies it, and a daemon that was hung is fenced off or lives on."""
        self.run(self.lease.release())
        seen = self.run(self.acts.waiting(self.clock.at))
        alone = SqlBook(self.database, Vacancy(self.database), time_ordered())
        self.run(alone.commit(tick_of(seen, self.clock.at, [owed()])))
        self.believe(self.clock.at, {one.act.incident_id for one in seen if not one.act.id})
        self.begin()

    def believe(self, at: Instant, lapsed: set[str]) -> None:
        """What was asked is done in order; then acknowledgements that had run out, and were not prolonged."""
        for number, act in self.asked:
            done = self.believed[act.incident_id].do(act, at)
            self.settled[number] = ActState.APPLIED if done else ActState.REFUSED
        self.asked.clear()
        for incident in lapsed:
            one = self.believed[incident]
            if one.status is Status.ACKNOWLEDGED and one.unack_at is not None and one.unack_at <= at:
                one.lapse()

    # --- what always holds

    @invariant()
    @precondition(lambda self: hasattr(self, "database"))
    def the_book_says_what_it_ought_to(self) -> None:
        held = {one.id: one for one in self.run(self.history.incidents(IncidentQuery(limit=1_000)))}
        told: dict[str, list[str]] = {incident_id: [] for incident_id in held}
        for row in self.rows(tables.timeline):
            told[row.incident_id].append(row.kind)
        assert held.keys() == self.believed.keys()
        for incident_id, one in self.believed.items():
            found = held[incident_id]
            assert told[incident_id] == one.story
            assert (found.status, found.resolution) == (one.status, one.resolution)
            assert (found.acknowledged_by, found.assignee) == (one.by, one.assignee)
            assert (found.snoozed_until, found.unack_at) == (one.snoozed_until, one.unack_at)

    @invariant()
    @precondition(lambda self: hasattr(self, "database"))
    def every_act_is_settled_once_or_waits(self) -> None:
        states = {row.id: ActState(row.state) for row in self.rows(tables.act)}
        assert {number for number, state in states.items() if state is ActState.ASKED} == {
            number for number, _ in self.asked
        }
        assert all(states[number] is state for number, state in self.settled.items())

    def rows(self, table: Table) -> Any:  # noqa: ANN401 - SQLAlchemy's
        query = select(table).order_by(table.c.id)
        return self.run(self.database.read(lambda connection: connection.execute(query).all()))


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=EXAMPLES, stateful_step_count=20, deadline=None)
