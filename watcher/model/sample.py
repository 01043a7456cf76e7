"""What collectors hand on: columnar batches of normalised samples, and what one poll gave."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from watcher.model.inventory import Listing
from watcher.model.labels import LabelSet
from watcher.model.time import Duration, Instant

Floats: TypeAlias = NDArray[np.float64]
Instants: TypeAlias = NDArray[np.int64]

WITHDRAWN: Final = float("-inf")
"""The value of a sample that a partial batch takes back."""
BACKFILL: Final = ".backfill"
"""What follows a stream's name in the name under which reading a span of it again keeps cursor and sight."""

MetricKey: TypeAlias = tuple[str, LabelSet]
"""A metric's name and the labels that go with the metric rather than the entity (tier, status_class)."""


@dataclass(frozen=True, slots=True)
class Exemplar:
    """One raw record behind a sample; becomes evidence. `entity` indexes the batch's table."""

    entity: int
    at: Instant
    facts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SampleBatch:
    """What one poll of one stream gave, as a grid of columns. Nothing in it needs another batch.

    `values[b, m, e]` is metric `m` of entity `e` in the bin that starts at `starts[b]`; NaN means that the
    vendor said nothing (unknown, never zero). Labels of a series are those of its entity and of its metric
    together, with `source` and `vendor`. `width` 0 marks states: readings at an instant.
    """

    source: str
    vendor: str
    stream: str
    width: Duration
    fetched_at: Instant
    settled_until: Instant
    """Bins that end at or before this are final as far as this poll knows; the stream's watermark."""
    entities: tuple[LabelSet, ...]
    metrics: tuple[MetricKey, ...]
    starts: Instants
    values: Floats
    names: Mapping[str, str] = field(default_factory=dict)
    """Inventory: what people call a resource, by its id. Shown in summaries, never a label."""
    exemplars: tuple[Exemplar, ...] = ()
    complete: bool = False
    """Its entities are all there are (of states): a former one that is missing is gone, not unknown."""
    listings: tuple[Listing, ...] = ()
    """Inventory that came with it. Kept by the book as it stands, not in the journal."""
    remark: str = ""
    """What of it could not be read, in words for `watcher status`. Not kept."""
    note: str = ""
    """What else is worth saying of it, in the same way; it is no fault."""
    partial: bool = False
    """NaN says nothing: what stood in its bins stands, and `WITHDRAWN` withdraws. Else a bin is whole."""

    def __post_init__(self) -> None:
        """Refuse a grid whose shape is not that of its tables.

        Raises:
            ValueError: a programming error in the collector.
        """
        shape = (len(self.starts), len(self.metrics), len(self.entities))
        if self.values.shape != shape:
            raise ValueError(f"grid is {self.values.shape}, its tables say {shape}")

    @property
    def size(self) -> int:
        """Samples in the batch: cells the vendor said something about."""
        return int(np.count_nonzero(~np.isnan(self.values)))


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a stream has been read: every window that ends at or before `position`."""

    source: str
    stream: str
    position: Instant
    since: Instant
    """Start of the stream's span. Where a coarser stream ends and this one begins, that is the boundary."""
    until: Instant | None = None
    """End of the span of a stream that is complete for good there; None goes on."""


@dataclass(frozen=True, slots=True)
class Sight:
    """How one poll of a stream went, in words for `watcher status` and as a family for metrics."""

    source: str
    vendor: str
    stream: str
    at: Instant
    up: bool
    """Whether the last question was answered; False, without a family, before there was one."""
    family: str = ""
    """Error family of `watcher.errors.CollectError`, empty when up."""
    message: str = ""
    caught_up: bool = True
    """False while the next due bin is older than settle + 2 x every."""
    behind: Duration = 0
    """Age of the newest bin read, beyond what is planned."""
    since: Instant = 0
    """Since when it is up or down, as far as the daemon that reads it has seen; 0 is unknown."""
    suggested_settle: Duration | None = None
    """Age by which nearly every bin had its last value, as measured; None until enough were read again."""
    next_try: Instant = 0
    """While it is down: when the vendor is asked again at the earliest; 0 is not before a person acts."""


@dataclass(frozen=True, slots=True)
class Poll:
    """What one poll puts on the bus: batches, the cursor that moves with them, and how it went."""

    sight: Sight
    batches: tuple[SampleBatch, ...] = ()
    cursor: Cursor | None = None
    errands: tuple[int, ...] = ()
    """Ids of what commands had left to do: taken up, and struck off with this poll."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """What came from one source at one time: nothing is judged between its batches."""

    at: Instant
    batches: tuple[SampleBatch, ...]
