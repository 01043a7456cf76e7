"""What vendors' APIs say of a certificate against what an endpoint presents: renewed, but not deployed."""

from collections.abc import Iterable, Mapping
from typing import Final

from watcher.collect.vendors.tls.probe import Finding
from watcher.model.inventory import ItemKind, Known
from watcher.model.time import DAY, Duration, Instant, parse_rfc3339, rfc3339

SLACK: Final[Duration] = DAY
"""Vendors round ends of certificates to days."""
REFERENCES: Final = "certificate"
"""The fact by which a domain or distribution names the certificates it is served with."""


class Claims:
    """The certificates that vendors say they have, as the inventory holds them."""

    def __init__(self, known: Iterable[Known]) -> None:
        """Those of probes are no claims: they are what is presented."""
        known = [one for one in known if one.vendor != "tls"]
        certificates = {(one.source, one.item.id): one for one in known if _is_certificate(one)}
        used = {(one.source, certificate) for one in known for certificate in one.item.words(REFERENCES)}
        naming = {source for source, _ in used}
        self._any = bool(certificates)
        self._serving: dict[str, set[str]] = {}
        self._of_domain: dict[str, dict[str, list[Known]]] = {}
        self._by_pattern: dict[str, list[Known]] = {}
        for key, one in certificates.items():
            if key in used or one.source not in naming:
                for pattern in one.item.names:
                    self._by_pattern.setdefault(pattern, []).append(one)
        for one in known:
            if one.item.kind is not ItemKind.DOMAIN:
                continue
            if one.item.is_served:
                self._serving.setdefault(one.item.id, set()).add(one.source)
            if ids := one.item.words(REFERENCES):
                own = [certificates[one.source, id_] for id_ in ids if (one.source, id_) in certificates]
                self._of_domain.setdefault(one.item.id, {})[one.source] = own

    def contradiction(self, name: str, finding: Finding) -> str | None:
        """Which later certificate for the name a vendor has, in words; empty where none has.

        None where nobody can say: no vendor names any certificate at all, or the one presented may be that of
        another vendor, which serves the name too and does not say with what. Where a vendor knows the very
        certificate that is presented, only what that vendor has counts: the name may have several.
        """
        if not self._any:
            return None
        fitting = self._fitting(name)
        owners = {one.source for one in fitting if _is_same(one.item.facts, finding)}
        later = [
            (ends, one)
            for one in fitting
            if (not owners or one.source in owners)
            and not _is_same(one.item.facts, finding)
            and (ends := _ends(one.item.facts)) is not None
            and ends > finding.leaf_ends + SLACK
        ]
        if not later:
            return ""
        if not owners and self._sources_of(name) - {one.source for one in fitting}:
            return None
        ends, newest = max(later, key=lambda found: found[0])
        return f"{newest.source} has certificate {newest.item.id} until {rfc3339(ends)}"

    def _sources_of(self, name: str) -> set[str]:
        """Those that have the name in service, itself or by a wildcard."""
        above = name.partition(".")[2]
        return set().union(*(self._serving.get(one, ()) for one in (name, f"*.{above}", f".{above}")))

    def _fitting(self, name: str) -> list[Known]:
        """Those its source says to serve the name with; at sources that do not say, those that name it."""
        wildcard = f"*.{name.partition('.')[2]}"
        told = self._of_domain.get(name, {})
        named = self._by_pattern.get(name, []) + self._by_pattern.get(wildcard, [])
        return [one for own in told.values() for one in own] + [
            one for one in named if one.source not in told
        ]


def _is_certificate(known: Known) -> bool:
    return known.item.kind is ItemKind.CERTIFICATE


def _ends(facts: Mapping[str, str]) -> Instant | None:
    try:
        return parse_rfc3339(facts.get("not_after", ""))
    except ValueError:
        return None


def _is_same(facts: Mapping[str, str], finding: Finding) -> bool:
    """Whether an item is the certificate presented: by fingerprint, else serial number, else end."""
    prints = facts.get("fingerprint", "").replace(":", "").lower()
    if len(prints) in {len(finding.sha1), len(finding.fingerprint)}:
        return prints in {finding.sha1, finding.fingerprint}
    serial = facts.get("serial", "").replace(":", "").replace(" ", "").lower().removeprefix("0x")
    if serial:
        return serial.lstrip("0") in {finding.serial, str(int(finding.serial, 16))}
    ends = _ends(facts)
    return ends is not None and abs(ends - finding.leaf_ends) <= SLACK
