"""Background jobs: which are under way, which ended, and which ended in a way that no document knows."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from watcher.collect.vendors.leaseweb.api import clean, converted, parse_time
from watcher.collect.vendors.leaseweb.paging import Listed
from watcher.collect.vendors.leaseweb.states import LONGEST, States, Statuses, facts, seconds, word
from watcher.model.labels import label_set
from watcher.model.time import DAY, Duration, Instant, rfc3339

PENDING: Final = "pending"
FINISHED: Final = "finished"
INVALIDATION: Final = "INVALIDATION"
MOST: Final = 2_000
"""Jobs told at once, the newest first."""
RECENT: Final[Duration] = DAY
"""For how long a job that ended is told."""

_AS_FINISHED: Final = {"success": FINISHED}


class Action(msgspec.Struct):
    """What is read of one. What stands in `resource` differs by type, and it may be missing."""

    id: str
    status: str
    type: str | None = None
    resource: Any = None
    created: str | None = None
    updated: str | None = None

    @property
    def parts(self) -> Iterator[Mapping[str, Any]]:
        """An invalidation's own account: of itself once more, then of each URL. Others' is not documented."""
        if isinstance(self.resource, dict) and self.type == INVALIDATION:
            yield self.resource
            urls = self.resource.get("url_status")
            yield from (url for url in urls if isinstance(url, dict)) if isinstance(urls, list) else ()

    @property
    def state(self) -> str:
        """One status for all of it.

        What no document knows stands for the whole, wherever it is said, since failures are not documented;
        else the job's own word counts, whatever its parts still say.
        """
        own = _known(word(self.status, f"action {clean(self.id)}"))
        said = [own, *(_known(text.strip().lower()) for text in self._part_statuses)]
        odd = [text for text in said if text not in {PENDING, FINISHED}]
        return odd[0] if odd else own

    @property
    def _part_statuses(self) -> Iterator[str]:
        for part in self.parts:
            status = part.get("status")
            if isinstance(status, str) and 0 < len(status.strip()) <= LONGEST and status.isprintable():
                yield status

    @property
    def changed(self) -> Instant | None:
        """Since when it is as it is: a pending job since it was created, whatever touched it since.

        Raises:
            ContractBroken: no time.
        """
        created = parse_time(self.created, f"created of action {clean(self.id)}")
        updated = parse_time(self.updated, f"updated of action {clean(self.id)}")
        return created if self.state == PENDING and created is not None else updated or created


class Jobs:
    """What was told of jobs: one that ends is told once as ended, however old it is."""

    def __init__(self) -> None:
        self._statuses = Statuses(PENDING, FINISHED)
        self._open: set[str] = set()

    def states(self, listed: Listed, now: Instant) -> States:
        """Jobs that have not finished, and those that did lately. One that leaves the list is over.

        Raises:
            ContractBroken: an action has another shape.
        """
        told = [one for one in _read(listed) if self._is_told(one, now)]
        told.sort(key=lambda one: (one.state == FINISHED, -(one.changed or now)))
        kept = told[:MOST]
        self._open = {one.id for one in kept if one.state != FINISHED}
        return States(
            entities=tuple(label_set({"job": one.id, "kind": clean(one.type).lower()}) for one in kept),
            columns=[
                *self._statuses.columns("job_status", [one.state for one in kept]),
                (("job_changed_seconds", ()), seconds([one.changed for one in kept])),
            ],
            complete=listed.complete and len(kept) == len(told),
            exemplars=[(place, _record(one)) for place, one in enumerate(kept) if one.state != FINISHED],
            remark=f"{len(told) - MOST} more jobs have not finished" if len(told) > MOST else "",
        )

    def _is_told(self, one: Action, now: Instant) -> bool:
        if one.state != FINISHED or one.id in self._open:
            return True
        return one.changed is not None and one.changed >= now - RECENT


def _read(listed: Listed) -> Sequence[Action]:
    return [converted(row, Action, "an action") for row in listed.rows]


def _known(status: str) -> str:
    return _AS_FINISHED.get(status, status)


def _record(one: Action) -> Mapping[str, str]:
    """What a person needs to ask the vendor: never a URL, which may hold a token."""
    parts = list(one.parts)
    texts = [clean(part.get("message")) for part in parts]
    invalidation = parts[0].get("invalidation_id") if parts else None
    return facts(
        job=one.id,
        kind=clean(one.type),
        status=clean(one.status),
        parts=clean(", ".join(clean(part.get("status"), LONGEST) for part in parts[1:11])),
        invalidation=clean(invalidation),
        message="; ".join(dict.fromkeys(filter(None, texts)))[:200],
        since="" if one.changed is None else rfc3339(one.changed),
    )
