"""What the tests of the outbox share: an incident, its end, and telling all that is due."""

from tests.databases import NOON
from tests.store.building import Store, opened, owed, resolved
from watcher.model.message import Due, Owed, Telling
from watcher.model.time import HOUR, MINUTE, Instant

FIRST = opened()
OVER = resolved(FIRST, end=NOON + 5 * MINUTE)
REPEATED: list[Owed] = [owed(repeat=HOUR)]


async def claim(store: Store, *, at: Instant = NOON, target: str = "mail/0", limit: int = 100) -> list[Due]:
    return list(await store.outbox.claim(target, at=at, lease=MINUTE, limit=limit))


async def tell(store: Store, *, at: Instant = NOON) -> list[Telling]:
    """Claim all that is due and mark it as told."""
    rows = await claim(store, at=at)
    await store.outbox.done(rows, at=at, reason="told", detail="250 OK")
    return [row.telling for row in rows]
