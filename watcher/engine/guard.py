"""What of a batch is not judged, because it cannot be so: refused or capped series by series, and counted.

The rest of the batch is judged on. A refused cell is unknown, as if the vendor had not said it, so it neither
fires nor resolves. The guard has no clock: its time is that of the batches (`fetched_at`). It logs nothing:
what begins and what is over are notices, which the owner of the engine tells.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from watcher.engine.growth import Growth
from watcher.engine.limits import Limits, Reason
from watcher.model.labels import LabelSet
from watcher.model.sample import Exemplar, MetricKey, SampleBatch
from watcher.model.time import DAY, HOUR, MINUTE, Duration, Instant

__all__ = ["Guard", "Notice", "Reason", "Said", "StreamGuard", "Trouble"]

AHEAD: Final[Duration] = 5 * MINUTE
"""How far clocks may be apart: a bin may end so long, and its own width, after it was fetched."""
BEFORE: Final[Duration] = 400 * DAY
"""Nothing is read that far back."""
LEAP: Final[Duration] = 12 * HOUR
"""Settled so much further than before, and than the vendor's bins: a clock that was set, or a pause."""
BELIEVED: Final[Duration] = 15 * MINUTE
"""What all batches say for so long, by their own time, was a pause: clocks are set right again sooner."""
_OWN: Final = ("watcher_", "http_probe_", "tls_")
"""What the agent dates itself: it proves nothing about the agent's clock."""
QUIET: Final[Duration] = 15 * MINUTE
"""Without any for so long, by the time of the batches, it is over."""

_WORDS: Final = {
    Reason.INFINITE: "infinite values",
    Reason.TOO_LARGE: "values beyond all measure",
    Reason.NEGATIVE: "negative values",
    Reason.NO_SHARE: "ratios outside 0 to 1",
    Reason.PARTS_EXCEED: "parts above their whole",
    Reason.IN_FUTURE: "bins from the future",
    Reason.ANCIENT: "bins of another age",
    Reason.CLOCK_JUMP: "times beyond the clock",
    Reason.NEW_LABELS: "new series beyond the limit",
}


@dataclass(frozen=True, slots=True)
class Notice:
    """Refusals of one kind began in a stream, or are over."""

    source: str
    stream: str
    reason: Reason
    count: int
    """Samples, bins or series: those of the first batch, or of the whole time that is over."""
    over: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """One of the samples that were refused, as far as that says which; None is any."""

    width: Duration
    start: Instant | None = None
    metric: MetricKey | None = None
    entity: LabelSet | None = None
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """What was refused of one batch for one reason."""

    reason: Reason
    count: int
    first: Said


@dataclass(slots=True)
class Trouble:
    """One reason in one stream, from its beginning to its end."""

    last: Instant
    count: int


class Guard:
    """One an engine. A clean batch passes as it is, but for tables equal to those its stream had last."""

    def __init__(self) -> None:
        """Nothing was refused yet."""
        self.counts: dict[tuple[str, str, Reason], int] = {}
        """By source, stream and reason: samples, bins or series refused or capped so far."""
        self.firsts: dict[tuple[str, str, Reason], Said] = {}
        """The first of each."""
        self.streams: dict[tuple[str, str], StreamGuard] = {}
        self.reached: dict[str, Instant] = {}
        """By source: the end of the newest bin that its vendor dated."""
        self._present: dict[tuple[str, str], dict[Reason, Trouble]] = {}
        self._notices: list[Notice] = []

    def admit(self, batch: SampleBatch, *, values: bool = True) -> SampleBatch:
        """The batch without what cannot be so. Never raises for what a vendor may say.

        Without `values` only its times and tables are looked at, as they were when it came: the batch that it
        becomes part of is to be admitted in turn. What is refused is the same where no bin is said twice.
        """
        key = (batch.source, batch.stream)
        if (stream := self.streams.get(key)) is None:
            stream = self.streams[key] = StreamGuard()
        reached = self._reach(batch)
        clean, refused = stream.admit(batch, reached) if values else stream.admit_tables(batch, reached)
        for refusal in refused:
            self.firsts.setdefault((*key, refusal.reason), refusal.first)
            self._count(key, refusal.reason, refusal.count, batch.fetched_at)
        if key in self._present:
            self._recover(key, batch.fetched_at)
        return clean

    def _reach(self, batch: SampleBatch) -> Instant | None:
        """How far the bins of its source's vendor go, of those that can be."""
        before = self.reached.get(batch.source)
        if not (batch.width and len(batch.starts) and batch.metrics) or batch.metrics[0][0].startswith(_OWN):
            return before
        if (
            last := int(batch.starts[0] if len(batch.starts) == 1 else batch.starts.max())
        ) > batch.fetched_at + AHEAD:
            return before
        end = self.reached[batch.source] = max(last + batch.width, before or 0)
        return end

    def notices(self) -> list[Notice]:
        """What began and what is over since this was last asked, each once."""
        found, self._notices = self._notices, []
        return found

    def remark(self, source: str, stream: str) -> str:
        """What is presently refused of a stream, in words; empty where nothing is."""
        present = self._present.get((source, stream), {})
        return "; ".join(f"refused {one.count} {_WORDS[reason]}" for reason, one in sorted(present.items()))

    def _count(self, key: tuple[str, str], reason: Reason, count: int, at: Instant) -> None:
        self.counts[*key, reason] = self.counts.get((*key, reason), 0) + count
        troubles = self._present.setdefault(key, {})
        if reason in troubles:
            troubles[reason] = Trouble(max(at, troubles[reason].last), troubles[reason].count + count)
        else:
            troubles[reason] = Trouble(at, count)
            self._notices.append(Notice(*key, reason, count))

    def _recover(self, key: tuple[str, str], at: Instant) -> None:
        troubles = self._present[key]
        for reason in [reason for reason, one in troubles.items() if at - one.last >= QUIET]:
            self._notices.append(Notice(*key, reason, troubles.pop(reason).count, over=True))
        if not troubles:
            del self._present[key]


class StreamGuard:
    """What one stream has shown of itself: its tables, and how far it was settled."""

    def __init__(self) -> None:
        self._metrics: tuple[MetricKey, ...] = ()
        self._limits = Limits(())
        self.entities = Growth[LabelSet]()
        self.keys = Growth[MetricKey]()
        self._settled: Instant | None = None
        self._leapt: Instant | None = None
        """When the first of the batches came that want to leap, and nothing else since."""
        self._is_whole = True
        """Whether nothing of the newest batch's tables was refused."""

    def admit(self, batch: SampleBatch, reached: Instant | None = None) -> tuple[SampleBatch, list[Refusal]]:
        """The batch as it may be judged, and what was refused, counted.

        `reached` is how far the bins go that the source's vendor has dated.
        """
        batch, refused = self.admit_tables(batch, reached)
        batch, impossible = self._possible(self._as_known(batch) if self._is_whole else batch)
        return batch, [*refused, *impossible]

    def admit_tables(
        self, batch: SampleBatch, reached: Instant | None = None
    ) -> tuple[SampleBatch, list[Refusal]]:
        """The same without a look at its values."""
        batch, refused = self._in_time(batch)
        batch, leap = self._settling(batch, reached)
        batch, grown = self._grown(batch)
        return batch, [*refused, *leap, *grown]

    def _in_time(self, batch: SampleBatch) -> "_Checked":
        """Bins that had not ended when they were fetched, and such of another age."""
        if not len(batch.starts):
            return batch, ()
        late, early = batch.fetched_at + AHEAD, batch.fetched_at - BEFORE
        if len(batch.starts) == 1 and early <= int(batch.starts[0]) <= late:
            return batch, ()  # as of most polls, of which a backtest takes very many
        future = batch.starts > late  # a whole width more than an end at that time
        ancient = batch.starts < early
        if not (future | ancient).any():
            return batch, ()
        counted = ((Reason.IN_FUTURE, future), (Reason.ANCIENT, ancient))
        refused = [
            Refusal(reason, int(bins.sum()), Said(batch.width, int(batch.starts[bins][0])))
            for reason, bins in counted
            if bins.any()
        ]
        kept = ~(future | ancient)
        whole = batch.complete and bool(kept[-1])
        batch = replace(batch, starts=batch.starts[kept], values=batch.values[kept], complete=whole)
        return batch, refused

    def _settling(self, batch: SampleBatch, reached: Instant | None) -> "_Checked":
        """A watermark is never dragged ahead by a clock that was set.

        Neither the vendor's clock nor the agent's own: a leap is believed as far as the vendor's bins go, and
        further once all batches have said so for `BELIEVED`. Until then no bin counts as settled that is not.
        """
        most, wanted = batch.fetched_at + AHEAD + batch.width, batch.settled_until
        before = wanted if self._settled is None else self._settled
        until = batch.fetched_at if wanted > most else wanted
        proven = max(before, before if reached is None else reached)
        if until - proven > LEAP and not self._is_believed(batch.fetched_at):
            self._leapt = batch.fetched_at if self._leapt is None else min(self._leapt, batch.fetched_at)
            until = proven
        elif until > before:  # what says no more than is known, as a batch admitted again, proves nothing
            self._leapt = None
        self._settled = max(before, min(until, most))
        if until == wanted:
            return batch, ()
        jump = Refusal(Reason.CLOCK_JUMP, 1, Said(batch.width, wanted - batch.width))
        return replace(batch, settled_until=until), [jump]

    def _is_believed(self, at: Instant) -> bool:
        """Whether a leap has been said for long by now."""
        return self._leapt is not None and at - self._leapt >= BELIEVED

    def _grown(self, batch: SampleBatch) -> "_Checked":
        """No more new series than a vendor can have; the known ones are judged on."""
        entities = self.entities.admit(batch.entities, batch.fetched_at)
        metrics = self.keys.admit(batch.metrics, batch.fetched_at)
        self._is_whole = entities is None and metrics is None
        if self._is_whole:
            return batch, ()
        lost = sum(int((~taken).sum()) for taken in (entities, metrics) if taken is not None)
        first = Said(
            batch.width,
            metric=None if metrics is None else batch.metrics[int(np.argmin(metrics))],
            entity=None if entities is None else batch.entities[int(np.argmin(entities))],
        )
        if metrics is not None:
            kept = tuple(key for key, taken in zip(batch.metrics, metrics, strict=True) if taken)
            batch = replace(batch, metrics=kept, values=batch.values[:, metrics])
        if entities is not None:
            batch = _of_entities(batch, entities)
        return batch, [Refusal(Reason.NEW_LABELS, lost, first)]

    def _as_known(self, batch: SampleBatch) -> SampleBatch:
        """With the tables that are known already: who compares them next does so by identity."""
        entities, metrics = self.entities.last, self.keys.last
        if batch.entities is entities and batch.metrics is metrics:
            return batch
        return replace(batch, entities=entities, metrics=metrics)

    def _possible(self, batch: SampleBatch) -> "_Checked":
        """Values that no vendor can mean."""
        if batch.metrics != self._metrics:
            self._metrics, self._limits = batch.metrics, Limits(batch.metrics)
        refused: list[Refusal] = []
        values = batch.values
        for reason, cells in self._limits.refused(batch.values, partial=batch.partial):
            refused.append(Refusal(reason, int(cells.sum()), _said(batch, cells)))
            values = np.where(cells, np.nan, values)
        if self._limits.over_one(values):
            values = self._limits.capped(values)
        return (batch if values is batch.values else replace(batch, values=values)), refused


_Checked = tuple[SampleBatch, Sequence[Refusal]]


def _said(batch: SampleBatch, cells: NDArray[np.bool_]) -> Said:
    """The first of some cells."""
    start, metric, entity = np.argwhere(cells)[0].tolist()
    value = float(batch.values[start, metric, entity])
    return Said(batch.width, int(batch.starts[start]), batch.metrics[metric], batch.entities[entity], value)


def _of_entities(batch: SampleBatch, taken: NDArray[np.bool_]) -> SampleBatch:
    """A batch with some of its entities. What it lacks is not gone, so it is no longer complete."""
    place = np.cumsum(taken) - 1
    return replace(
        batch,
        entities=tuple(name for name, kept in zip(batch.entities, taken, strict=True) if kept),
        values=batch.values[:, :, taken],
        exemplars=tuple(_moved(batch.exemplars, taken, place)),
        complete=False,
    )


def _moved(
    exemplars: Sequence[Exemplar], taken: NDArray[np.bool_], place: NDArray[np.intp]
) -> Iterator[Exemplar]:
    for one in exemplars:
        if taken[one.entity]:
            yield replace(one, entity=int(place[one.entity]))
