"""`watcher sources inventory`: what vendors know, from origins to certificates, and what no rule looks at."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final

from cyclopts import Parameter
from cyclopts.types import PositiveInt
from rich.text import Text

from watcher.app import inventory
from watcher.app.inventory import Gap, Survey
from watcher.cli.loading import configured
from watcher.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, MomentOption
from watcher.cli.screen import say, show_json, show_table
from watcher.cli.telling import moment
from watcher.model.estate import Certificate, Domain, Origin
from watcher.model.inventory import ItemEvent, Known
from watcher.model.time import rfc3339

NO_ORIGIN: Final = "(no known origin)"
SHOWN: Final = 20
"""Certificates, or gaps of one kind, that are shown to a person; JSON holds all."""


async def show_inventory(
    *,
    changes: Annotated[
        bool, Parameter(negative="", help="What appeared, changed or is gone, the newest first.")
    ] = False,
    since: Annotated[MomentOption | None, Parameter(help="Changes from then on, as 6h or a time.")] = None,
    limit: Annotated[PositiveInt, Parameter(help="Changes to show.")] = 100,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> int:
    """List origins with their domains, certificates and vendors, and what no rule looks at."""
    settings = configured(config, secrets=False)
    if changes:
        events = await inventory.changes(settings, since=since, limit=limit)
        show_json({"changes": [_event_json(one) for one in events]}) if json else _show_events(events)
        return 0
    found = await inventory.survey(settings)
    show_json(_json(found)) if json else _show(found)
    return 0


# --- for people


def _show(found: Survey) -> None:
    if not found.estate.known:
        say("no source has listed anything yet")
    else:
        domains = {domain.name: domain for domain in found.estate.domains}
        for origin in found.estate.origins:
            _show_origin(
                origin.name,
                [domains[name] for name in origin.domains],
                found.watched,
                none="feeds no domain" if origin.is_linked else "domains not known",
            )
        loose = [domain for domain in found.estate.domains if not domain.origins]
        if loose:
            _show_origin(NO_ORIGIN, loose, found.watched)
    _show_gaps(found.gaps)


def _show_origin(
    name: str, domains: Sequence[Domain], watched: Mapping[str, Sequence[str]], *, none: str = ""
) -> None:
    say(name, style="bold")
    if not domains:
        say(f"  {none}")
    for domain in domains:
        rules = ", ".join(watched[domain.name]) or "none"
        say(f"  {domain.name}")
        for line in map(_listed, domain.listed) if domain.listed else ("probed, listed by no source",):
            say(f"    {line}")
        for certificate in domain.certificates[:SHOWN]:
            say(f"    {_certificate(certificate)}")
        say(f"    rules: {rules}")
    say()


def _listed(known: Known) -> str:
    """Who serves it, and how that stands."""
    facts = known.item.facts
    parts = [f"{known.source} ({known.vendor})", facts.get("status", "")]
    if cname := facts.get("cname"):
        parts.append(f"cname {cname}")
    return ", ".join(part for part in parts if part)


def _certificate(certificate: Certificate) -> str:
    known = certificate.known
    seen = "seen by" if known.vendor == "tls" else "at"
    ends = f", until {certificate.not_after}" if certificate.not_after else ""
    return f"certificate {known.item.id} {seen} {known.source}{ends}"


def _show_gaps(gaps: Sequence[Gap]) -> None:
    if not gaps:
        say("rules look at everything that is known")
        return
    say("not looked at", style="bold yellow")
    for gap in gaps[:SHOWN]:
        say(f"  {gap.kind} {gap.name}: {gap.why}")
    if len(gaps) > SHOWN:
        say(f"  and {len(gaps) - SHOWN} more; --json shows all")


def _show_events(events: Sequence[ItemEvent]) -> None:
    if not events:
        say("nothing has changed")
        return
    rows: list[tuple[str | Text, ...]] = [
        (moment(one.at), one.source, str(one.kind), one.id, _what_happened(one)) for one in events
    ]
    show_table(("TIME", "SOURCE", "KIND", "ITEM", ""), rows)


def _what_happened(event: ItemEvent) -> str:
    if not event.fact:
        return str(event.change)
    return f"{event.fact}: {event.before or '(none)'} -> {event.after or '(none)'}"


# --- for programs


def _json(found: Survey) -> dict[str, object]:
    return {
        "origins": [_origin_json(one) for one in found.estate.origins],
        "domains": [_domain_json(one, found.watched) for one in found.estate.domains],
        "items": [_known_json(one) for one in found.estate.known],
        "uncovered": [{"kind": gap.kind, "name": gap.name, "why": gap.why} for gap in found.gaps],
    }


def _origin_json(origin: Origin) -> dict[str, object]:
    return {
        "origin": origin.name,
        "sources": sorted({one.source for one in origin.listed}),
        "domains": list(origin.domains) if origin.is_linked else None,
        "groups": [one.item.id for one in origin.groups],
    }


def _domain_json(domain: Domain, watched: Mapping[str, Sequence[str]]) -> dict[str, object]:
    return {
        "domain": domain.name,
        "origins": list(domain.origins),
        "vendors": inventory.vendors_of(domain.listed),
        "listed": [
            {
                "source": one.source,
                "vendor": one.vendor,
                "status": one.item.facts.get("status"),
                "cname": one.item.facts.get("cname"),
            }
            for one in domain.listed
        ],
        "certificates": [
            {
                "source": one.known.source,
                "vendor": one.known.vendor,
                "certificate": one.known.item.id,
                "not_after": one.not_after or None,
                "probed": one.known.vendor == "tls",
            }
            for one in domain.certificates
        ],
        "rules": list(watched[domain.name]),
    }


def _known_json(known: Known) -> dict[str, object]:
    return {
        "source": known.source,
        "vendor": known.vendor,
        "kind": str(known.item.kind),
        "id": known.item.id,
        "facts": dict(known.item.facts),
        "first_seen": rfc3339(known.first_seen),
        "last_seen": rfc3339(known.last_seen),
    }


def _event_json(event: ItemEvent) -> dict[str, object]:
    return {
        "at": rfc3339(event.at),
        "source": event.source,
        "vendor": event.vendor,
        "kind": str(event.kind),
        "id": event.id,
        "change": str(event.change),
        "fact": event.fact or None,
        "before": event.before or None,
        "after": event.after or None,
    }
