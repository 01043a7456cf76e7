"""Background jobs of a vendor at any time: the usual ones, and those that get stuck or fail."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from watcher.model.time import DAY, MINUTE, SECOND, Duration, Instant, floor
from watcher.simulate.chance import stable_id
from watcher.simulate.troubles import FailedJob, StuckJob
from watcher.simulate.world import World

PENDING: Final = "PENDING"
FINISHED: Final = "FINISHED"
USUAL_KINDS: Final = ("INVALIDATION", "INVALIDATION", "UPDATE_DIST")


@dataclass(frozen=True, slots=True)
class Job:
    """One background job as it stands."""

    id: str
    """A random UUID."""
    kind: str
    """INVALIDATION, CREATE_DIST, UPDATE_DIST, DELETE_DIST."""
    resource: str
    """Id of what it is done to."""
    begun: Instant
    ended: Instant | None
    """None while it is under way."""
    status: str
    """`PENDING`, `FINISHED`, or a word for failure."""


class Jobs:
    """All jobs there are."""

    def __init__(self, world: World, *, anchor: Instant) -> None:
        self._world = world
        self._anchor = anchor

    def at(self, now: Instant, *, past: Duration = 7 * DAY, vendor: str = "") -> Sequence[Job]:
        """Those begun in the last `past`, newest first; where a vendor is named, of what it shows."""
        shown = {
            resource.id for resource in (self._world.shown_by(vendor) if vendor else self._world.resources)
        }
        begun = [
            job
            for job in (*self._usual(now, past), *self._troubled(now))
            if job.resource in shown and now - past <= job.begun <= now
        ]
        return sorted(begun, key=lambda job: (job.begun, job.id), reverse=True)

    def _usual(self, now: Instant, past: Duration) -> Iterator[Job]:
        every, resources = max(self._world.jobs_every, MINUTE), self._world.resources
        for slot in range(floor(now - past, every), now + 1, every):
            name = stable_id(self._world.seed, "job", slot, length=32)
            chance = int(name[:8], 16)
            takes = (20 + chance % 70) * SECOND
            resource = resources[chance % len(resources)].id
            yield _job(name, USUAL_KINDS[chance % 3], resource, span=(slot, slot + takes), now=now)

    def _troubled(self, now: Instant) -> Iterator[Job]:
        for number, trouble in enumerate(self._world.troubles):
            if isinstance(trouble, StuckJob | FailedJob):
                start, end = trouble.span(self._anchor)
                name = stable_id(self._world.seed, "trouble", number, length=32)
                if isinstance(trouble, StuckJob):
                    yield _job(name, trouble.job, trouble.resource, span=(start, end), now=now)
                else:
                    span = (start, start + MINUTE)
                    yield _job(name, trouble.job, trouble.resource, span=span, now=now, ends=trouble.status)


def _job(
    name: str, kind: str, resource: str, *, span: tuple[Instant, Instant], now: Instant, ends: str = FINISHED
) -> Job:
    start, end = span
    if now < end:
        return Job(str(UUID(name, version=4)), kind, resource, start, None, PENDING)
    return Job(str(UUID(name, version=4)), kind, resource, start, end, ends)
