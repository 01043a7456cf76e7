"""What vendors say of domains, certificates and origin groups at any time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from watcher.model.time import DAY, Instant
from watcher.simulate.moment import LAST, Timed
from watcher.simulate.troubles import (
    CertificateInvalid,
    CertificateNearExpiry,
    DomainGone,
    DomainOffline,
    OriginGroupEmpty,
    StuckChange,
    Trouble,
)
from watcher.simulate.world import World

ONLINE: Final = "online"
LIFETIME: Final = 90 * DAY
"""Of a certificate, from its first day to its last."""


@dataclass(frozen=True, slots=True)
class DomainState:
    """What a vendor says of a domain."""

    status: str
    """`online`, or what a trouble says."""
    changed_at: Instant


@dataclass(frozen=True, slots=True)
class CertificateState:
    """A resource's certificate as a vendor lists it."""

    not_before: Instant
    not_after: Instant
    valid: bool
    trusted: bool


class States:
    """The states of all there is."""

    def __init__(self, world: World, *, anchor: Instant) -> None:
        self._anchor = anchor
        self._troubles = world.troubles
        self._resources = {resource.id: resource for resource in world.resources}
        self._groups = {group.id: group for group in world.origin_groups}

    def created(self, resource: str) -> Instant:
        """When the resource was made."""
        return self._anchor - int(self._resources[resource].age_days * DAY)

    def domain(self, resource: str, at: Instant) -> DomainState | None:
        """The domain of a resource; None where it is not listed: not made yet, or gone."""
        state = DomainState(ONLINE, self.created(resource))
        if at < state.changed_at:
            return None
        for trouble, start, end in self._of(resource):
            if isinstance(trouble, DomainGone) and start <= at < end:
                return None
            if isinstance(trouble, DomainOffline | StuckChange) and start <= at:
                state = DomainState(trouble.status, start) if at < end else DomainState(ONLINE, end)
        return state

    def certificate(self, resource: str, at: Instant = LAST - 1) -> CertificateState:
        """The certificate of a resource; its dates are the same at any time."""
        days_left, valid, trusted = self._resources[resource].days_left, True, True
        for trouble, start, end in self._of(resource):
            if isinstance(trouble, CertificateNearExpiry):
                days_left = trouble.days_left
            elif isinstance(trouble, CertificateInvalid) and start <= at < end:
                valid, trusted = trouble.valid, trouble.trusted
        not_after = self._anchor + int(days_left * DAY)
        return CertificateState(not_after - LIFETIME, not_after, valid, trusted)

    def group(self, group: str, at: Instant) -> Mapping[str, str]:
        """Status by member host of an origin group."""
        members = self._groups[group].members
        for trouble in self._troubles:
            if isinstance(trouble, OriginGroupEmpty) and trouble.group == group and self._holds(trouble, at):
                return dict.fromkeys(members, trouble.status)
        return members

    def _of(self, resource: str) -> Iterator[tuple[Trouble, Instant, Instant]]:
        for trouble in self._troubles:
            if isinstance(trouble, Trouble) and trouble.resource == resource:
                yield trouble, *trouble.span(self._anchor)

    def _holds(self, trouble: Timed, at: Instant) -> bool:
        start, end = trouble.span(self._anchor)
        return start <= at < end
