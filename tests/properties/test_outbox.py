"""The outbox against two couriers that crash, stall and come late: at least once, in order, one key a row."""

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.databases import NOON, HandClock
from tests.store.building import Store, key, opened, reopened, resolved, withdrawn
from watcher.model.incident import Status, Transition
from watcher.model.message import Due, Owed, Telling
from watcher.model.ports import IncidentQuery
from watcher.model.rule import Severity
from watcher.model.time import DAY, HOUR, MINUTE, SECOND, Instant
from watcher.store.database import Database
from watcher.store.migrate import upgrade

COURIERS: Final = st.sampled_from([0, 1])
RESOURCES: Final = ("shop", "blog")
TARGET: Final = "mail/0"
LEASE: Final = MINUTE
GROUP: Final = '{"source": "cdnv"}'


@dataclass
class Courier:
    """What a courier holds of its last claim, and which of it has left."""

    rows: list[Due] = field(default_factory=list)
    sent: list[Due] = field(default_factory=list)
    until: Instant = 0


@cache
def empty_book() -> bytes:
    """A migrated database, as the bytes of its file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "watcher.db"
        asyncio.run(_migrated(path))
        return path.read_bytes()


async def _migrated(path: Path) -> None:
    async with await Database.open(f"sqlite:///{path}", clock=HandClock(), inline=True) as database:
        await upgrade(database)


class OutboxMachine(RuleBasedStateMachine):
    """Real SQLite, two couriers, a clock that is set forward, and a receiver that keeps what arrives."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "watcher.db"
        self.path.write_bytes(empty_book())
        self.now: Instant = NOON
        self.couriers = [Courier(), Courier()]
        self.arrived: list[Due] = []
        self.standing: dict[str, Instant] = {}
        self.over: dict[str, Instant] = {}
        self.ticks = 0
        self.runner.run(self._open())

    async def _open(self) -> None:
        self.database = await Database.open(f"sqlite:///{self.path}", clock=HandClock(), inline=True)
        self.store = await Store.on(self.database)

    def _commit(self, transition: Transition, owed: Owed) -> None:
        self.runner.run(self.store.apply(transition, owed=[owed], at=self.now))

    # --- what the daemon commits

    @precondition(lambda self: len(self.standing) < len(RESOURCES))
    @rule(
        severity=st.sampled_from(Severity),
        wait=st.sampled_from([0, 30 * SECOND]),
        group=st.sampled_from(["", GROUP]),
        repeat=st.sampled_from([0, HOUR]),
    )
    def begins(self, severity: Severity, wait: int, group: str, repeat: int) -> None:
        """An incident opens, on a resource that has none."""
        self.ticks += 1
        resource = next(one for one in RESOURCES if one not in self.standing)
        self.standing[resource] = start = NOON + self.ticks * HOUR
        owed = Owed(TARGET, self.now + wait, repeat=repeat, route="ops", group=group)
        self._commit(opened(key(resource), at=start, severity=severity), owed)

    @precondition(lambda self: self.standing)
    @rule(withdraws=st.booleans())
    def ends(self, *, withdraws: bool) -> None:
        """An incident is over, or was none."""
        self.ticks += 1
        resource, start = self.standing.popitem()
        of, owed = opened(key(resource), at=start), Owed(TARGET, self.now, follows=True)
        if withdraws:
            self._commit(withdrawn(of, decided=self.now + self.ticks), owed)
        else:
            self.over[resource] = start
            end = resolved(of, end=start + MINUTE, decided=self.now + self.ticks)
            self._commit(end, owed)

    @precondition(lambda self: self.over.keys() - self.standing.keys())
    @rule()
    def returns(self) -> None:
        """It was not over after all."""
        self.ticks += 1
        resource = min(self.over.keys() - self.standing.keys())
        self.standing[resource] = start = self.over.pop(resource)
        of = opened(key(resource), at=start)
        owed = Owed(TARGET, self.now, route="ops")
        self._commit(reopened(of, decided=self.now + self.ticks), owed)

    @rule(by=st.sampled_from([30 * SECOND, LEASE]))
    def passes(self, by: int) -> None:
        """Claims run out, and what waits comes due."""
        self.now += by

    # --- what couriers do

    @rule(courier=COURIERS, limit=st.integers(1, 3))
    def claims(self, courier: int, limit: int) -> None:
        """What it held before is forgotten, as by a courier that crashes and starts again."""
        rows = self.runner.run(self.store.outbox.claim(TARGET, at=self.now, lease=LEASE, limit=limit))
        self.couriers[courier] = Courier(list(rows), until=self.now + LEASE)
        assert len({row.incident.id for row in rows}) == len(rows), "of one incident only the oldest open row"

    @precondition(lambda self: any(one.rows and self.now < one.until for one in self.couriers))
    @rule(count=st.integers(1, 3))
    def sends(self, count: int) -> None:
        """Rows leave while their claim holds: no courier starts a send that might outlast it."""
        for courier in self.couriers:
            if self.now < courier.until:
                self.arrived += courier.rows[:count]
                courier.sent += courier.rows[:count]
                del courier.rows[:count]

    @precondition(lambda self: any(one.sent for one in self.couriers))
    @rule()
    def marks(self) -> None:
        """They say what was told, twice, as one does who is unsure whether it was heard."""
        for courier in self.couriers * 2:
            done = self.store.outbox.done(courier.sent, at=self.now, reason="told", detail="")
            self.runner.run(done)

    @precondition(lambda self: any(one.rows for one in self.couriers))
    @rule(courier=COURIERS, tried=st.booleans())
    def gives_back(self, courier: int, *, tried: bool) -> None:
        """What it holds could not be sent, or its turn did not come; its claim may have run out by then."""
        rows, outbox = self.couriers[courier].rows, self.store.outbox
        if tried:
            again = self.now + 30 * SECOND
            self.runner.run(outbox.failed(rows, at=self.now, error="down", retry_at=again))
        else:
            self.runner.run(outbox.postponed(rows, at=self.now, reason="", until=self.now))
        self.couriers[courier].rows = []

    @precondition(lambda self: any(one.rows for one in self.couriers))
    @rule(tried=st.booleans())
    def stalls(self, *, tried: bool) -> None:
        """A courier hangs until its claim has run out and the other has its rows, and then goes on."""
        late = 0 if self.couriers[0].rows else 1
        self.now += LEASE
        self.claims(1 - late, 3)
        self.gives_back(late, tried=tried)
        self.claims(late, 3)

    # --- what always holds

    @invariant()
    def no_row_is_held_twice(self) -> None:
        """A courier whose claim ran out cannot give away what another has by now."""
        held = [row.id for one in self.couriers if self.now < one.until for row in one.rows]
        assert len(held) == len(set(held))

    @invariant()
    def a_row_has_one_key(self) -> None:
        """However often it leaves, and whoever sends it."""
        assert len({(row.id, row.key) for row in self.arrived}) == len({row.id for row in self.arrived})

    def teardown(self) -> None:
        """A courier that lives drains it: then each incident was told, in order, and as it stands."""
        try:
            self.runner.run(self._drained())
        finally:
            self.runner.run(self.database.close())
            self.runner.close()
            self.folder.cleanup()

    async def _drained(self) -> None:
        self.now += 2 * LEASE
        while rows := await self._news():
            self.arrived += rows
            await self.store.outbox.done(rows, at=self.now, reason="told", detail="")
        for one in await self.store.history.incidents(IncidentQuery(limit=1_000)):
            heard = [row for row in self.arrived if row.incident.id == one.id]
            first = list(dict.fromkeys(row.id for row in heard))
            assert first == sorted(first), "a word overtook one before it"
            if one.status is Status.WITHDRAWN:
                assert not heard or heard[-1].telling is Telling.WITHDRAWN, "it was not taken back"
                continue
            assert heard, "it was never told"
            assert (heard[-1].telling is Telling.RESOLVED) is one.over, "the last word is not how it stands"

    async def _news(self) -> Sequence[Due]:
        """What is due, reminders apart: those go on for as long as anything stands."""
        rows = await self.store.outbox.claim(TARGET, at=self.now, lease=DAY, limit=100)
        return [row for row in rows if row.telling is not Telling.REMINDER]


OutboxMachine.TestCase.settings = settings(
    max_examples=100,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestOutbox = OutboxMachine.TestCase
