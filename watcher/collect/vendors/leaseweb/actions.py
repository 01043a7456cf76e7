"""Background jobs: which are under way, which ended, and which ended in a way that no document knows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from watcher.collect.states import Statuses
from watcher.collect.vendors.leaseweb.paging import Listed
from watcher.collect.vendors.leaseweb.rows import Thing, things, told
from watcher.collect.vendors.leaseweb.states import LONGEST, States, facts, remarks, seconds, when, word
from watcher.collect.words import clean, printable
from watcher.model.labels import label_set
from watcher.model.time import HOUR, Duration, Instant

PENDING: Final = "pending"
FINISHED: Final = "finished"
INVALIDATION: Final = "INVALIDATION"
MOST: Final = 2_000
"""Jobs told at once, the newest first."""
GRACE: Final[Duration] = 6 * HOUR
"""How lately a job must have ended to be told by the first look: a daemon before may have told it as open."""


class Action(Thing):
    """What is read of one. What stands in `resource` differs by type, and it may be missing."""

    judged = ("status",)

    status: str | None = None
    type: str | None = None
    resource: Any = None

    @property
    def kind(self) -> str:
        """Its type as a label."""
        return word(self.type) or ""

    @property
    def parts(self) -> Iterator[Mapping[str, Any]]:
        """An invalidation's own account: of itself once more, then of each URL. Others' is not documented."""
        if isinstance(self.resource, dict) and self.type == INVALIDATION:
            yield self.resource
            urls = self.resource.get("url_status")
            yield from (url for url in urls if isinstance(url, dict)) if isinstance(urls, list) else ()

    @property
    def state(self) -> str | None:
        """One status for all of it; None where it has none.

        What no document knows stands for the whole, wherever it is said, since failures are not documented;
        else the job's own word counts, whatever its parts still say.
        """
        own = _known(self.status)
        odd = (text for text in (own, *self._part_states) if text not in {None, PENDING, FINISHED})
        return next(odd, own)

    @property
    def _part_states(self) -> Iterator[str | None]:
        return (_known(part.get("status")) for part in self.parts)

    @property
    def since(self) -> Instant | None:
        """Since when it is as it is: a pending job since it was created, whatever touched it since."""
        return self.created if self.state == PENDING and self.created is not None else self.changed


@dataclass(frozen=True, slots=True)
class _Job:
    """An action with what is made of it."""

    action: Action
    state: str | None
    since: Instant | None


class Jobs:
    """What was told of jobs: one that ends is told once as ended, however old it is."""

    def __init__(self) -> None:
        self._statuses = Statuses(PENDING, FINISHED)
        self._open: set[str] | None = None
        """Those that the last look told as not finished; None before there was one."""

    def states(self, listed: Listed, now: Instant) -> States:
        """Jobs that have not finished, and those of them that did since. One that leaves the list is over.

        Raises:
            ContractBroken: an action has another shape.
        """
        slips: list[str] = []
        jobs = [_Job(one, one.state, one.since) for one in things(listed.rows, Action, slips)]
        jobs.sort(key=lambda job: -(job.since or now))
        slips += [f"job {job.action.id} has no status" for job in jobs if job.state is None]
        unfinished = [job for job in jobs if job.state != FINISHED]
        ended = [job for job in jobs if job.state == FINISHED and self._is_told(job, now)]
        kept = [*unfinished, *ended][:MOST]
        more = max(0, len(unfinished) - MOST)
        self._open = {job.action.id for job in kept if job.state != FINISHED}
        return States(
            entities=tuple(label_set({"job": job.action.id, "kind": job.action.kind}) for job in kept),
            columns=[
                *self._statuses.columns("job_status", [job.state for job in kept]),
                (("job_changed_seconds", ()), seconds([job.since for job in kept])),
            ],
            complete=listed.complete and not more,
            exemplars=[(place, _record(job)) for place, job in enumerate(kept) if job.state != FINISHED],
            remark=remarks(f"{more} more jobs have not finished" if more else "", listed.remark, told(slips)),
        )

    def _is_told(self, job: _Job, now: Instant) -> bool:
        if self._open is None:
            return job.since is not None and job.since >= now - GRACE
        return job.action.id in self._open


def _known(said: object) -> str | None:
    status = word(said)
    return FINISHED if status == "success" else status


def _record(job: _Job) -> Mapping[str, str]:
    """What a person needs to ask the vendor: never a URL, which may hold a token."""
    one, parts = job.action, list(job.action.parts)
    texts = [clean(part.get("message")) for part in parts]
    return facts(
        job=one.id,
        kind=printable(one.type),
        status=printable(one.status),
        parts=printable(", ".join(printable(part.get("status"), LONGEST) for part in parts[1:11])),
        invalidation=printable(parts[0].get("invalidation_id")) if parts else None,
        message="; ".join(dict.fromkeys(filter(None, texts)))[:200],
        since=when(job.since),
    )
