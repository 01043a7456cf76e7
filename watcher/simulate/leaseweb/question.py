"""Leaseweb's statistics query: what the document allows, and a 400 for everything it does not."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from multidict import MultiMapping

from watcher.model.time import DAY, HOUR, MINUTE, SECOND, Duration, Instant
from watcher.simulate.leaseweb.answers import Refused

METRICS: Final = (
    *("DATATRANSFER", "BANDWIDTH", "REQUESTS", "STATUS_2XX", "STATUS_4XX", "STATUS_5XX"),
    *("CACHEHIT", "95TH"),
)
GROUPINGS: Final = ("PROVIDER", "DISTRIBUTION", "CUSTOMER", "REGION")
GRANULARITIES: Final = {
    "5MIN": 5 * MINUTE,
    "15MIN": 15 * MINUTE,
    "HOUR": HOUR,
    "DAY": DAY,
    "WEEK": 7 * DAY,
}
LONGEST: Final[Duration] = 100 * DAY
"""No document limits the range; this one keeps the simulator's memory."""
_MONDAY: Final[Duration] = 4 * DAY
"""The first one after the epoch."""
_TIME: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}", re.ASCII)
_SINGLE: Final = ("fromDt", "toDt", "metric", "distributionId", "groupBy")


@dataclass(frozen=True, slots=True)
class Question:
    """A valid query; times are kept as they were written, for the echo."""

    from_text: str
    to_text: str
    start: Instant
    end: Instant
    """Both inclusive."""
    metric: str
    group_by: str | None
    distribution: str | None
    granularity: str

    @property
    def width(self) -> Duration:
        """Of one point."""
        return GRANULARITIES[self.granularity]

    @property
    def labels(self) -> range:
        """The times of the points: aligned to their width, both ends inclusive."""
        shift = _MONDAY if self.granularity == "WEEK" else 0
        first = self.start + (shift - self.start) % self.width
        return range(first, self.end + 1, self.width)


def read_question(params: MultiMapping[str], *, totals: bool) -> Question:
    """Read a query as the vendor does; totals know no granularity.

    Refusing repeated and unknown parameters is our reading: the document is silent, and such a call is a
    mistake.

    Raises:
        Refused: 400, with the first thing wrong.
    """
    allowed = _SINGLE if totals else (*_SINGLE, "granularity")
    for name in params:
        if name not in allowed:
            raise Refused(400, f"Unknown parameter: {name}")
        if len(params.getall(name)) > 1:
            raise Refused(400, f"Parameter given more than once: {name}")
    start, end = (_time(params, name) for name in ("fromDt", "toDt"))
    if start > end:
        raise Refused(400, "fromDt must not be later than toDt")
    if end - start > LONGEST:
        raise Refused(400, "The period is too long")
    return Question(
        from_text=params["fromDt"],
        to_text=params["toDt"],
        start=start,
        end=end,
        metric=_one_of(params, "metric", METRICS) or _missing("metric"),
        group_by=_one_of(params, "groupBy", GROUPINGS),
        distribution=params.get("distributionId"),
        granularity=_one_of(params, "granularity", tuple(GRANULARITIES)) or "5MIN",
    )


def _one_of(params: MultiMapping[str], name: str, allowed: tuple[str, ...]) -> str | None:
    value = params.get(name)
    if value is not None and value not in allowed:
        raise Refused(400, f"{name} must be one of {', '.join(allowed)}")
    return value


def _missing(name: str) -> str:
    raise Refused(400, f"Missing required parameter: {name}")


def _time(params: MultiMapping[str], name: str) -> Instant:
    text = params.get(name) or _missing(name)
    wrong = Refused(400, f"{name} must use the format YYYY-MM-ddTHH:mm:ss")
    if not _TIME.fullmatch(text):
        raise wrong
    try:
        moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError as error:
        raise wrong from error
    return int(moment.timestamp()) * SECOND
