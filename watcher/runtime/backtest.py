"""A backtest: the live engine over recorded arrivals, and the live book's account of what it finds."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import count as counting

from watcher.engine.engine import BoundRule, Engine
from watcher.engine.guard import Guard, Said
from watcher.model.incident import Incident
from watcher.model.sample import Arrival
from watcher.model.time import Duration, Instant
from watcher.runtime.blocks import MOST_TIME, Block, Joiner
from watcher.store.identity import time_ordered
from watcher.store.ledger import Ledger


class Backtest:
    """Incidents of any number of sources: each has an engine of its own, as nothing joins two of them."""

    def __init__(self, rules: Sequence[BoundRule], *, at_once: Duration = MOST_TIME) -> None:
        """Nothing has been judged; `at_once` bounds what is judged together, and changes no verdict."""
        self._rules = rules
        self._at_once = at_once
        self._guards: list[Guard] = []
        numbers = counting()
        self._ledger = Ledger((), (), time_ordered(lambda _bits: next(numbers)))

    def source(self) -> "Replay":
        """A replay of one source's arrivals."""
        engine = Engine(self._rules)
        self._guards.append(engine.guard)
        return Replay(engine, self._ledger, Joiner(self._at_once))

    def play(self, arrivals: Iterable[Arrival]) -> None:
        """All that came from one source, in the order in which it came."""
        replay = self.source()
        for arrival in arrivals:
            replay.take(arrival)
        replay.end()

    def refused(self) -> Mapping[tuple[str, str], int]:
        """By source and reason: samples, bins or series that were refused."""
        found: Counter[tuple[str, str]] = Counter()
        for guard in self._guards:
            for (source, _stream, reason), count in guard.counts.items():
                found[source, str(reason)] += count
        return found

    def refused_first(self) -> Mapping[tuple[str, str], Said]:
        """By source and reason: the first of them."""
        found: dict[tuple[str, str], Said] = {}
        for guard in self._guards:
            for (source, _stream, reason), said in guard.firsts.items():
                found.setdefault((source, str(reason)), said)
        return found

    def incidents(self, since: Instant | None = None, until: Instant | None = None) -> Sequence[Incident]:
        """Those that lasted into `[since, until)`, withdrawn ones included, the oldest first."""
        return sorted(
            (one for one in self._ledger.incidents if _lasts_into(one, since, until)),
            key=lambda one: (one.opened_at, one.key.rule, one.key.labels),
        )


class Replay:
    """One source's arrivals through an engine, into a ledger."""

    def __init__(self, engine: Engine, ledger: Ledger, joiner: Joiner) -> None:
        """Nothing has come."""
        self.engine = engine
        self._ledger = ledger
        self._joiner = joiner
        self._is_said_twice = False
        """Whether batches came that add to bins said before."""

    def take(self, arrival: Arrival) -> None:
        """What came next; it is judged at the latest at the end.

        What cannot be so is refused batch by batch, each by its own time, before any are joined; values when
        the engine takes them, joined, unless a bin may be said in several batches, of which each is checked.
        """
        if not self._is_said_twice and any(batch.partial for batch in arrival.batches):
            self.end()
            self._is_said_twice = True
        admit = partial(self.engine.guard.admit, values=self._is_said_twice)
        for block in self._joiner.take(Arrival(arrival.at, tuple(map(admit, arrival.batches)))):
            self._judge(block)

    def end(self) -> None:
        """Judge what has come."""
        for block in self._joiner.rest():
            self._judge(block)

    def _judge(self, block: Block) -> None:
        for batch in block.batches:
            self.engine.ingest(batch)
        for transition in self.engine.evaluate(block.at, block.decided_at):
            self._ledger.apply(transition)


def _lasts_into(incident: Incident, since: Instant | None, until: Instant | None) -> bool:
    end = incident.resolved_at
    if until is not None and incident.opened_at >= until:
        return False
    return since is None or end is None or end > since or incident.opened_at >= since
