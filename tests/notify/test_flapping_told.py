"""What flaps, from its bins to its receiver: real engine, book, routes and courier, in virtual time."""

from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest

from tests.conftest import LoopClock
from tests.engine.estates import Estate
from tests.engine.test_flapping import flapping
from tests.engine.test_reopening import ONE
from tests.notify.test_routes_told import World, told_by
from watcher.model.ports import IncidentQuery
from watcher.model.rule import Severity
from watcher.model.time import HOUR, MINUTE, SECOND

pytestmark = pytest.mark.looptime
EVERY = 6
"""Minutes from one short trouble to the next."""
SOON = 10
"""Minutes within which it comes back."""
Told = list[tuple[int, str]]


async def play(world: World, bad: Sequence[int], until: int, *, worst: int | None = None) -> Told:
    """A minute after the other, one of them the worst; what is told, and in which minute."""
    cdn = Estate(ONE, flapping(3, HOUR, reopen=SOON * MINUTE, critical=50))
    told: Told = []
    for at in range(until):
        value = 90.0 if at == worst else 9.0 if at in bad else 0.0
        await world.happens(*cdn.feed(cdn.batch(at, {"shop": value})))
        await anyio.sleep(MINUTE / SECOND)
        told += [(at, message.kind) for message in world.sender.sent[len(told) :]]
    return told


async def test_twelve_returns_are_told_as_one_that_flaps_and_as_its_one_end(
    tmp_path: Path, clock: LoopClock
) -> None:
    """Until it is known to flap each return is news; then none is, and its end is told when it has lasted."""
    bad = [2 + EVERY * n for n in range(13)]
    async with told_by(tmp_path, clock, {}) as world:
        told = await play(world, bad, 100)
        (incident,) = await world.store.history.incidents(IncidentQuery())
        timeline = await world.store.history.timeline(incident.id)
        deliveries = await world.store.history.deliveries(incident.id)

    assert told == [
        (2, "opened"),
        (3, "resolved"),
        (8, "reopened"),
        (9, "resolved"),
        (14, "reopened"),
        (15, "resolved"),
        (20, "flapping"),
        (bad[-1] + SOON, "resolved"),
    ]
    assert (incident.returns, incident.flapping, len(bad) - 1) == (12, True, 12)
    kinds = [entry.kind for entry in timeline]
    assert (kinds.count("resolved"), kinds.count("reopened"), kinds.count("flapping")) == (13, 12, 1)
    assert [row.reason for row in deliveries].count("flapping") == 2 * 9


async def test_the_message_says_that_it_flaps_and_the_end_how_often_it_came_back(
    tmp_path: Path, clock: LoopClock
) -> None:
    bad = [2 + EVERY * n for n in range(4)]
    async with told_by(tmp_path, clock, {}) as world:
        await play(world, bad, 40)

    flaps, end = world.sender.sent[-2:]
    assert flaps.title.startswith("Flapping: [warning] high")
    assert "It flaps: it came back 3 times" in flaps.text
    assert "It flaps: it came back 3 times" in flaps.html
    assert not flaps.recovery
    assert end.title.startswith("Resolved after 19 min")
    assert end.recovery
    assert "3 times; it flaps" in end.text


async def test_reminders_go_on_while_it_flaps(tmp_path: Path, clock: LoopClock) -> None:
    bad = [one for n in range(30) for one in range(2 + EVERY * n, 5 + EVERY * n)]
    async with told_by(tmp_path, clock, {"repeat": "30m"}) as world:
        told = await play(world, bad, 180)

    assert sum(kind == "reminder" for _, kind in told) >= 3


async def test_what_comes_back_worse_than_ever_is_told_at_once(tmp_path: Path, clock: LoopClock) -> None:
    bad = [2 + EVERY * n for n in range(8)]
    async with told_by(tmp_path, clock, {}) as world:
        await play(world, bad, 60, worst=bad[-2])

    told = [(message.kind, message.severity) for message in world.sender.sent[-3:]]
    assert told == [
        ("flapping", Severity.WARNING),
        ("rose", Severity.CRITICAL),
        ("resolved", Severity.CRITICAL),
    ]


async def test_a_receiver_that_was_away_when_it_began_to_flap_hears_of_it_with_the_next_return(
    tmp_path: Path, clock: LoopClock
) -> None:
    bad = [2 + EVERY * n for n in range(7)]
    async with told_by(tmp_path, clock, {"group_by": ["source"], "group_interval": "5m"}) as world:
        told = await play(world, bad, 70)

    assert [kind for _, kind in told].count("flapping") == 1
    assert told[-1] == (bad[-1] + SOON, "resolved")
