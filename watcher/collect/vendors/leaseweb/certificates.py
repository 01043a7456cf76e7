"""Certificates as the vendor holds them: when they end, if it trusts them, and if anything uses them."""

from collections.abc import Collection, Mapping

import numpy as np

from watcher.collect.vendors.leaseweb.distributions import Distribution
from watcher.collect.vendors.leaseweb.paging import Listed
from watcher.collect.vendors.leaseweb.rows import LATEST, Thing, things, told
from watcher.collect.vendors.leaseweb.states import States, facts, remarks, seconds, when, yes
from watcher.collect.words import printable
from watcher.errors import ContractBroken
from watcher.model.inventory import Item, ItemKind, Listing
from watcher.model.labels import label_set
from watcher.model.sample import Floats
from watcher.model.time import DAY, SECOND, Instant


class Certificate(Thing):
    """What is read of one. The masked `certificate`, `privateKey` and `caBundle` are not."""

    judged = ("valid", "trusted", "validUntil")

    commonName: str | None = None  # noqa: N815 - the vendor's spelling
    description: str | None = None
    issuer: str | None = None
    valid: bool | None = None
    trusted: bool | None = None
    daysLeft: float | None = None  # noqa: N815
    validUntil: float | None = None  # noqa: N815

    @property
    def not_after(self) -> Instant | None:
        """When it ends.

        Raises:
            ContractBroken: a time in seconds cannot be this.
        """
        until = self.validUntil
        if until is not None and not 0 <= until < LATEST / SECOND:  # milliseconds would lie beyond
            raise ContractBroken(f"validUntil of {self.id} is {until:g}, which is no time in seconds")
        return None if until is None else round(until * SECOND)

    @property
    def good(self) -> float:
        """Whether the vendor finds it valid and trusts it; one "no" is enough to know."""
        said = (self.valid, self.trusted)
        return 0.0 if False in said else np.nan if None in said else 1.0

    def days_off(self, at: Instant) -> bool:
        """Whether the vendor's own count of days contradicts its date."""
        end = self.not_after
        return end is not None and self.daysLeft is not None and abs((end - at) / DAY - self.daysLeft) > 2


def unused_of(certificates: Listed, distributions: Listed, before: Collection[str]) -> Collection[str]:
    """Certificates, by id, that no enabled distribution refers to.

    Unless all distributions are known, those that were unused `before` and that are not seen in use now.

    Raises:
        ContractBroken: a distribution has another shape.
    """
    used = {one.certificateId for one in things(distributions.rows, Distribution, []) if one.enabled}
    candidates = {str(row["id"]) for row in certificates.rows} if distributions.complete else set(before)
    return candidates - used


def certificate_states(listed: Listed, unused: Collection[str], at: Instant) -> States:
    """All certificates; those that are known to be unused are called so.

    Raises:
        ContractBroken: one has another shape, or a time that is none.
    """
    slips: list[str] = []
    found = things(listed.rows, Certificate, slips)
    ends = [one.not_after for one in found]
    entities = tuple(
        label_set(
            {
                "certificate": one.id,
                "domain": printable(one.commonName),
                "unused": "true" if one.id in unused else "",
            }
        )
        for one in found
    )
    good: Floats = np.array([one.good for one in found], dtype=np.float64)
    columns = [
        (("tls_certificate_not_after_seconds", ()), seconds(ends)),
        (("tls_certificate_valid", label_set({"check": "vendor"})), good),
    ]
    urgent = sorted(
        range(len(found)),
        key=lambda place: (found[place].id in unused, good[place] != 0, ends[place] or 0),
    )
    off = next((one for one in found if one.days_off(at)), None)
    slips += [f"no end of certificate {one.id}" for one, end in zip(found, ends, strict=True) if end is None]
    return States(
        entities=entities,
        columns=columns,
        complete=listed.complete,
        listings=(Listing(ItemKind.CERTIFICATE, tuple(map(_item, found)), complete=listed.complete),),
        exemplars=[(place, _record(found[place])) for place in urgent],
        remark=remarks(listed.remark, told(slips)),
        oddity="" if off is None else f"daysLeft of {off.id} is {off.daysLeft:g}, by its date it is not",
    )


def _record(one: Certificate) -> Mapping[str, str]:
    return facts(
        certificate=one.id,
        common_name=printable(one.commonName),
        issuer=printable(one.issuer),
        description=printable(one.description),
        valid=yes(one.valid),
        trusted=yes(one.trusted),
        days_left_by_vendor="" if one.daysLeft is None else f"{one.daysLeft:g}",
    )


def _item(one: Certificate) -> Item:
    said = facts(
        name=printable(one.description) or printable(one.commonName),
        common_name=printable(one.commonName),
        issuer=printable(one.issuer),
        not_after=when(one.not_after),
        valid=yes(one.valid),
        trusted=yes(one.trusted),
        created=when(one.created),
        updated=when(one.updated),
    )
    return Item(ItemKind.CERTIFICATE, one.id, said)
