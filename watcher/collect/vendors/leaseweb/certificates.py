"""Certificates as the vendor holds them: when they end, if it trusts them, and if anything uses them."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
import numpy as np

from watcher.collect.vendors.leaseweb.api import clean, converted
from watcher.collect.vendors.leaseweb.distributions import Distribution
from watcher.collect.vendors.leaseweb.paging import Listed, Row
from watcher.collect.vendors.leaseweb.states import States, facts, seconds, when, yes
from watcher.errors import ContractBroken
from watcher.model.inventory import Item, ItemKind, Listing
from watcher.model.labels import label_set
from watcher.model.sample import Floats
from watcher.model.time import DAY, SECOND, Instant, rfc3339

_LATEST: Final = 253_402_300_800
"""The year 10000 in seconds. Milliseconds would lie beyond it."""


class Certificate(msgspec.Struct):
    """What is read of one. The masked `certificate`, `privateKey` and `caBundle` are not."""

    id: str
    commonName: str | None = None  # noqa: N815 - the vendor's spelling
    description: str | None = None
    issuer: str | None = None
    valid: bool | None = None
    trusted: bool | None = None
    daysLeft: int | None = None  # noqa: N815
    validUntil: int | float | None = None  # noqa: N815
    created: str | None = None
    updated: str | None = None

    @property
    def not_after(self) -> Instant | None:
        """When it ends.

        Raises:
            ContractBroken: a time in seconds cannot be this.
        """
        until = self.validUntil
        if until is not None and not 0 <= until < _LATEST:
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


def read_certificates(rows: Sequence[Row]) -> Sequence[Certificate]:
    """The vendor's rows.

    Raises:
        ContractBroken: one has another shape.
    """
    return [converted(row, Certificate, "a certificate") for row in rows]


def certificate_states(listed: Listed, distributions: Sequence[Distribution] | None, at: Instant) -> States:
    """All certificates. Unless all distributions are known, none is called unused.

    Raises:
        ContractBroken: one has another shape, or a time that is none.
    """
    found = read_certificates(listed.rows)
    used = None if distributions is None else {one.certificateId for one in distributions if one.enabled}
    unused = ["" if used is None or one.id in used else "true" for one in found]
    ends = [one.not_after for one in found]
    entities = tuple(
        label_set({"certificate": one.id, "domain": clean(one.commonName), "unused": idle})
        for one, idle in zip(found, unused, strict=True)
    )
    good: Floats = np.array([one.good for one in found], dtype=np.float64)
    columns = [
        (("tls_certificate_not_after_seconds", ()), seconds(ends)),
        (("tls_certificate_valid", label_set({"check": "vendor"})), good),
    ]
    urgent = sorted(range(len(found)), key=lambda place: (unused[place], good[place] != 0, ends[place] or 0))
    off = next((one for one in found if one.days_off(at)), None)
    endless = [one.id for one, end in zip(found, ends, strict=True) if end is None]
    return States(
        entities=entities,
        columns=columns,
        complete=listed.complete,
        listings=(Listing(ItemKind.CERTIFICATE, tuple(map(_item, found)), complete=listed.complete),),
        exemplars=[(place, _record(found[place])) for place in urgent],
        remark=f"no end of certificate {clean(endless[0])}" if endless else "",
        oddity="" if off is None else f"daysLeft of {off.id} is {off.daysLeft}, by its date it is not",
    )


def _record(one: Certificate) -> Mapping[str, str]:
    return facts(
        certificate=one.id,
        common_name=clean(one.commonName),
        issuer=clean(one.issuer),
        description=clean(one.description),
        valid=yes(one.valid),
        trusted=yes(one.trusted),
        days_left_by_vendor="" if one.daysLeft is None else str(one.daysLeft),
    )


def _item(one: Certificate) -> Item:
    end = one.not_after
    said = facts(
        name=clean(one.description) or clean(one.commonName),
        common_name=clean(one.commonName),
        issuer=clean(one.issuer),
        not_after="" if end is None else rfc3339(end),
        valid=yes(one.valid),
        trusted=yes(one.trusted),
        created=when(one.created, "created of a certificate"),
        updated=when(one.updated, "updated of a certificate"),
    )
    return Item(ItemKind.CERTIFICATE, one.id, said)
