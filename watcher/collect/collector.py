"""What a vendor is to the rest: settings, streams, and one method that reads a window."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from watcher.collect.http import Handler, Middleware
from watcher.collect.trust import CaFile
from watcher.document.fields import DurationField
from watcher.document.secrets import SecretUrl
from watcher.model.inventory import Known
from watcher.model.sample import SampleBatch
from watcher.model.time import DAY, HOUR, MINUTE, SECOND, Duration, Instant, format_duration

BOUNDS: Final[Mapping[str, tuple[Duration, Duration]]] = {
    "every": (SECOND, DAY),
    "settle": (0, DAY),
    "overlap": (0, DAY),
    "backfill": (0, 400 * DAY),
    "timeout": (SECOND, 10 * MINUTE),
}
"""Of a source's durations: beyond them a typing error would keep it from working, or from being seen to."""


@dataclass(frozen=True, slots=True)
class Window:
    """Half-open `[start, end)` asked of a vendor."""

    start: Instant
    end: Instant


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """One set of calls with one bin width and one cursor.

    At the first poll ever its span begins `backfill` before now, floored to `align`; a stream with `until`
    ends that long before now (floored to `align` too) and is then complete for good. The span's bounds are
    stored with the cursor, so that later runs find the same boundary.
    """

    name: str
    width: Duration
    """Of one bin, which is also the window of one read; 0 for states, read at an instant."""
    every: Duration
    settle: Duration = 0
    overlap: Duration = 0
    backfill: Duration = 0
    until: Duration = 0
    align: Duration = 0
    """0 means the width."""
    aside: bool = False
    """Its backlog holds back no message: no rule on it is worth waiting for."""
    reads: Duration = 0
    """The longest window of one read, where one answer holds several bins; 0 is one bin."""
    after: str = ""
    """Another stream of the source that must have caught up before this one starts."""

    def __post_init__(self) -> None:
        """Refuse what cannot be planned with.

        Raises:
            ValueError: a programming error in the collector.
        """
        times = (self.width, self.settle, self.overlap, self.backfill, self.until, self.align, self.reads)
        if self.every <= 0 or min(times) < 0:
            raise ValueError(f"stream {self.name}: a cadence is positive, other times are not negative")

    @property
    def most(self) -> int:
        """Bins that one read may ask for."""
        return max(1, self.reads // self.width) if self.width else 1


class Collector(Protocol):
    """A vendor's reader. It never computes "now - 5 min": it is told what to fetch."""

    async def streams(self) -> Sequence[StreamSpec]:
        """What there is to read; may ask the vendor. Asked at start, and again until it answers.

        Raises:
            CollectError: it could not be learned.
        """
        ...

    async def collect(self, stream: StreamSpec, window: Window) -> SampleBatch:
        """Read one window of one stream: every call its bin needs, parsed.

        For states the window is empty (`start == end`, the instant of the planned poll).

        Raises:
            CollectError: some call failed; nothing of the window counts.
        """
        ...


class SourceSettings(BaseModel):
    """Keys every source has; a vendor's settings add their own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="unique name of the source")
    vendor: str
    every: DurationField = MINUTE
    settle: DurationField = 3 * MINUTE
    overlap: DurationField = 2 * MINUTE
    backfill: DurationField = 6 * HOUR
    timeout: DurationField = 30 * SECOND
    limit: float = Field(
        default=2.0, ge=0.001, le=1000, allow_inf_nan=False, description="requests per second to this account"
    )
    proxy: SecretUrl | None = None
    ca_file: CaFile | None = None

    @field_validator(*BOUNDS)
    @classmethod
    def _within_bounds(cls, duration: Duration, info: ValidationInfo) -> Duration:
        """By name, so that it holds where a vendor's settings have the field anew."""
        least, most = BOUNDS[str(info.field_name)]
        if not least <= duration <= most:
            hint = f"write {format_duration(least)} to {format_duration(most)}"
            raise PydanticCustomError("watcher", "{what}", {"what": "out of bounds", "hint": hint})
        return duration


@dataclass(frozen=True, slots=True)
class Access:
    """What the composition root lends a collector."""

    http: Callable[[Sequence[Middleware]], Handler]
    """The source's transport with the vendor's own middlewares (auth) innermost, run on every attempt."""
    now: Callable[[], Instant]
    learned: Callable[[str], None]
    """Takes every secret that the vendor gives (a token), so that no sight and no log line shows it."""
    inventory: Callable[[], Sequence[Known]] = tuple
    """What all sources know at present, for collectors that look at what others found."""


@dataclass(frozen=True, slots=True)
class Vendor:
    """One vendor: found as `VENDOR` in its module under `watcher.collect.vendors`, or by entry point."""

    name: str
    settings: type[SourceSettings]
    build: Callable[[Any, Access], Collector]
