"""Drills that are under way: rows that a command writes and the daemon carries out."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import delete, insert, select, update

from watcher.model.drill import Drill
from watcher.model.labels import label_set
from watcher.model.rule import Severity
from watcher.store.database import Database
from watcher.store.rows import labels_text
from watcher.store.tables import drill as table


class SqlDrills:
    """Drills in a database. What is over is a drill no longer: its incident stays in the book."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ask(self, drill: Drill) -> None:
        """Leave one to be carried out.

        Raises:
            StoreUnavailable: nothing was written.
        """
        values = {
            "name": drill.name,
            "rule": drill.rule,
            "severity": int(drill.severity),
            "labels": labels_text(drill.labels),
            "who": drill.who,
            "asked_at": drill.asked_at,
            "lasts": drill.lasts,
            "opened": drill.opened,
        }
        await self._database.write(lambda connection: connection.execute(insert(table).values(values)))

    async def under_way(self) -> Sequence[Drill]:
        """Those that are not over, oldest first."""
        query = select(table).order_by(table.c.asked_at, table.c.name)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [
            Drill(
                row.name,
                row.rule,
                Severity(row.severity),
                label_set(msgspec.json.decode(row.labels, type=dict[str, str])),
                row.who,
                row.asked_at,
                row.lasts,
                row.opened,
            )
            for row in rows
        ]

    async def opened(self, drill: Drill) -> None:
        """Its incident stands in the book."""
        mark = update(table).where(table.c.name == drill.name).values(opened=True)
        await self._database.write(lambda connection: connection.execute(mark))

    async def over(self, drill: Drill) -> None:
        """Its incident is over."""
        drop = delete(table).where(table.c.name == drill.name)
        await self._database.write(lambda connection: connection.execute(drop))
