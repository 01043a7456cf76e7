"""Batches of one stream that follow each other as fewer, larger ones. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from watcher.model.sample import WITHDRAWN, Floats, Instants, SampleBatch
from watcher.model.time import Duration, Instant

_Lane: TypeAlias = tuple[str, Duration]


@dataclass(slots=True)
class _Run:
    """Batches that become one."""

    batches: list[SampleBatch]
    newest: Instant

    def add(self, batch: SampleBatch) -> None:
        self.batches.append(batch)
        self.newest = max(self.newest, _newest(batch))


def merged(batches: Sequence[SampleBatch]) -> list[SampleBatch]:
    """The same bins in the same order; those of one stream that follow each other are one batch."""
    runs: list[_Run] = []
    open_runs: dict[_Lane, _Run] = {}
    for batch in batches:
        lane = batch.stream, batch.width
        run = open_runs.get(lane)
        if run is not None and _goes_on(run, batch):
            run.add(batch)
            continue
        runs.append(_Run([batch], _newest(batch)))
        if batch.width and not _is_sight(batch):  # these mark instants of what they see: their place counts
            open_runs[lane] = runs[-1]
    return [batch for run in runs for batch in (run.batches if len(run.batches) == 1 else _one(run.batches))]


def _newest(batch: SampleBatch) -> Instant:
    return int(batch.starts[-1]) if len(batch.starts) else -(1 << 62)


def _is_sight(batch: SampleBatch) -> bool:
    return any(metric == "watcher_up" for metric, _ in batch.metrics)


def _goes_on(run: _Run, batch: SampleBatch) -> bool:
    """Whether a batch goes on from others: with their tables, and bins that follow or add to what was said.

    Tables that grow do so in a batch of their own: how fast they do is watched.
    """
    last = run.batches[-1]
    if (last.complete, last.vendor) != (batch.complete, batch.vendor):
        return False
    if last.entities is not batch.entities and last.entities != batch.entities:
        return False
    if last.metrics is not batch.metrics and last.metrics != batch.metrics:
        return False
    return batch.partial or not len(batch.starts) or int(batch.starts[0]) > run.newest


def _one(run: Sequence[SampleBatch]) -> Iterator[SampleBatch]:
    """One batch of what was said before, partially; and one of the bins that are new."""
    last = run[-1]
    whole = replace(
        last,
        settled_until=max(batch.settled_until for batch in run),
        names={name: told for batch in run for name, told in batch.names.items()},
        exemplars=tuple(one for batch in run for one in batch.exemplars),
    )
    if not any(batch.partial for batch in run):
        starts = np.concatenate([batch.starts for batch in run])
        yield replace(whole, starts=starts, values=np.concatenate([batch.values for batch in run]))
        return
    starts = np.unique(np.concatenate([batch.starts for batch in run]))
    values = _overlaid(run, starts)
    new = np.isin(
        starts, np.concatenate([batch.starts for batch in run if not batch.partial] or [starts[:0]])
    )
    if not new.all():
        yield replace(whole, starts=starts[~new], values=values[~new], partial=True, exemplars=(), names={})
    if new.any() or not len(starts):
        whole_bins = np.where(values[new] == WITHDRAWN, np.nan, values[new])
        yield replace(whole, starts=starts[new], values=whole_bins, partial=False)


def _overlaid(run: Sequence[SampleBatch], starts: Instants) -> Floats:
    """Their bins, the later said over the earlier."""
    last = run[-1]
    values = np.full((len(starts), len(last.metrics), len(last.entities)), np.nan)
    for batch in run:
        place = np.searchsorted(starts, batch.starts)
        metrics, entities = len(batch.metrics), len(batch.entities)
        held = values[place, :metrics, :entities]
        values[place, :metrics, :entities] = np.where(np.isnan(batch.values), held, batch.values)
    return values
