"""What the streams of one source share: the collector, its credentials, the clock and the way to the bus."""

import random
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

import anyio

from watcher.collect.allowance import allowed
from watcher.collect.breaker import Credentials
from watcher.collect.collector import Collector
from watcher.collect.evidence import Evidence, recording
from watcher.collect.lookout import Lookout
from watcher.collect.windows import woken
from watcher.document.redaction import redact
from watcher.errors import CollectError, ContractBroken, TimedOut
from watcher.model.ports import Clock, Errand
from watcher.model.sample import Poll
from watcher.model.time import MINUTE, SECOND, Duration, Instant
from watcher.model.words import span

T = TypeVar("T")

DEADLINE: Final[Duration] = 2 * MINUTE
LEARNED: Final = 16
"""Secrets given by a vendor that are kept from sight: those before them have long expired."""
MESSAGE_LIMIT: Final = 300
"""Characters of an error that a sight and a log line carry; where its answer is kept comes behind them."""


class CollectorBug(ContractBroken):
    """An exception that a collector should have known: ours to mend, and its stream goes on meanwhile."""

    def __init__(self, error: Exception) -> None:
        """`error` is what came in place of a `CollectError`."""
        super().__init__(f"unexpected {type(error).__name__}: {error}")


async def no_errands() -> Sequence[Errand]:
    """Nobody left anything to do."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One source as its pollers see it."""

    source: str
    vendor: str
    collector: Collector
    clock: Clock
    rng: random.Random
    send: Callable[[Poll], Awaitable[None]]
    """Puts a poll on the bus; waits while that is full."""
    credentials: Credentials = field(default_factory=Credentials)
    every: Duration = MINUTE
    """Cadence of asking what streams there are, until that is answered."""
    deadline: Duration = DEADLINE
    """Of one question: all the calls that one window needs and their retries, waits for our pace left out."""
    secrets: set[str] = field(default_factory=set)
    """What no sight and no log line may show, whatever a vendor echoes; `Access.learned` adds to it."""

    lookout: Lookout = field(default_factory=Lookout)
    """What all streams together see; the source's transport counts into it."""
    evidence: Evidence | None = None
    """Keeps answers that are not as documented; without it none is kept."""
    credential_values: Callable[[], Collection[str] | None] = tuple
    """The secrets' values as they are now, None while one is unavailable; files may change at any time."""
    errands: Callable[[], Awaitable[Sequence[Errand]]] = no_errands
    """What commands left to do for this source."""

    async def ask(self, call: Callable[[], Awaitable[T]], *, proof: bool = True) -> T:
        """One question to the vendor; an answer that is not as documented is asked for once more.

        `proof` is whether an answer shows that the credentials are good.

        The second such answer is kept, and where it is added to the error as a note. Rejected credentials are
        not asked again: an answer to a login that cannot be read is an `AuthenticationFailed`.

        Raises:
            CollectError: and nothing else but cancellation.
        """
        try:
            return await self.credentials.use(lambda: self._once(call), self.clock, proof=proof)
        except ContractBroken:
            return await self._ask_again(call, proof=proof)

    def words(self, said: CollectError | str) -> str:
        """What to say of an error, or what was said, without secrets; long texts are cut."""
        notes = [] if isinstance(said, str) else getattr(said, "__notes__", [])
        return "; ".join([redact(str(said), self.secrets)[:MESSAGE_LIMIT], *notes])

    async def _ask_again(self, call: Callable[[], Awaitable[T]], *, proof: bool) -> T:
        with recording() as exchanges:
            try:
                return await self.credentials.use(lambda: self._once(call), self.clock, proof=proof)
            except ContractBroken as error:
                if self.evidence is not None:
                    path = self.evidence.keep(error, exchanges, self.secrets, self.clock.now())
                    if path is not None:
                        error.add_note(f"the answer is kept in {path}")
                raise

    async def wake(self, tick: Instant, every: Duration) -> Instant:
        """Sleep until a planned tick, but never longer than a cadence; the tick to act for then."""
        await anyio.sleep(min(max(0, tick - self.clock.now()), every) / SECOND)
        return woken(tick, every, self.clock.now())

    async def _once(self, call: Callable[[], Awaitable[T]]) -> T:
        try:
            with allowed(self.deadline / SECOND):
                return await call()
        except CollectError:
            raise
        except TimeoutError as error:
            raise TimedOut(f"not answered within {span(self.deadline)}") from error
        except Exception as error:
            raise _known(error) from error


def learning(secrets: set[str]) -> Callable[[str], None]:
    """What adds to the secrets, and lets the oldest that it added go."""
    learned: deque[str] = deque()

    def learn(secret: str) -> None:
        if secret not in secrets:
            learned.append(secret)
            secrets.add(secret)
        if len(learned) > LEARNED:
            secrets.remove(learned.popleft())

    return learn


def _known(error: Exception) -> CollectError:
    """As an error of our tree: what a collector's task group gathered, or a bug."""
    if isinstance(error, ExceptionGroup):
        known, others = error.split(CollectError)
        if known is not None and others is None:
            return next(_leaves(known))
    return CollectorBug(error)


def _leaves(group: ExceptionGroup[CollectError]) -> Iterator[CollectError]:
    for error in group.exceptions:
        if isinstance(error, ExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
