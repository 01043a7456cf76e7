"""Silences for verbs, and for the courier: what keeps incidents from being told at one look."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from watcher.app.book import EVERY, STANDING
from watcher.document.secrets import SecretUrl
from watcher.model.incident import Incident
from watcher.model.labels import Matcher
from watcher.model.ports import IncidentQuery
from watcher.model.silence import Silence, hidden_at_opening, matched_labels, of_incident
from watcher.model.time import DAY, Duration, Instant
from watcher.runtime.clock import SystemClock
from watcher.store.address import SqliteFile, parse_address
from watcher.store.database import Database
from watcher.store.history import SqlHistory
from watcher.store.silences import SqlSilences

PREVIEWED: Final[Duration] = 7 * DAY
"""How far a preview looks back."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a silence would hide, and what it would have hidden."""

    standing: Sequence[Incident]
    """Incidents that are open now."""
    past: Sequence[Incident]
    """Those of the last seven days, the newest first, that were decided while it would have held."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of the wish to end a silence."""

    silence: Silence
    """As it stands now."""
    was_over: bool


def new_id() -> str:
    """``s-4a1f09c2``: short enough to type."""
    return f"s-{secrets.token_hex(4)}"


async def add(at: SecretUrl, silence: Silence) -> Sequence[Incident]:
    """Write one down; the open incidents that it hides from now on.

    Raises:
        DatabaseUnusable: there is none, or it cannot be read.
        StoreUnavailable: nothing was written.
    """
    async with await Database.open(at.reveal(), clock=SystemClock(), create=False) as database:
        await SqlSilences(database).add(silence)
        return _hidden(silence, await _standing(database))


async def every(at: SecretUrl) -> Sequence[Silence]:
    """All there ever were, in the order in which they were written."""
    async with await Database.open(at.reveal(), clock=SystemClock(), create=False) as database:
        return await SqlSilences(database).every()


async def so_far(at: SecretUrl) -> Sequence[Silence]:
    """The same; none where the first start has not made the database yet."""
    address = parse_address(at.reveal())
    is_made = not isinstance(address, SqliteFile) or address.path.exists()
    return await every(at) if is_made else ()


async def meant(at: SecretUrl, named: str) -> Sequence[Silence]:
    """Those whose id begins so."""
    async with await Database.open(at.reveal(), clock=SystemClock(), create=False) as database:
        return await SqlSilences(database).beginning(named)


async def end(at: SecretUrl, silence: Silence, *, who: str) -> Ended:
    """End one; what waited for it is told within a minute, as it then stands.

    Raises:
        StoreUnavailable: nothing was written.
    """
    clock = SystemClock()
    async with await Database.open(at.reveal(), clock=clock, create=False) as database:
        silences, now = SqlSilences(database), clock.now()
        was_over = silence.over(now) or not await silences.end(silence.id, at=now, who=who)
        return Ended(silence if was_over else replace(silence, ended_at=now, ended_by=who), was_over)


async def preview(at: SecretUrl, silence: Silence, now: Instant) -> Preview:
    """What it would hide of what is open, and would have hidden had it held for the last seven days.

    Of one that comes back, only what was decided in its spans.
    """
    async with await Database.open(at.reveal(), clock=SystemClock(), create=False) as database:
        since = now - PREVIEWED
        recent = await SqlHistory(database).incidents(IncidentQuery(since=since, limit=EVERY))
        standing = _hidden(silence, await _standing(database))
    before = replace(silence, starts_at=since, ends_at=None)
    return Preview(standing, [one for one in recent if _is_told(one) and hidden_at_opening(before, one)])


async def matchers_of_incident(at: SecretUrl, named: str) -> tuple[Sequence[Incident], tuple[Matcher, ...]]:
    """The incidents whose id begins so, and the matchers of it where that is one."""
    async with await Database.open(at.reveal(), clock=SystemClock(), create=False) as database:
        found = await SqlHistory(database).beginning(named)
    return found, of_incident(found[0]) if len(found) == 1 else ()


async def _standing(database: Database) -> Sequence[Incident]:
    query = IncidentQuery(status=STANDING, limit=EVERY)
    return [one for one in await SqlHistory(database).incidents(query) if _is_told(one)]


def _hidden(silence: Silence, standing: Sequence[Incident]) -> Sequence[Incident]:
    return [one for one in standing if silence.matches(matched_labels(one))]


def _is_told(incident: Incident) -> bool:
    """Whether anybody is told of it: not of rules on trial, and not of parts of a wider one."""
    return not incident.shadow and incident.parent_id is None
