"""An incident that people act on, made short for the contract of acts."""

from tests.databases import NOON
from tests.store.building import Store, opened, owed
from watcher.model.act import Act, ActKind
from watcher.model.incident import Incident
from watcher.model.time import MINUTE, Instant


async def begun(store: Store, *, repeat: int = 0) -> str:
    """An incident that mail was told of, and its id."""
    [committed] = await store.apply(opened(), owed=[owed(repeat=repeat)])
    await tell(store)
    return committed.incident.id


async def tell(store: Store, at: Instant = NOON) -> int:
    """Deliver what mail is owed by now; how many rows that were."""
    rows = await store.outbox.claim("mail/0", at=at, lease=MINUTE, limit=100)
    await store.outbox.done(rows, at=at, reason="told", detail="250 OK")
    return len(rows)


def act(incident: str, kind: ActKind, text: str = "", *, at: Instant = NOON, until: int | None = None) -> Act:
    return Act(incident, kind, "ada", at, text=text, until=until)


async def held(store: Store, incident_id: str) -> Incident:
    incident = await store.history.incident(incident_id)
    assert incident is not None
    return incident


async def story(store: Store, incident_id: str) -> list[tuple[str, str, str]]:
    return [(one.kind, one.who, one.text) for one in await store.history.timeline(incident_id)]
