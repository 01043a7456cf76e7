"""The lines to vendors: a source's settings become a collector behind its transport."""

import os
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import aiohttp

from watcher.collect.collector import Access, Collector, SourceSettings
from watcher.collect.evidence import Evidence
from watcher.collect.line import Line, learning
from watcher.collect.lookout import Lookout
from watcher.collect.middlewares import source_http
from watcher.collect.transport import aiohttp_exchange
from watcher.collect.vendors import vendor
from watcher.config import Config
from watcher.config.settings import secrets_in
from watcher.errors import SecretUnavailable
from watcher.model.inventory import Known
from watcher.model.ports import Clock, Errand
from watcher.model.sample import Poll
from watcher.store.address import SqliteFile, parse_address

Send: TypeAlias = Callable[[Poll], Awaitable[None]]
Waiting: TypeAlias = Callable[[str], Awaitable[Sequence[Errand]]]
"""What commands left to do for a source."""


async def _none(_source: str) -> Sequence[Errand]:
    return ()


@dataclass(frozen=True, slots=True)
class Shared:
    """What all sources share."""

    session: aiohttp.ClientSession
    clock: Clock
    rng: random.Random
    inventory: Callable[[], Sequence[Known]] = tuple
    """What all sources know at present."""
    errands: Waiting = _none


def chance() -> random.Random:
    """Spreads polls and retries; hides nothing."""
    return random.Random()  # noqa: S311 - no secret is made of it


def line_to(config: Config, source: SourceSettings, shared: Shared, send: Send) -> Line:
    """The line to one source, its collector behind its own transport."""
    secrets, lookout = set(config.secret_values()), Lookout()
    return Line(
        source=source.name,
        vendor=source.vendor,
        collector=_collector(source, shared, lookout, learning(secrets)),
        clock=shared.clock,
        rng=shared.rng,
        send=send,
        every=source.every,
        secrets=secrets,
        lookout=lookout,
        evidence=Evidence(evidence_folder(config), source.name),
        credential_values=partial(_values, source),
        errands=partial(shared.errands, source.name),
    )


def evidence_folder(config: Config) -> Path:
    """Where answers are kept that are not as documented: beside the database, or in the daemon's own folder.

    With a database on a server that is systemd's state directory, or the configuration's.
    """
    address = parse_address(config.database.reveal())
    if isinstance(address, SqliteFile):
        return address.path.parent / f"{address.path.stem}-answers"
    state = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    return (Path(state) if state else config.path.parent) / "watcher-answers"


def _values(source: SourceSettings) -> tuple[str, ...] | None:
    """Every secret of a source as it is now; None while one is unavailable (a file being replaced)."""
    secrets = [secret for _, secret in secrets_in(source)]
    try:
        for secret in secrets:
            secret.reveal()
    except SecretUnavailable:
        return None
    return tuple(value for secret in secrets for value in secret.values())


def _collector(
    source: SourceSettings, shared: Shared, lookout: Lookout, learned: Callable[[str], None]
) -> Collector:
    found = vendor(source.vendor)
    if found is None:
        raise LookupError(f"{source.vendor}: the configuration names no unknown vendor")
    proxy = None if source.proxy is None else source.proxy.reveal
    exchange = aiohttp_exchange(shared.session, timeout=source.timeout, proxy=proxy, ca_file=source.ca_file)
    http = source_http(
        exchange,
        source=source.name,
        limit=source.limit,
        timeout=source.timeout,
        clock=shared.clock,
        lookout=lookout,
    )
    access = Access(http=http, now=shared.clock.now, learned=learned, inventory=shared.inventory)
    return found.build(source, access)
