"""What other sources know, for those who look at it: domains to probe, as far as that is still believed."""

from collections.abc import Iterable
from typing import Final

from watcher.collect.hosts import ascii_name
from watcher.model.inventory import ItemKind, Known
from watcher.model.time import DAY, Duration, Instant

STALE: Final[Duration] = 7 * DAY
"""What its source has not listed for so long may be there no more."""


def fresh(known: Iterable[Known], now: Instant) -> list[Known]:
    """What its source has listed lately."""
    return [one for one in known if now - one.last_seen < STALE]


def discovered(known: Iterable[Known], own: str) -> tuple[str, ...]:
    """Names of domains that other sources than our `own` know to be served over TLS, sorted.

    Patterns (`*.example.com`, `.example.com`) name no endpoint and are left out.
    """
    names = {
        _host_name(one.item.id)
        for one in known
        if one.item.kind is ItemKind.DOMAIN
        and one.source != own
        and one.item.facts.get("tls") != "no"
        and one.item.is_served
    }
    return tuple(sorted(names - {""}))


def _host_name(text: str) -> str:
    """A domain's id as a host name; empty where it is none."""
    try:
        name = ascii_name(text)
    except ValueError:
        return ""
    return name if "." in name else ""
