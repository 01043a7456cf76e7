"""The inventory: written by the tick from its listings, kept in memory as committed, read for people."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final, TypeAlias

import msgspec
from sqlalchemy import Connection, select

from watcher.model.inventory import (
    SEEN_EVERY,
    Difference,
    Heard,
    Item,
    ItemChange,
    ItemEvent,
    ItemKind,
    Known,
    Shelf,
    compared,
    merged,
)
from watcher.model.sample import Poll
from watcher.model.time import Instant
from watcher.store import tables
from watcher.store.database import Database
from watcher.store.statements import insert_new, upsert

News: TypeAlias = tuple[Heard, Difference]
"""A listing, and what it changes."""

_KINDS: Final = tuple(kind.value for kind in ItemKind)
"""What else a newer version may have written is left to it."""
_facts: Final = msgspec.json.Decoder(dict[str, str]).decode
_encode: Final = msgspec.json.Encoder(order="sorted").encode


class SqlInventory:
    """The reading side."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def items(self) -> Sequence[Known]:
        """Every item ever seen, by source, kind and id; those that are gone say so."""
        return await self._database.read(read_items)

    async def changes(self, *, since: Instant | None = None, limit: int = 100) -> Sequence[ItemEvent]:
        """What became of items, the newest first."""
        return await self._database.read(partial(_changes, since=since, limit=limit))


class Stock:
    """What the inventory holds as committed, so that a listing without news costs one comparison.

    There is one writer (the lease sees to that), so the memory is as true as the database. It moves only once
    a commit is certain; what a commit of unknown outcome wrote is written again, to the same effect.
    """

    def __init__(self) -> None:
        """Not loaded yet."""
        self._shelves: dict[Shelf, dict[str, Known]] | None = None
        self._heard: dict[Shelf, Heard] = {}
        self._present: tuple[Known, ...] | None = None

    @property
    def is_loaded(self) -> bool:
        """Whether it has been told what there is."""
        return self._shelves is not None

    def load(self, known: Iterable[Known]) -> None:
        """Take what the database holds."""
        shelves: dict[Shelf, dict[str, Known]] = {}
        for one in known:
            shelves.setdefault((one.source, one.item.kind), {})[one.item.id] = one
        self._shelves, self._present = shelves, None

    def present(self) -> Sequence[Known]:
        """What is there at present, of all sources."""
        if self._present is None:
            shelves = (self._shelves or {}).values()
            self._present = tuple(one for shelf in shelves for one in shelf.values() if one.gone_at is None)
        return self._present

    def news(self, heard: Iterable[Heard]) -> list[News]:
        """What these listings change. Changes nothing here: that is `take`, after the commit."""
        shelves = self._shelves or {}
        return [
            (one, compared(shelves.get(one.shelf, {}), one))
            for one in merged(heard)
            if not self._is_known(one)
        ]

    def take(self, news: Iterable[News]) -> None:
        """The database holds them now."""
        shelves = self._shelves if self._shelves is not None else {}
        for heard, difference in news:
            self._heard[heard.shelf] = heard
            if difference.known:
                shelf = shelves.setdefault(heard.shelf, {})
                shelf.update((one.item.id, one) for one in difference.known)
                self._present = None
        self._shelves = shelves

    def _is_known(self, heard: Heard) -> bool:
        last = self._heard.get(heard.shelf)
        return last is not None and last.listing == heard.listing and abs(heard.at - last.at) < SEEN_EVERY


def heard_in(polls: Iterable[Poll]) -> list[Heard]:
    """The listings of some polls, in their order."""
    return [
        Heard(batch.source, batch.vendor, batch.fetched_at, listing)
        for poll in polls
        for batch in poll.batches
        for listing in batch.listings
    ]


def read_items(connection: Connection) -> Sequence[Known]:
    """Every item, by source, kind and id."""
    inventory = tables.inventory.c
    query = (
        select(tables.inventory)
        .where(inventory.kind.in_(_KINDS))
        .order_by(inventory.source, inventory.kind, inventory.id)
    )
    return [
        Known(
            source=row.source,
            vendor=row.vendor,
            item=Item(ItemKind(row.kind), row.id, _facts(row.facts)),
            first_seen=row.first_seen,
            last_seen=row.last_seen,
            gone_at=row.gone_at,
        )
        for row in connection.execute(query)
    ]


def write_inventory(connection: Connection, differences: Iterable[Difference]) -> None:
    """Items as they stand, and what became of them. Written again, it changes nothing."""
    differences = list(differences)
    upsert(connection, tables.inventory, [_values(one) for found in differences for one in found.known])
    insert_new(
        connection,
        tables.inventory_change,
        [_event_values(event) for found in differences for event in found.events],
    )


def _values(known: Known) -> dict[str, object]:
    return {
        "source": known.source,
        "kind": known.item.kind.value,
        "id": known.item.id,
        "vendor": known.vendor,
        "facts": _encode(dict(known.item.facts)).decode(),
        "first_seen": known.first_seen,
        "last_seen": known.last_seen,
        "gone_at": known.gone_at,
    }


def _event_values(event: ItemEvent) -> dict[str, object]:
    return {
        "source": event.source,
        "vendor": event.vendor,
        "kind": event.kind.value,
        "item": event.id,
        "at": event.at,
        "change": event.change.value,
        "fact": event.fact,
        "before": event.before,
        "after": event.after,
    }


def _changes(connection: Connection, since: Instant | None, limit: int) -> Sequence[ItemEvent]:
    change = tables.inventory_change.c
    query = (
        select(tables.inventory_change)
        .where(change.kind.in_(_KINDS))
        .order_by(change.at.desc(), change.id.desc())
        .limit(limit)
    )
    if since is not None:
        query = query.where(change.at >= since)
    return [
        ItemEvent(
            source=row.source,
            vendor=row.vendor,
            kind=ItemKind(row.kind),
            id=row.item,
            at=row.at,
            change=ItemChange(row.change),
            fact=row.fact,
            before=row.before,
            after=row.after,
        )
        for row in connection.execute(query)
    ]
