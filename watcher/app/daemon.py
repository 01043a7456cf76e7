"""The daemon, put together."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from functools import partial

import anyio
import structlog

from watcher.app.failpoints import Failpoint
from watcher.app.hand import ENGINE, Hand, beating, collector, drilling, hand, heartbeat, progress_of
from watcher.app.lines import Shared, chance, line_to
from watcher.app.restart import Restarted, Shelves, restarted
from watcher.app.settings import rules
from watcher.collect.bus import Bus
from watcher.collect.collector import SourceSettings
from watcher.collect.source import SourceReader
from watcher.collect.transport import client_session
from watcher.config import Config, SampleSettings
from watcher.errors import StoreError, StoreUnavailable, WatcherError
from watcher.model.incident import Transition
from watcher.model.inventory import Known
from watcher.model.message import Owed
from watcher.model.ports import Clock, Committed, Errand, Tick
from watcher.model.sample import Cursor
from watcher.model.time import HOUR, Instant
from watcher.notify.courier import Courier
from watcher.notify.own_sight import OwnSight
from watcher.notify.routing import OWN_SOURCE, Router
from watcher.runtime.asking import Asking
from watcher.runtime.clock import SystemClock
from watcher.runtime.daemon import Parts, Task, kept
from watcher.runtime.daemon import run as run_parts
from watcher.runtime.keeping import Keeping, tending
from watcher.runtime.progress import Progress
from watcher.runtime.pump import Listener, Pump
from watcher.store.acts import SqlActs
from watcher.store.book import SqlBook
from watcher.store.compaction import Compactor, Pace
from watcher.store.database import Database
from watcher.store.errands import SqlErrands
from watcher.store.identity import time_ordered
from watcher.store.inventory import SqlInventory, Stock
from watcher.store.lease import Lease
from watcher.store.migrate import upgrade as migrate
from watcher.store.retention import Retaining, Retention
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
        progress = progress_of(config)
        await stack.enter_async_context(kept(beating(progress, lease.heartbeat)))
        stock = await _stock(database)
        session = await stack.enter_async_context(client_session())
        errands = partial(_errands, SqlErrands(database))
        shared = Shared(session, clock, chance(), partial(_present, stock, config), errands)
        samples = await stack.enter_async_context(samples_of(database))
        await migrate(samples)
        if rows := await succeed(database, samples):
            structlog.get_logger().warning("samples_outlived_database", rows=rows)
        shelves = Shelves.of(database, samples)
        sources = {OWN_SOURCE: OWN_SOURCE} | {source.name: source.vendor for source in config.sources}
        begun = await restarted(rules(config), sources, shelves, clock, known=_present(stock, config))
        keeping = _keeping(config.samples, shelves, begun)
        bus = stack.enter_context(Bus())
        fail = Failpoint.planned()
        telling = await hand(
            config, database, stack, clock=clock, rng=shared.rng, known=stock.present, fail=fail
        )
        courier, router = telling.courier, Router(config.routes, config.receivers)
        patience = config.unacknowledge_after
        committing = database if fail is None else fail.commits(database)
        book = SqlBook(committing, lease, time_ordered(), stock, unacknowledge_after=patience)
        told = partial(_told, telling, progress, listen)
        pump = Pump(
            bus, begun.engine, book, clock=clock, router=partial(_owed, router), told=told, keeping=keeping
        )
        parts = Parts(
            bus=bus,
            readers=[
                partial(_read, config, source, shared, bus, begun.cursors, progress=progress)
                for source in config.sources
                if only in {None, source.name}
            ]
            + [partial(_ask, SqlActs(database), bus, clock), partial(_see_delivery, courier, bus, clock)],
            pump=pump,
            courier=courier.run,
            stop_courier=courier.stop,
            chores=[
                keeping.run,
                *_upkeep(config, database, samples, lease),
                drilling(router, database, book, telling.told).run,
                partial(heartbeat, config, progress, courier),
                *telling.chores(),
            ],
        )
        await run_parts(parts, stop, begun.untold)


def _keeping(pace: SampleSettings, shelves: Shelves, begun: Restarted) -> Keeping:
    """What keeps snapshots; a start that rebuilt anything keeps one before its first tick."""
    return Keeping(
        shelves.snapshots, shelves.journal.reached, every=pace.snapshot_every, soon=not begun.is_exact
    )


def _upkeep(config: Config, database: Database, samples: Database, lease: Lease) -> Iterator[Task]:
    """What makes history of the journal and forgets what is old, while the lease is held."""
    pace, clock = config.samples, database.clock
    each = Pace(pace.journal, pace.chunk)
    compactor = Compactor(database, samples, retention=pace.retention, pace=each, fence=lease.renew)
    yield partial(tending, compactor.round, clock, every=pace.snapshot_every, what="history")
    retaining = Retaining(database, Retention(**config.retention.model_dump()), lease)
    yield partial(tending, retaining.round, clock, every=HOUR, what="retention")


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
    *,
    progress: Progress,
) -> None:
    """Read one source until cancelled, through a producer of its own."""
    own = {stream: cursor for (of, stream), cursor in cursors.items() if of == source.name}
    with bus.producer() as producer:
        send = progress.passing(collector(source.name), producer.send)
        await SourceReader(line_to(config, source, shared, send), own).run()


async def _ask(acts: SqlActs, bus: Bus, clock: Clock) -> None:
    """Take up what people ask until cancelled, through a producer of its own."""
    with bus.producer() as producer:
        await Asking(acts, producer.send, clock).run()


async def _see_delivery(courier: Courier, bus: Bus, clock: Clock) -> None:
    """Watch whether targets take messages until cancelled, through a producer of its own."""
    with bus.producer() as producer:
        await OwnSight(courier.outcomes, producer.send, clock).run()


def _owed(router: Router, transition: Transition, at: Instant, catching_up: bool) -> Sequence[Owed]:  # noqa: FBT001 - pump's signature
    return router.owed(transition, at=at, catching_up=catching_up)


def _told(
    telling: Hand, progress: Progress, listen: Listener | None, tick: Tick, committed: Sequence[Committed]
) -> None:
    progress.beat(ENGINE)
    telling.told(tick, committed)
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
