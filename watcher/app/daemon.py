"""The daemon, put together."""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from functools import partial

import anyio
import structlog

from watcher.app.lines import Shared, chance, line_to
from watcher.app.restart import Shelves, restarted
from watcher.app.senders import senders
from watcher.app.settings import rules
from watcher.collect.bus import Bus
from watcher.collect.collector import SourceSettings
from watcher.collect.source import SourceReader
from watcher.collect.transport import client_session
from watcher.config import Config
from watcher.errors import StoreError, StoreUnavailable, WatcherError
from watcher.model.incident import Transition
from watcher.model.inventory import Known
from watcher.model.message import Owed
from watcher.model.ports import Clock, Committed, Errand, Tick
from watcher.model.sample import Cursor
from watcher.model.time import Instant
from watcher.notify.courier import Courier
from watcher.notify.render import Renderer
from watcher.notify.routing import Router
from watcher.notify.story import Guidance
from watcher.runtime.clock import SystemClock
from watcher.runtime.daemon import Parts, kept
from watcher.runtime.daemon import run as run_parts
from watcher.runtime.keeping import Keeping, compacting
from watcher.runtime.pump import Listener, Pump
from watcher.store.book import SqlBook
from watcher.store.compaction import Compactor
from watcher.store.database import Database
from watcher.store.errands import SqlErrands
from watcher.store.identity import time_ordered
from watcher.store.inventory import SqlInventory, Stock
from watcher.store.lease import Lease
from watcher.store.migrate import upgrade as migrate
from watcher.store.outbox import SqlOutbox
from watcher.store.samples import samples_of
from watcher.store.succession import succeed


async def run(
    config: Config, *, stop: anyio.Event, listen: Listener | None = None, only: str | None = None
) -> None:
    """The daemon, until `stop` is set and what was under way is drained; it may read `only` one source.

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
        stack.enter_context(_one_error())
        await stack.enter_async_context(kept(lease.heartbeat))
        stock = await _stock(database)
        session = await stack.enter_async_context(client_session())
        errands = partial(_errands, SqlErrands(database))
        shared = Shared(session, clock, chance(), partial(_present, stock, config), errands)
        samples = await stack.enter_async_context(samples_of(database))
        await migrate(samples)
        if rows := await succeed(database, samples):
            structlog.get_logger().warning("samples_outlived_database", rows=rows)
        shelves = Shelves.of(database, samples)
        sources = {source.name: source.vendor for source in config.sources}
        begun = await restarted(rules(config), sources, shelves, clock, known=_present(stock, config))
        keeping = Keeping(shelves.snapshots, shelves.journal.reached, soon=not begun.is_exact)
        compactor = Compactor(database, samples, retention=config.samples.retention, fence=lease.renew)
        bus = stack.enter_context(Bus())
        courier = await _courier(config, SqlOutbox(database), clock, shared.rng)
        pump = Pump(
            bus,
            begun.engine,
            SqlBook(database, lease, time_ordered(), stock),
            clock=clock,
            router=partial(_owed, Router(config.routes, config.receivers)),
            told=partial(_told, courier, listen),
            keeping=keeping,
        )
        parts = Parts(
            bus=bus,
            readers=[
                partial(_read, config, source, shared, bus, begun.cursors)
                for source in config.sources
                if only in {None, source.name}
            ],
            pump=pump,
            courier=courier.run,
            stop_courier=courier.stop,
            chores=[keeping.run, partial(compacting, compactor, clock)],
        )
        await run_parts(parts, stop, begun.untold)


async def _stock(database: Database) -> Stock:
    """What the inventory holds; the book keeps it as ticks are committed."""
    stock = Stock()
    stock.load(await SqlInventory(database).items())
    return stock


def _present(stock: Stock, config: Config) -> Sequence[Known]:
    """What the sources of the configuration know; what others have left behind is nobody's concern."""
    names = {source.name for source in config.sources}
    return [known for known in stock.present() if known.source in names]


async def _errands(errands: SqlErrands, source: str) -> Sequence[Errand]:
    """A database that is away is the pump's to report."""
    with suppress(StoreUnavailable):
        return await errands.waiting(source)
    return ()


async def _read(
    config: Config,
    source: SourceSettings,
    shared: Shared,
    bus: Bus,
    cursors: Mapping[tuple[str, str], Cursor],
) -> None:
    """Read one source until cancelled, through a producer of its own."""
    own = {stream: cursor for (of, stream), cursor in cursors.items() if of == source.name}
    with bus.producer() as producer:
        await SourceReader(line_to(config, source, shared, producer.send), own).run()


def _owed(router: Router, transition: Transition, at: Instant, catching_up: bool) -> Sequence[Owed]:  # noqa: FBT001 - pump's signature
    return router.owed(transition, at=at, catching_up=catching_up)


async def _courier(config: Config, outbox: SqlOutbox, clock: Clock, rng: random.Random) -> Courier:
    """A courier to every target; what is owed to targets of former configurations is owed no more."""
    targets = senders(config)
    if retired := await outbox.retire(targets, at=clock.now()):
        structlog.get_logger().warning("targets_gone", messages_skipped=retired)
    guidance = {rule.id: Guidance(rule.why, rule.runbook) for rule in config.rules}
    return Courier(outbox, targets, renderer=Renderer(guidance), clock=clock, rng=rng)


def _told(courier: Courier, listen: Listener | None, tick: Tick, committed: Sequence[Committed]) -> None:
    if committed or tick.released:
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
    except* WatcherError as known:
        raise _first(known) from None


def _first(group: BaseExceptionGroup[WatcherError]) -> WatcherError:
    for error in group.exceptions:
        return _first(error) if isinstance(error, BaseExceptionGroup) else error
    raise AssertionError("an exception group is never empty")
