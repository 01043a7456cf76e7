"""Names that SwiftFederation did not know for a while: what is made up for once it knows them again."""

from collections.abc import Awaitable, Callable

import numpy as np
import pytest
import structlog

from tests.conftest import LoopClock
from tests.vendors.swiftfederation_server import (
    CHECK,
    SETTINGS,
    WINDOW,
    Build,
    Server,
    checks,
    found,
    read,
    resources,
    states,
)
from watcher.collect.collector import Collector, Window
from watcher.collect.vendors.swiftfederation.roster import RETRY
from watcher.errors import NetworkFailed, RequestRefused
from watcher.model.sample import SampleBatch
from watcher.model.time import DAY, MINUTE, rfc3339

pytestmark = pytest.mark.looptime

NAMES = [f"n{number}.test" for number in range(50)]
MANY = {**SETTINGS, "domains": NAMES}


@pytest.fixture
def server() -> Server:
    """SwiftFederation, where all is well."""
    return Server()


async def test_a_name_that_is_known_again_is_read_again_and_told_since_when_it_was_missing(
    build: Build, server: Server, clock: LoopClock
) -> None:
    server.unknown = {"b.test"}
    collector = build("swiftfederation", server, **SETTINGS)
    with structlog.testing.capture_logs() as logs:
        await read(collector)
        since = clock.now()
        assert found(await checks(collector, clock, 3), 1) == 0
        await read(collector)
        server.unknown.clear()
        clock.shift += RETRY
        batch = await states(collector)

    assert batch.remark == ""
    assert found(batch, 1) == 1
    assert resources(await read(collector)) == ["a.test", "b.test"]
    assert [(line["event"], line["domain"]) for line in logs] == [
        ("domain_unknown", "b.test"),
        ("domain_known_again", "b.test"),
    ]
    assert logs[1]["since"] == rfc3339(since)


async def test_names_that_are_due_are_asked_for_together(
    build: Build, server: Server, clock: LoopClock
) -> None:
    """A vendor's slip of a moment about many names is over for all of them at once."""
    names = [f"n{number}.test" for number in range(120)]
    collector = build("swiftfederation", server, **{**SETTINGS, "domains": names})
    server.unknown = set(names[1:])
    await read(collector)
    server.unknown.clear()
    server.requests.clear()

    batch = await checks(collector, clock)

    assert [len(asked) for asked in server.asked] == [50, 50, 19]
    assert batch.values[0, 0].all()
    assert resources(await read(collector)) == names


async def test_bins_that_lack_a_name_are_read_again_once_it_is_known_again(
    build: Build, server: Server, clock: LoopClock
) -> None:
    collector = build("swiftfederation", server, **SETTINGS)
    await read(collector)
    server.unknown = {"b.test"}
    assert resources(await read(collector)) == ["a.test"]
    await checks(collector, clock, 8)
    server.unknown.clear()
    await checks(collector, clock, 8)
    later = Window(WINDOW.end + 60 * MINUTE, WINDOW.end + 75 * MINUTE)

    server.replies = [NetworkFailed("reset")] * 3
    with pytest.raises(NetworkFailed):
        await read(collector, later)
    batch = await read(collector, later)

    # Unknown at 03:00: of what was read then the first bin began at 02:30, with settle and overlap.
    assert batch.starts.tolist() == [*range(WINDOW.start, later.end, 5 * MINUTE)]
    assert resources(batch) == ["a.test", "b.test"]
    assert not np.isnan(batch.values).any()
    assert len((await read(collector, later)).starts) == 3


async def test_after_a_day_only_the_last_two_hours_are_read_again(
    build: Build, server: Server, clock: LoopClock
) -> None:
    collector = build("swiftfederation", server, **SETTINGS)
    server.unknown = {"b.test"}
    await read(collector)
    server.unknown.clear()
    clock.shift += DAY
    await states(collector)
    later = Window(WINDOW.start + DAY, WINDOW.end + DAY)

    assert (await read(collector, Window(WINDOW.start - DAY, WINDOW.start - DAY // 2))).starts.size == 144
    assert (await read(collector, later)).starts.tolist() == [
        *range(later.end - 120 * MINUTE, later.end, 5 * MINUTE)
    ]


async def test_a_vendor_that_forgot_all_names_says_nothing_of_any(
    build: Build, server: Server, clock: LoopClock
) -> None:
    """All at once is the vendor's trouble, however long it lasts; and no reading goes without a call."""
    collector = build("swiftfederation", server, **MANY)
    await read(collector)
    server.unknown = set(NAMES)
    with structlog.testing.capture_logs() as logs:
        for poll in range(60):
            clock.shift += CHECK
            server.requests.clear()
            with pytest.raises(RequestRefused, match="50 of 50 domains not known to the vendor"):
                await (read(collector) if poll % 2 else states(collector))
            assert len(server.requests) == (1 if poll else 99)

    assert logs == []


@pytest.mark.parametrize("first", [read, states], ids=["counts", "names"])
async def test_a_vendor_that_remembers_is_asked_for_all_in_the_same_reading(
    build: Build, server: Server, first: Callable[[Collector], Awaitable[SampleBatch]]
) -> None:
    """Whichever stream notices first: a window that holds one of the names would count as read."""
    collector = build("swiftfederation", server, **MANY)
    server.unknown = set(NAMES)
    for stream in (read, states):
        with pytest.raises(RequestRefused):
            await stream(collector)
    server.unknown = {"n7.test"}
    server.requests.clear()

    batch = await first(collector)

    known = [name for name in NAMES if name != "n7.test"]
    assert sorted(resources(await read(collector))) == sorted(known)
    if first is read:
        assert sorted(resources(batch)) == sorted(known)
        batch = await states(collector)
    assert [name for name, one in zip(NAMES, batch.values[0, 0], strict=True) if one == 1] == known
    assert np.isnan(found(batch, 7))


async def test_every_name_is_tried_while_none_is_known(build: Build, server: Server) -> None:
    """One of them may be misspelt for ever: another one notices that the vendor is well again."""
    collector = build("swiftfederation", server, **SETTINGS)
    server.unknown = {"a.test", "b.test"}
    with pytest.raises(RequestRefused):
        await read(collector)
    server.unknown = {"a.test"}
    with pytest.raises(RequestRefused):
        await read(collector)

    assert resources(await read(collector)) == ["b.test"]
