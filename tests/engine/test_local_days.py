"""Bins of a day that begin at local midnight: one day a year has 23 hours and one has 25."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from tests.engine.books import standing
from tests.engine.conftest import errors_above
from watcher.engine.engine import Engine
from watcher.model.labels import label_set
from watcher.model.sample import SampleBatch
from watcher.model.time import DAY, HOUR, Instant

BERLIN = ZoneInfo("Europe/Berlin")
SPRING, AUTUMN = datetime(2026, 3, 25, tzinfo=BERLIN), datetime(2026, 10, 21, tzinfo=BERLIN)


def midnight(first: datetime, day: int) -> Instant:
    return int((first + timedelta(days=day)).timestamp() * 1000)


def days(first: datetime, failed: list[float]) -> list[SampleBatch]:
    """One bin a day, each settled when the next one begins."""
    found = []
    for day, value in enumerate(failed):
        until = midnight(first, day + 1)
        found.append(
            SampleBatch(
                source="cdn",
                vendor="test",
                stream="daily",
                width=DAY,
                fetched_at=until,
                settled_until=until,
                entities=(label_set({"account": "a", "resource": "shop"}),),
                metrics=(("cdn_responses", label_set({"tier": "edge", "status_class": "5xx"})),),
                starts=np.array([midnight(first, day)], np.int64),
                values=np.array([[[value]]]),
            )
        )
    return found


@pytest.mark.parametrize("first", [SPRING, AUTUMN])
def test_no_day_takes_the_place_of_another_when_clocks_change(first: datetime) -> None:
    failed = [0.0, 9.0, 0.0, 0.0, 9.0, 9.0, 0.0, 9.0, 0.0]
    engine, found, decided = Engine([errors_above(5)]), [], []
    for day, batch in enumerate(days(first, failed)):
        engine.ingest(batch)
        told = engine.evaluate(batch.fetched_at)
        found += told
        decided += [day] * bool(told)

    assert decided == [1, 2, 4, 6, 7, 8]
    assert [
        (round((opened - midnight(first, 0)) / DAY), round((ended - opened) / DAY))
        for _, opened, ended in standing(found)
        if ended is not None
    ] == [(1, 1), (4, 2), (7, 1)]
    assert all(
        abs(opened - midnight(first, day)) <= HOUR
        for (_, opened, _), day in zip(standing(found), (1, 4, 7), strict=True)
    )
