"""Distributions and the domains they serve: what is switched on, and with which certificate."""

from collections.abc import Iterator, Sequence
from itertools import groupby

import msgspec

from watcher.collect.vendors.leaseweb.api import checked_id, clean, converted, parse_time
from watcher.collect.vendors.leaseweb.details import Details
from watcher.collect.vendors.leaseweb.paging import Listed, Row
from watcher.collect.vendors.leaseweb.states import States, Statuses, facts, seconds, when, yes
from watcher.model.inventory import Item, ItemKind, Listing
from watcher.model.labels import label_set
from watcher.model.time import Instant


class Distribution(msgspec.Struct):
    """What is read of one."""

    id: str
    resourceType: str = ""  # noqa: N815 - the vendor's spelling
    description: str | None = None
    enabled: bool | None = None
    tls: bool | None = None
    tlsType: str | None = None  # noqa: N815
    ipv6: bool | None = None
    certificateId: str | None = None  # noqa: N815
    cname: str | None = None
    """In no document; shown where it is there."""
    created: str | None = None
    updated: str | None = None

    @property
    def status(self) -> str | None:
        """None where the vendor does not say."""
        return None if self.enabled is None else "enabled" if self.enabled else "disabled"

    @property
    def changed(self) -> Instant | None:
        """The vendor's own time of the last change.

        Raises:
            ContractBroken: no time.
        """
        what = f"updated of {clean(self.id)}"
        return parse_time(self.updated, what) or parse_time(self.created, what.replace("updated", "created"))


class Domain(msgspec.Struct):
    """A custom domain; the vendor's id of it is its name."""

    domain: str
    created: str | None = None
    updated: str | None = None


def read_distributions(rows: Sequence[Row]) -> Sequence[Distribution]:
    """The vendor's rows, out of their envelopes.

    Raises:
        ContractBroken: one has another shape.
    """
    return [converted(row, Distribution, "a distribution") for row in rows]


def distribution_states(listed: Listed, details: Details, statuses: Statuses) -> States:
    """All distributions but those that were deleted while their domains were asked for.

    Raises:
        ContractBroken: one, or a domain, has another shape.
    """
    found = [one for one in read_distributions(listed.rows) if one.id not in details.gone]
    domains = sorted(_domains(found, details), key=lambda item: item.id)
    first = {domain.facts["distribution"]: domain.id for domain in reversed(domains)}
    known = listed.complete and details.complete and all(one.id in details.lists for one in found)
    names = {one.id: clean(one.description) or first.get(one.id, "") for one in found}
    return States(
        entities=tuple(label_set({"resource": one.id}) for one in found),
        columns=[
            *statuses.columns("domain_status", [one.status for one in found]),
            (("domain_changed_seconds", ()), seconds([one.changed for one in found])),
        ],
        complete=listed.complete,
        listings=(
            Listing(
                ItemKind.DISTRIBUTION,
                tuple(map(_item, found)),
                complete=listed.complete,
            ),
            Listing(
                ItemKind.DOMAIN,
                tuple(_joined(list(same)) for _, same in groupby(domains, key=lambda item: item.id)),
                complete=known,
            ),
        ),
        names={resource: name for resource, name in names.items() if name},
        remark=details.remark,
    )


def _domains(found: Sequence[Distribution], details: Details) -> Iterator[Item]:
    for one in found:
        for row in details.lists.get(one.id, Listed(())).rows:
            domain = converted(row, Domain, "a domain")
            said = facts(
                distribution=one.id,
                status=one.status,
                tls=yes(one.tls),
                certificate=one.certificateId,
                cname=clean(one.cname),
                created=when(domain.created, "created of a domain"),
                updated=when(domain.updated, "updated of a domain"),
            )
            host = domain.domain.strip().lower().removesuffix(".")
            yield Item(ItemKind.DOMAIN, checked_id(host, "a domain named"), said)


def _joined(same: Sequence[Item]) -> Item:
    """One domain of several distributions: as the one that is enabled has it, and all of them named."""
    best = min(same, key=lambda item: item.facts.get("status") != "enabled")
    serving = ",".join(sorted({item.facts["distribution"] for item in same}))
    return Item(best.kind, best.id, {**best.facts, "distribution": serving})


def _item(one: Distribution) -> Item:
    said = facts(
        name=clean(one.description),
        status=one.status,
        type=clean(one.resourceType),
        tls=yes(one.tls),
        tls_type=clean(one.tlsType),
        ipv6=yes(one.ipv6),
        certificate=one.certificateId,
        cname=clean(one.cname),
        created=when(one.created, "created of a distribution"),
        updated=when(one.updated, "updated of a distribution"),
    )
    return Item(ItemKind.DISTRIBUTION, one.id, said)
