"""What was seen of a name's certificate over time: how long before its end it is renewed. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Self

from watcher.collect.vendors.tls.probe import Finding
from watcher.model.inventory import Item, ItemKind
from watcher.model.time import (
    MINUTE,
    Duration,
    Instant,
    floor,
    format_duration,
    parse_duration,
    parse_rfc3339,
    rfc3339,
)

SEEN_ENOUGH: Final = 2
"""Renewals that make a habit: one may have been done by hand."""
REMEMBERED: Final = 5
SLACK: Final = 10
"""A certificate is overdue a tenth of the usual time later: renewals are tried more than once."""


@dataclass(frozen=True, slots=True)
class Record:
    """One name's certificate as last seen, and how much time was left on those before it when they went."""

    fingerprint: str
    begins: Instant
    ends: Instant
    serial: str = ""
    issuer: str = ""
    renewed_with: tuple[Duration, ...] = ()
    """Newest first."""

    @classmethod
    def of(cls, finding: Finding) -> Self:
        """Seen for the first time."""
        return cls(
            finding.fingerprint, finding.leaf_begins, finding.leaf_ends, finding.serial, finding.issuer
        )

    def followed(self, finding: Finding, now: Instant) -> "Record":
        """What it is after this one was seen.

        A renewal is another certificate that ends later, put in place in the second half of the old one's
        life and before its end: what happens earlier (a new key, other names) or later is no habit.
        """
        new = replace(Record.of(finding), renewed_with=self.renewed_with)
        left = self.ends - now
        is_renewal = new.fingerprint != self.fingerprint and new.ends > self.ends
        if not is_renewal or not 0 < left <= (self.ends - self.begins) // 2:
            return new
        return replace(new, renewed_with=(floor(left, MINUTE), *self.renewed_with)[:REMEMBERED])

    @property
    def renews_at(self) -> Duration | None:
        """How long before its end it is renewed at the latest, as seen; None where that is too little."""
        return min(self.renewed_with) if len(self.renewed_with) >= SEEN_ENOUGH else None

    def item(self, site: str, name: str) -> Item:
        """For the inventory, which keeps it over restarts; `site` is the endpoint's."""
        facts = {
            "domains": name,
            "fingerprint": self.fingerprint,
            "issuer": self.issuer,
            "not_after": rfc3339(self.ends),
            "not_before": rfc3339(self.begins),
            "renewed_with": ", ".join(map(format_duration, self.renewed_with)),
            "serial": self.serial,
        }
        return Item(ItemKind.CERTIFICATE, site, {name: fact for name, fact in facts.items() if fact})


def recorded(facts: Mapping[str, str]) -> Record | None:
    """What `Record.item` wrote; None where it cannot be read."""
    try:
        return Record(
            fingerprint=facts["fingerprint"],
            begins=parse_rfc3339(facts["not_before"]),
            ends=parse_rfc3339(facts["not_after"]),
            serial=facts.get("serial", ""),
            issuer=facts.get("issuer", ""),
            renewed_with=tuple(map(parse_duration, facts.get("renewed_with", "").replace(",", " ").split())),
        )
    except (KeyError, ValueError):
        return None


def overdue(ends: Instant, renews_at: Duration, now: Instant) -> bool:
    """Whether a certificate should have been renewed by now."""
    return ends - now < renews_at - renews_at // SLACK
