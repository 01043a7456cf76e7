"""CDNvideo's data query: what the documentation allows, and the description of everything it does not."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from multidict import MultiMapping

from watcher.model.time import MINUTE, SECOND, Duration, Instant, format_duration
from watcher.simulate.cdnvideo.answers import Refused
from watcher.simulate.cdnvideo.metrics import ALL

NOT_A_MINUTE: Final = "Invalid time format. Time must be at minute precision"
"""The vendor's own words."""
_TIME: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}", re.ASCII)
_SINGLE: Final = ("account", "start", "end", "resource")


@dataclass(frozen=True, slots=True)
class Query:
    """A valid query; `start` and `end` are kept as they were written, for the echo."""

    account: str
    start_text: str
    end_text: str
    start: Instant
    end: Instant
    metrics: tuple[str, ...]
    resource: str | None

    @property
    def minutes(self) -> int:
        """Length of the window."""
        return (self.end - self.start) // MINUTE


def read_query(params: MultiMapping[str], *, max_window: Duration) -> Query:
    """Read a query as the vendor does.

    Refusing repeated and unknown parameters is our reading: the page is silent, and such a call is a mistake.

    Raises:
        Refused: 422, with the first thing wrong.
    """
    _check_names(params)
    start, end = (_minute(name, params[name]) for name in ("start", "end"))
    if end <= start:
        raise Refused(422, "Parameter end must be later than start")
    if end - start > max_window:
        raise Refused(422, f"The period must be from 1m to {format_duration(max_window)}")
    metrics = tuple(params.getall("metric", ()))
    if unknown := [metric for metric in metrics if metric not in ALL]:
        raise Refused(422, f"Unknown metric: {unknown[0]}")
    return Query(
        account=params["account"],
        start_text=params["start"],
        end_text=params["end"],
        start=start,
        end=end,
        metrics=metrics or ALL,
        resource=params.get("resource"),
    )


def _check_names(params: MultiMapping[str]) -> None:
    for name in ("account", "start", "end"):
        if not params.get(name):
            raise Refused(422, f"Missing required parameter: {name}")
    for name in params:
        if name not in {*_SINGLE, "metric"}:
            raise Refused(422, f"Unknown parameter: {name}")
        if name in _SINGLE and len(params.getall(name)) > 1:
            raise Refused(422, f"Parameter given more than once: {name}")


def _minute(name: str, text: str) -> Instant:
    if not _TIME.fullmatch(text):
        raise Refused(422, f"Invalid time format of {name}. Expected YYYY-MM-DDThh:mm:00")
    try:
        moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError as error:
        raise Refused(422, f"Invalid time format of {name}. Expected YYYY-MM-DDThh:mm:00") from error
    if moment.second:
        raise Refused(422, NOT_A_MINUTE)
    return int(moment.timestamp()) * SECOND
