"""Distributions and the domains they serve: what is switched on, and with which certificate."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from watcher.collect.states import Statuses
from watcher.collect.vendors.leaseweb.details import Details
from watcher.collect.vendors.leaseweb.paging import Listed
from watcher.collect.vendors.leaseweb.rows import LONGEST_ID, Thing, things, told
from watcher.collect.vendors.leaseweb.states import States, facts, remarks, seconds, when, yes
from watcher.collect.words import printable
from watcher.model.inventory import Item, ItemKind, Listing
from watcher.model.labels import label_set


class Distribution(Thing):
    """What is read of one."""

    judged = ("enabled", "certificateId")

    resourceType: str | None = None  # noqa: N815 - the vendor's spelling
    description: str | None = None
    enabled: bool | None = None
    tls: bool | None = None
    tlsType: str | None = None  # noqa: N815
    ipv6: bool | None = None
    certificateId: str | None = None  # noqa: N815
    cname: str | None = None
    """In no document; shown where it is there."""

    @property
    def status(self) -> str | None:
        """None where the vendor does not say."""
        return None if self.enabled is None else "enabled" if self.enabled else "disabled"


class Domain(Thing):
    """A custom domain; the vendor's id of it is its name."""

    domain: str | None = None

    @property
    def host(self) -> str:
        """Its name as it is compared."""
        return (printable(self.domain, LONGEST_ID) or self.id).strip().lower().removesuffix(".")


def distribution_states(
    listed: Listed, details: Details, statuses: Statuses, fed: Mapping[str, Mapping[str, str]]
) -> States:
    """All distributions but those that were deleted while their domains were asked for.

    `fed` is, by distribution, what says where it gets its content from.

    Raises:
        ContractBroken: one has another shape.
    """
    slips: list[str] = []
    found = [one for one in things(listed.rows, Distribution, slips) if one.id not in details.gone]
    domains = sorted(_domains(found, details, slips), key=lambda item: item.id)
    first = {domain.facts["distribution"]: domain.id for domain in reversed(domains)}
    known = listed.complete and details.complete and all(one.id in details.lists for one in found)
    names = {one.id: printable(one.description) or first.get(one.id, "") for one in found}
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
                tuple(_item(one, fed.get(one.id, {})) for one in found),
                complete=listed.complete,
            ),
            Listing(
                ItemKind.DOMAIN,
                tuple(_joined(list(same)) for _, same in groupby(domains, key=lambda item: item.id)),
                complete=known,
            ),
        ),
        names={resource: name for resource, name in names.items() if name},
        remark=remarks(listed.remark, details.remark, told(slips)),
    )


def _domains(found: Sequence[Distribution], details: Details, slips: list[str]) -> Iterator[Item]:
    for one in found:
        for domain in things(details.lists.get(one.id, Listed(())).rows, Domain, slips):
            said = facts(
                distribution=one.id,
                status=one.status,
                tls=yes(one.tls),
                certificate=one.certificateId,
                cname=printable(one.cname),
                created=when(domain.created),
                updated=when(domain.updated),
            )
            yield Item(ItemKind.DOMAIN, domain.host, said)


def _joined(same: Sequence[Item]) -> Item:
    """One domain of several distributions: as the one that is enabled has it, and all of them named."""
    best = min(same, key=lambda item: item.facts.get("status") != "enabled")
    serving = ",".join(sorted({item.facts["distribution"] for item in same}))
    return Item(best.kind, best.id, {**best.facts, "distribution": serving})


def _item(one: Distribution, fed: Mapping[str, str]) -> Item:
    said = facts(
        name=printable(one.description),
        status=one.status,
        type=printable(one.resourceType),
        tls=yes(one.tls),
        tls_type=printable(one.tlsType),
        ipv6=yes(one.ipv6),
        certificate=one.certificateId,
        cname=printable(one.cname),
        created=when(one.created),
        updated=when(one.updated),
    )
    return Item(ItemKind.DISTRIBUTION, one.id, {**said, **fed})
