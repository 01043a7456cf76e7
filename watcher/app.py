"""The composition root: the only place that names concrete classes and marries packages to each other."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import aiohttp
import anyio
import structlog

from watcher.collect.bus import Bus
from watcher.collect.collector import Access, Collector, SourceSettings
from watcher.collect.line import Line
from watcher.collect.middlewares import source_http
from watcher.collect.source import SourceReader
from watcher.collect.transport import aiohttp_exchange, client_session
from watcher.collect.trial import Trial, try_source
from watcher.collect.vendors import vendor
from watcher.config import Config, load_config
from watcher.document.secrets import SecretUrl
from watcher.engine.engine import BoundRule, Engine
from watcher.errors import DeliveryError, LeaseLost, StoreError
from watcher.model.incident import Transition
from watcher.model.message import Owed
from watcher.model.ports import Clock, Committed, History, Tick
from watcher.model.sample import Cursor, Poll
from watcher.model.time import Instant
from watcher.notify import apprise_sender
from watcher.notify.apprise_sender import AppriseSender
from watcher.notify.courier import Courier
from watcher.notify.render import Renderer
from watcher.notify.routing import Router
from watcher.notify.story import Guidance
from watcher.rulebook.loader import bind
from watcher.rulebook.packs import load_rules, pack_files
from watcher.runtime import daemon
from watcher.runtime.clock import SystemClock
from watcher.runtime.pump import Listener, Pump
from watcher.store.book import SqlBook
from watcher.store.database import Database
from watcher.store.history import SqlHistory
from watcher.store.identity import time_ordered
from watcher.store.journal import SqlJournal
from watcher.store.lease import Lease
from watcher.store.migrate import upgrade as migrate
from watcher.store.outbox import SqlOutbox
from watcher.store.tables import SCHEMA


def load(path: Path) -> Config:
    """The configuration in a file.

    Raises:
        ConfigurationError: everything that is wrong with it.
    """
    return load_config(path, url_check=lambda url: apprise_sender.problems(SecretUrl(url)))


def rules(config: Config | None) -> list[BoundRule]:
    """The rules that judge, bound to their detectors; without a configuration the shipped ones."""
    return [bind(rule) for rule in (config.rules if config else load_rules(pack_files()))]


def secrets(config: Config) -> Collection[str]:
    """Every secret value that is known: what no output may show."""
    return config.secret_values()


async def upgrade(config: Config) -> str:
    """Bring the database to this watcher's schema; words for where it stood and stands.

    Raises:
        DatabaseUnusable: it cannot be opened, written or upgraded.
    """
    async with await Database.open(config.database.reveal(), clock=SystemClock()) as database:
        before = await migrate(database)
    return f"at {SCHEMA}" if before == SCHEMA else f"at {SCHEMA}, upgraded from {before or 'nothing'}"


@asynccontextmanager
async def history(at: SecretUrl) -> AsyncIterator[History]:
    """The reading side of the book in a database, beside a running daemon or without one.

    Raises:
        DatabaseUnusable: there is none, or it cannot be read.
    """
    async with await Database.open(at.reveal(), clock=SystemClock(), create=False) as database:
        yield SqlHistory(database)


async def run(config: Config, *, stop: anyio.Event, listen: Listener | None = None) -> None:
    """The daemon, until `stop` is set and what was under way is drained.

    Raises:
        DatabaseUnusable: it cannot be opened, or another daemon owns it.
        LeaseLost: another daemon took the database over.
    """
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(await Database.open(config.database.reveal(), clock=clock))
        await migrate(database)
        lease = Lease(database)
        await lease.acquire()
        stack.push_async_callback(_released, lease)
        shared = _Shared(await stack.enter_async_context(client_session()), clock, _chance())
        engine, untold, cursors = await _rebuilt(config, SqlJournal(database), clock)
        bus = stack.enter_context(Bus())
        courier = _courier(config, database, clock, shared.rng)
        pump = Pump(
            bus,
            engine,
            SqlBook(database, lease, time_ordered()),
            clock=clock,
            router=partial(_owed, Router(config.routes, config.receivers)),
            told=partial(_told, courier, listen),
        )
        parts = daemon.Parts(
            bus=bus,
            readers=[partial(_read, config, source, shared, bus, cursors) for source in config.sources],
            pump=pump,
            courier=courier.run,
            stop_courier=courier.stop,
            heartbeat=lease.heartbeat,
        )
        with _one_error():
            await daemon.run(parts, stop, untold)


async def test_sources(config: Config, names: Collection[str]) -> list[Trial]:
    """Make one real call to every stream of these sources; no names are all sources."""
    found: list[Trial] = []
    async with client_session() as session:
        shared = _Shared(session, SystemClock(), _chance())
        for source in config.sources:
            if not names or source.name in names:
                found += await try_source(_line(config, source, shared, _unsent))
    return found


async def _unsent(poll: Poll) -> None:
    """A trial leaves no trace."""


@dataclass(frozen=True, slots=True)
class TargetTest:
    """How one real message to one target of a receiver went."""

    target: str
    ok: bool
    words: str


async def test_receiver(config: Config, name: str) -> list[TargetTest]:
    """Send a test message to every target of a receiver."""
    renderer, tests = Renderer({}), []
    for target, sender in _senders(config).items():
        if target.rpartition("/")[0] == name:
            try:
                words = await sender.send(renderer.trial(target, now=SystemClock().now()))
                tests.append(TargetTest(target, True, words))
            except DeliveryError as error:
                tests.append(TargetTest(target, False, str(error)))
    return tests


async def _rebuilt(
    config: Config, journal: SqlJournal, clock: Clock
) -> tuple[Engine, Sequence[Transition], Mapping[tuple[str, str], Cursor]]:
    """The engine as the journal and the book say it was, and what they show to be untold."""
    engine = Engine(rules(config))
    batches = 0
    async for page in journal.pages():
        await anyio.to_thread.run_sync(engine.recall, page)
        batches += len(page)
    untold = await anyio.to_thread.run_sync(engine.rebuild, await journal.standing(), clock.now())
    structlog.get_logger().info("engine_rebuilt", batches=batches, untold=len(untold))
    return engine, untold, await journal.cursors()


def _collector(source: SourceSettings, session: aiohttp.ClientSession, clock: Clock) -> Collector:
    found = vendor(source.vendor)
    if found is None:
        raise LookupError(f"{source.vendor}: the configuration names no unknown vendor")
    proxy = None if source.proxy is None else source.proxy.reveal()
    exchange = aiohttp_exchange(session, timeout=source.timeout, proxy=proxy, ca_file=source.ca_file)
    http = source_http(exchange, source=source.name, limit=source.limit, timeout=source.timeout, clock=clock)
    return found.build(source, Access(http=http, now=clock.now))


Send: TypeAlias = Callable[[Poll], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Shared:
    """What all sources share."""

    session: aiohttp.ClientSession
    clock: Clock
    rng: random.Random


def _chance() -> random.Random:
    """Spreads polls and retries; hides nothing."""
    return random.Random()  # noqa: S311 - no secret is made of it


def _line(config: Config, source: SourceSettings, shared: _Shared, send: Send) -> Line:
    return Line(
        source=source.name,
        vendor=source.vendor,
        collector=_collector(source, shared.session, shared.clock),
        clock=shared.clock,
        rng=shared.rng,
        send=send,
        every=source.every,
        secrets=secrets(config),
    )


async def _read(
    config: Config,
    source: SourceSettings,
    shared: _Shared,
    bus: Bus,
    cursors: Mapping[tuple[str, str], Cursor],
) -> None:
    """Read one source until cancelled, through a producer of its own."""
    own = {stream: cursor for (of, stream), cursor in cursors.items() if of == source.name}
    with bus.producer() as producer:
        await SourceReader(_line(config, source, shared, producer.send), own).run()


def _owed(router: Router, transition: Transition, at: Instant, catching_up: bool) -> Sequence[Owed]:  # noqa: FBT001 - pump's signature
    return router.owed(transition, at=at, catching_up=catching_up)


def _courier(config: Config, database: Database, clock: Clock, rng: random.Random) -> Courier:
    guidance = {rule.id: Guidance(rule.why, rule.runbook) for rule in config.rules}
    return Courier(SqlOutbox(database), _senders(config), renderer=Renderer(guidance), clock=clock, rng=rng)


def _senders(config: Config) -> Mapping[str, AppriseSender]:
    return {
        target: AppriseSender(url)
        for receiver in config.receivers
        for target, url in receiver.targets().items()
    }


def _told(courier: Courier, listen: Listener | None, tick: Tick, committed: Sequence[Committed]) -> None:
    courier.notify()
    if listen is not None:
        listen(tick, committed)


async def _released(lease: Lease) -> None:
    """Let the next daemon in; a database that is away lets it in by itself when the lease runs out."""
    with suppress(StoreError):
        await lease.release()


@contextmanager
def _one_error() -> Iterator[None]:
    """Out of the daemon's task group comes the one error that a person can act on."""
    try:
        yield
    except* LeaseLost as lost:
        raise _first(lost) from None


def _first(group: BaseExceptionGroup[LeaseLost]) -> LeaseLost:
    for error in group.exceptions:
        return _first(error) if isinstance(error, BaseExceptionGroup) else error
    raise AssertionError("an exception group is never empty")
