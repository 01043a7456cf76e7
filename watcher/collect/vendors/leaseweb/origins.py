"""Origins, groups of them, and the members of groups: what is configured, not what a probe found."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from watcher.collect.vendors.leaseweb.api import clean, converted
from watcher.collect.vendors.leaseweb.details import Details
from watcher.collect.vendors.leaseweb.paging import Listed
from watcher.collect.vendors.leaseweb.states import States, Statuses, facts, when, word, yes
from watcher.model.inventory import Item, ItemKind, Listing
from watcher.model.labels import label_set
from watcher.model.sample import Floats, MetricKey

MEMBER_STATUSES: Final = ("active", "backup", "inactive")


class Origin(msgspec.Struct):
    """What is read of one, simple or advanced."""

    id: str
    resourceType: str = ""  # noqa: N815 - the vendor's spelling
    host: str | None = None
    description: str | None = None
    enabled: bool | None = None
    path: str | None = None
    created: str | None = None
    updated: str | None = None


class Group(msgspec.Struct):
    """What is read of a load balancer."""

    id: str
    balancingMethod: str | None = None  # noqa: N815
    description: str | None = None
    enabled: bool | None = None
    created: str | None = None
    updated: str | None = None


class Member(msgspec.Struct):
    """An origin's part in a group."""

    id: str
    status: str
    originId: str | None = None  # noqa: N815
    originHost: str | None = None  # noqa: N815


@dataclass(frozen=True, slots=True)
class _Seat:
    """A member where it sits."""

    group: str
    member: Member

    @property
    def status(self) -> str:
        return word(self.member.status, f"member {clean(self.member.id)}")


def origin_states(origins: Listed, groups: Listed, details: Details, statuses: Statuses) -> States:
    """All groups and their members; origins as inventory.

    Raises:
        ContractBroken: one of them has another shape.
    """
    found = [converted(row, Group, "an origin group") for row in groups.rows]
    found = [group for group in found if group.id not in details.gone]
    seats = [
        _Seat(group.id, converted(row, Member, "a member"))
        for group in found
        for row in details.lists.get(group.id, Listed(())).rows
    ]
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
            Listing(ItemKind.ORIGIN, tuple(map(_origin_item, _read(origins))), complete=origins.complete),
            Listing(ItemKind.ORIGIN_GROUP, listed_groups, complete=groups.complete),
        ),
        names={group.id: name for group in found if (name := clean(group.description))},
        exemplars=[
            (len(found) + place, _record(seat))
            for place, seat in enumerate(seats)
            if seat.status != MEMBER_STATUSES[0]
        ],
        remark=details.remark,
    )


def _read(origins: Listed) -> Sequence[Origin]:
    return [converted(row, Origin, "an origin") for row in origins.rows]


def _columns(
    groups: Sequence[Group], seats: Sequence[_Seat], details: Details, statuses: Statuses
) -> list[tuple[MetricKey, Floats]]:
    """Over groups first, members after them."""
    present = [seat.status for seat in seats]
    counted = {group.id: Counter[str]() for group in groups if group.id in details.lists}
    for seat in seats:
        counted[seat.group][seat.status] += 1
    of_members = statuses.columns("origin_member_status", [*(None for _ in groups), *present])
    of_groups = [
        (
            ("origin_group_members", labels),
            _numbers([group.id for group in groups], counted, dict(labels)["status"], len(seats)),
        )
        for (_, labels), _ in of_members
    ]
    return [*of_members, *of_groups]


def _numbers(groups: Sequence[str], counted: Mapping[str, Counter[str]], status: str, members: int) -> Floats:
    """How many of a status each group has; unknown of groups that were not read."""
    numbers = [float(counted[group][status]) if group in counted else np.nan for group in groups]
    return np.array([*numbers, *[np.nan] * members], dtype=np.float64)


def _record(seat: _Seat) -> Mapping[str, str]:
    return facts(
        group=seat.group,
        member=seat.member.id,
        origin=clean(seat.member.originId),
        host=clean(seat.member.originHost),
        status=seat.status,
    )


def _origin_item(origin: Origin) -> Item:
    said = facts(
        name=clean(origin.description) or clean(origin.host),
        host=clean(origin.host).lower(),
        status=_status(origin.enabled),
        type=clean(origin.resourceType),
        path=clean(origin.path),
        created=when(origin.created, "created of an origin"),
        updated=when(origin.updated, "updated of an origin"),
    )
    return Item(ItemKind.ORIGIN, origin.id, said)


def _group_item(group: Group, members: Sequence[Member]) -> Item:
    said = facts(
        name=clean(group.description),
        status=_status(group.enabled),
        type=clean(group.balancingMethod),
        origins=",".join(dict.fromkeys(member.originId for member in members if member.originId)),
        created=when(group.created, "created of a group"),
        updated=when(group.updated, "updated of a group"),
    )
    return Item(ItemKind.ORIGIN_GROUP, group.id, said)


def _status(enabled: bool | None) -> str:  # noqa: FBT001 - what a document says of itself
    return {"yes": "enabled", "no": "disabled"}.get(yes(enabled), "")
