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
OTHER_LIFE: Final = 4
"""Certificates whose lives differ by more than a quarter are renewed by another habit."""
SLACK: Final = 10
"""A certificate is overdue a tenth of the usual time later: renewals are tried more than once."""


@dataclass(frozen=True, slots=True)
class Record:
    """One name's certificate as last seen, and how much time was left on those before it when they went."""

    fingerprint: str
    begins: Instant
    ends: Instant
    latest: Instant
    """The latest end of any that was seen."""
    serial: str = ""
    issuer: str = ""
    renewed_with: tuple[Duration, ...] = ()
    """Newest first."""

    @classmethod
    def of(cls, finding: Finding) -> Self:
        """Seen for the first time."""
        return cls(
            fingerprint=finding.fingerprint,
            begins=finding.leaf_begins,
            ends=finding.leaf_ends,
            latest=finding.leaf_ends,
            serial=finding.serial,
            issuer=finding.issuer,
        )

    def followed(self, finding: Finding, now: Instant) -> "Record":
        """What it is after this one was seen.

        A renewal is another certificate that ends later than all before it, put in place in the second half
        of the old one's life and before its end: what happens earlier (a new key, other names) or later is no
        habit, and nor is an old one that returns and goes. Certificates that live for another time have
        another habit: what was learned is then forgotten.
        """
        new = replace(Record.of(finding), latest=max(self.latest, finding.leaf_ends))
        if abs(new.life - self.life) > self.life // OTHER_LIFE:
            return new
        left = self.ends - now
        is_renewal = new.ends > self.latest and 0 < left <= self.life // 2
        learned = (floor(left, MINUTE), *self.renewed_with) if is_renewal else self.renewed_with
        return replace(new, renewed_with=learned[:REMEMBERED])

    @property
    def life(self) -> Duration:
        """From its beginning to its end."""
        return self.ends - self.begins

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
            "latest": rfc3339(self.latest) if self.latest > self.ends else "",
            "not_before": rfc3339(self.begins),
            "renewed_with": ", ".join(map(format_duration, self.renewed_with)),
            "serial": self.serial,
        }
        return Item(ItemKind.CERTIFICATE, site, {name: fact for name, fact in facts.items() if fact})


def recorded(facts: Mapping[str, str]) -> Record | None:
    """What `Record.item` wrote; None where it cannot be read."""
    try:
        ends = parse_rfc3339(facts["not_after"])
        return Record(
            fingerprint=facts["fingerprint"],
            begins=parse_rfc3339(facts["not_before"]),
            ends=ends,
            latest=parse_rfc3339(facts["latest"]) if "latest" in facts else ends,
            serial=facts.get("serial", ""),
            issuer=facts.get("issuer", ""),
            renewed_with=tuple(map(parse_duration, facts.get("renewed_with", "").replace(",", " ").split())),
        )
    except (KeyError, ValueError):
        return None


def overdue(ends: Instant, renews_at: Duration, now: Instant) -> bool:
    """Whether a certificate should have been renewed by now."""
    return ends - now < renews_at - renews_at // SLACK
