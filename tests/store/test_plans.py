"""How SQLite goes about a tick: no statement reads a table that grows from end to end."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event

from tests.databases import NOON, HandClock
from tests.store.building import Store, batch, key, opened, poll, reopened, resolved, standing_at
from watcher.model.act import Act, ActKind
from watcher.model.inventory import Item, ItemKind, Listing
from watcher.model.message import Owed
from watcher.model.ports import Tick
from watcher.model.snapshot import Kept
from watcher.model.time import HOUR, MINUTE
from watcher.store.database import Database
from watcher.store.migrate import upgrade

GROWS = {"incident", "timeline", "outbox", "journal", "inventory_change", "act"}
LISTING = Listing(ItemKind.DOMAIN, (Item(ItemKind.DOMAIN, "www.example.com"),))
PARTIAL = ("USING INDEX ix_outbox_due", "USING INDEX ix_act_asked")
"""These indexes hold what is due, or asked, and no more: they may be read whole."""


@contextmanager
def plans() -> Iterator[list[str]]:
    """The query plans of what is executed meanwhile, a line a step."""
    steps: list[str] = []

    def explain(
        connection: Connection,
        _cursor: object,
        statement: str,
        parameters: Any,  # noqa: ANN401 - SQLAlchemy's hook
        *more: object,
    ) -> None:
        _context, many = more
        if not statement.startswith(("EXPLAIN", "BEGIN", "PRAGMA")):
            raw = connection.connection.cursor()
            raw.execute(f"EXPLAIN QUERY PLAN {statement}", parameters[0] if many else parameters)
            steps.extend(row[3] for row in raw.fetchall())
            raw.close()

    event.listen(Engine, "before_cursor_execute", explain)
    try:
        yield steps
    finally:
        event.remove(Engine, "before_cursor_execute", explain)


def scanned(steps: list[str]) -> list[str]:
    scans = [step for step in steps if step.startswith("SCAN") and not step.endswith(PARTIAL)]
    return [step for step in scans if step.split()[1] in GROWS]


async def test_no_tick_and_no_claim_reads_a_whole_table(tmp_path: Path) -> None:
    url, first = f"sqlite:///{tmp_path / 'watcher.db'}", opened()
    over = resolved(first, end=NOON + MINUTE)
    again = reopened(first, decided=NOON + HOUR)
    grouped = Owed("mail/0", NOON, repeat=HOUR, route="ops", group='{"source": "cdnv"}')
    tick = Tick(
        NOON,
        [poll(replace(batch(), listings=(LISTING,)))],
        [(one, [grouped]) for one in (first, over, again)],
        released=["cdnv"],
        kept=Kept("token", 0),
        engine=[standing_at(NOON)],
    )
    async with await Database.open(url, clock=HandClock(), inline=True) as database:
        await upgrade(database)
        store = await Store.on(database)
        with plans() as steps:
            incident = (await store.book.commit(tick))[-1].incident
            rows = await store.outbox.claim("mail/0", at=NOON, lease=MINUTE, limit=10)
            await store.outbox.done(rows, at=NOON, reason="told", detail="")
            await store.outbox.next_due("mail/0")
            await store.apply(opened(key("blog")), owed=[grouped])
            rows = await store.outbox.claim("mail/0", at=NOON, lease=MINUTE, limit=10)
            await store.outbox.postponed(rows, at=NOON, reason="muted", until=NOON)
            await store.outbox.hurry("mail/0", at=NOON)
            await store.act(*(Act(incident.id, kind, "ada", NOON, until=NOON + HOUR) for kind in ActKind))
            await store.take_up(NOON + HOUR)

    assert any("ix_incident_identity_opened_at" in step for step in steps)
    assert scanned(steps) == []


async def test_what_is_done_with_a_row_looks_at_no_incident_but_its_own(tmp_path: Path) -> None:
    """Not through all that are open: in a storm these are thousands, and each message is marked."""
    url = f"sqlite:///{tmp_path / 'watcher.db'}"
    async with await Database.open(url, clock=HandClock(), inline=True) as database:
        await upgrade(database)
        store = await Store.on(database)
        await store.apply(opened(), owed=[Owed("mail/0", NOON, repeat=HOUR)])
        with plans() as steps:
            rows = await store.outbox.claim("mail/0", at=NOON, lease=MINUTE, limit=10)
            await store.outbox.done(rows, at=NOON, reason="told", detail="")

    looked_up = {step for step in steps if step.startswith("SEARCH incident")}
    assert looked_up == {"SEARCH incident USING INDEX sqlite_autoindex_incident_1 (id=?)"}


async def test_what_waits_for_its_group_is_found_by_its_group(tmp_path: Path) -> None:
    """Not among all that the target is owed."""
    url = f"sqlite:///{tmp_path / 'watcher.db'}"
    grouped = Owed("mail/0", NOON, route="ops", group='{"source": "cdnv"}')
    async with await Database.open(url, clock=HandClock(), inline=True) as database:
        await upgrade(database)
        store = await Store.on(database)
        await store.apply(opened(), owed=[grouped])
        with plans() as steps:
            await store.outbox.claim("mail/0", at=NOON, lease=MINUTE, limit=10)

    assert [step for step in steps if "ix_outbox_due" in step and "rank" not in step] == []
