"""Origins, groups of them, and the members of groups: what is configured, not what a probe found."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from watcher.collect.states import Statuses
from watcher.collect.vendors.leaseweb.details import Details
from watcher.collect.vendors.leaseweb.paging import Listed
from watcher.collect.vendors.leaseweb.rows import Thing, things, told
from watcher.collect.vendors.leaseweb.states import States, facts, remarks, when, word, yes
from watcher.collect.words import printable
from watcher.model.inventory import Item, ItemKind, Listing
from watcher.model.labels import label_set
from watcher.model.sample import Floats, MetricKey

MEMBER_STATUSES: Final = ("active", "backup", "inactive")


class Origin(Thing):
    """What is read of one, simple or advanced."""

    resourceType: str | None = None  # noqa: N815 - the vendor's spelling
    host: str | None = None
    description: str | None = None
    enabled: bool | None = None
    path: str | None = None


class Group(Thing):
    """What is read of a load balancer."""

    balancingMethod: str | None = None  # noqa: N815
    description: str | None = None
    enabled: bool | None = None


class Member(Thing):
    """An origin's part in a group."""

    judged = ("status",)

    status: str | None = None
    originId: str | None = None  # noqa: N815
    originHost: str | None = None  # noqa: N815


@dataclass(frozen=True, slots=True)
class _Seat:
    """A member where it sits."""

    group: str
    member: Member

    @property
    def status(self) -> str | None:
        return word(self.member.status)


def origin_states(origins: Listed, groups: Listed, details: Details, statuses: Statuses) -> States:
    """All groups and their members; origins as inventory.

    Raises:
        ContractBroken: one of them has another shape.
    """
    slips: list[str] = []
    found = [group for group in things(groups.rows, Group, slips) if group.id not in details.gone]
    seats = [
        _Seat(group.id, member)
        for group in found
        for member in things(details.lists.get(group.id, Listed(())).rows, Member, slips)
    ]
    slips += [f"member {seat.member.id} has no status" for seat in seats if seat.status is None]
    listed = tuple(map(_origin_item, things(origins.rows, Origin, slips)))
    whole = groups.complete and details.complete and all(group.id in details.lists for group in found)
    sitting: dict[str, list[Member]] = {}
    for seat in seats:
        sitting.setdefault(seat.group, []).append(seat.member)
    listed_groups = tuple(_group_item(group, sitting.get(group.id, ())) for group in found)
    return States(
        entities=(
            *(label_set({"resource": group.id}) for group in found),
            *(label_set({"resource": seat.group, "member": seat.member.id}) for seat in seats),
        ),
        columns=_columns(found, seats, details, statuses),
        complete=whole,
        listings=(
            Listing(ItemKind.ORIGIN, listed, complete=origins.complete),
            Listing(ItemKind.ORIGIN_GROUP, listed_groups, complete=groups.complete),
        ),
        names={group.id: name for group in found if (name := printable(group.description))},
        exemplars=[
            (len(found) + place, _record(seat))
            for place, seat in enumerate(seats)
            if seat.status != MEMBER_STATUSES[0]
        ],
        remark=remarks(origins.remark, groups.remark, details.remark, told(slips)),
    )


def _columns(
    groups: Sequence[Group], seats: Sequence[_Seat], details: Details, statuses: Statuses
) -> list[tuple[MetricKey, Floats]]:
    """Over groups first, members after them."""
    present = [seat.status for seat in seats]
    counted = {group.id: Counter[str | None]() for group in groups if group.id in details.lists}
    for seat in seats:
        counted[seat.group][seat.status] += 1
    counted = {group: numbers for group, numbers in counted.items() if None not in numbers}
    of_members = statuses.columns("origin_member_status", [*(None for _ in groups), *present])
    of_groups = [
        (
            ("origin_group_members", labels),
            _numbers([group.id for group in groups], counted, dict(labels)["status"], len(seats)),
        )
        for (_, labels), _ in of_members
    ]
    return [*of_members, *of_groups]


def _numbers(
    groups: Sequence[str], counted: Mapping[str, Counter[str | None]], status: str, members: int
) -> Floats:
    """How many of a status each group has; unknown of groups that were not read wholly."""
    numbers = [float(counted[group][status]) if group in counted else np.nan for group in groups]
    return np.array([*numbers, *[np.nan] * members], dtype=np.float64)


def _record(seat: _Seat) -> Mapping[str, str]:
    return facts(
        group=seat.group,
        member=seat.member.id,
        origin=printable(seat.member.originId),
        host=printable(seat.member.originHost),
        status=seat.status,
    )


def _origin_item(origin: Origin) -> Item:
    said = facts(
        name=printable(origin.description) or printable(origin.host),
        host=printable(origin.host).lower(),
        status=_status(origin.enabled),
        type=printable(origin.resourceType),
        path=printable(origin.path),
        created=when(origin.created),
        updated=when(origin.updated),
    )
    return Item(ItemKind.ORIGIN, origin.id, said)


def _group_item(group: Group, members: Sequence[Member]) -> Item:
    said = facts(
        name=printable(group.description),
        status=_status(group.enabled),
        type=printable(group.balancingMethod),
        origins=",".join(dict.fromkeys(member.originId for member in members if member.originId)),
        created=when(group.created),
        updated=when(group.updated),
    )
    return Item(ItemKind.ORIGIN_GROUP, group.id, said)


def _status(enabled: bool | None) -> str:  # noqa: FBT001 - what a document says of itself
    return {"yes": "enabled", "no": "disabled"}.get(yes(enabled), "")
