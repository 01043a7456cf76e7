"""What commands leave for the running daemon to do; struck off in the tick that holds what came of it."""

from collections.abc import Sequence

from sqlalchemy import Connection, delete, insert, select

from watcher.model.ports import Errand, ErrandKind
from watcher.model.sample import Poll
from watcher.model.time import Instant
from watcher.store import tables
from watcher.store.database import Database


class SqlErrands:
    """Errands in a database; commands write them beside the daemon that reads them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def leave(
        self, source: str, kind: ErrandKind, *, since: Instant | None = None, until: Instant | None = None
    ) -> int:
        """Leave one; its id.

        Raises:
            StoreUnavailable: nothing was written.
        """
        values = {"source": source, "kind": kind.value, "since": since, "until": until}
        errand = tables.errand.c
        asked = values | {"asked_at": self._database.clock.now()}

        def write(connection: Connection) -> int:
            left = insert(tables.errand).values(asked).returning(errand.id)
            return int(connection.execute(left).scalar_one())

        return await self._database.write(write)

    async def waiting(self, source: str | None = None) -> Sequence[Errand]:
        """Those that nobody has taken up for good, oldest first; of one source or of all.

        Raises:
            StoreUnavailable: it could not be answered in time.
        """
        errand = tables.errand.c
        query = select(tables.errand).order_by(errand.id)
        if source is not None:
            query = query.where(errand.source == source)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [
            Errand(row.id, row.source, ErrandKind(row.kind), row.since or 0, row.until)
            for row in rows
            if row.kind in set(ErrandKind)
        ]


def strike_off(connection: Connection, polls: Sequence[Poll]) -> None:
    """Errands that these polls took up are done."""
    done = [errand for poll in polls for errand in poll.errands]
    if done:
        connection.execute(delete(tables.errand).where(tables.errand.c.id.in_(done)))
