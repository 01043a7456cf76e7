"""The lines to vendors: a source's settings become a collector behind its transport."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

import aiohttp

from watcher.collect.collector import Access, Collector, SourceSettings
from watcher.collect.line import Line, learning
from watcher.collect.middlewares import source_http
from watcher.collect.transport import aiohttp_exchange
from watcher.collect.vendors import vendor
from watcher.config import Config
from watcher.model.ports import Clock
from watcher.model.sample import Poll

Send: TypeAlias = Callable[[Poll], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Shared:
    """What all sources share."""

    session: aiohttp.ClientSession
    clock: Clock
    rng: random.Random


def chance() -> random.Random:
    """Spreads polls and retries; hides nothing."""
    return random.Random()  # noqa: S311 - no secret is made of it


def line_to(config: Config, source: SourceSettings, shared: Shared, send: Send) -> Line:
    """The line to one source, its collector behind its own transport."""
    secrets = set(config.secret_values())
    return Line(
        source=source.name,
        vendor=source.vendor,
        collector=_collector(source, shared, learning(secrets)),
        clock=shared.clock,
        rng=shared.rng,
        send=send,
        every=source.every,
        secrets=secrets,
    )


def _collector(source: SourceSettings, shared: Shared, learned: Callable[[str], None]) -> Collector:
    found = vendor(source.vendor)
    if found is None:
        raise LookupError(f"{source.vendor}: the configuration names no unknown vendor")
    proxy = None if source.proxy is None else source.proxy.reveal()
    exchange = aiohttp_exchange(shared.session, timeout=source.timeout, proxy=proxy, ca_file=source.ca_file)
    http = source_http(
        exchange, source=source.name, limit=source.limit, timeout=source.timeout, clock=shared.clock
    )
    return found.build(source, Access(http=http, now=shared.clock.now, learned=learned))
