"""Names that SwiftFederation does not know: found, left out, told, and asked for again."""

import anyio
import numpy as np
import pytest
import structlog

from tests.conftest import LoopClock
from tests.vendors.swiftfederation_server import (
    SETTINGS,
    WINDOW,
    Build,
    Server,
    checks,
    failure,
    found,
    read,
    resources,
    states,
)
from watcher.collect.vendors.swiftfederation.roster import DOUBT, RETRY, Roster
from watcher.errors import NetworkFailed, RequestRefused
from watcher.model.inventory import ItemKind
from watcher.model.time import MINUTE

pytestmark = pytest.mark.looptime

NAMES = [f"n{number}.test" for number in range(50)]
MANY = {**SETTINGS, "domains": NAMES}


@pytest.fixture
def server() -> Server:
    """SwiftFederation, where all is well."""
    return Server()


async def test_an_unknown_name_is_found_by_halves_and_the_others_are_read(
    build: Build, server: Server
) -> None:
    server.unknown = {"n17.test"}
    batch = await read(build("swiftfederation", server, **MANY))

    assert resources(batch) == [name for name in NAMES if name != "n17.test"]
    assert not np.isnan(batch.values).any()
    assert batch.remark == "1 of 50 domains not known to the vendor: n17.test"
    assert len(server.requests) <= 1 + 2 * 6
    assert [asked for asked in server.asked if len(asked) == 1 and asked[0] in server.unknown]


async def test_a_name_found_unknown_is_left_out_of_later_calls(build: Build, server: Server) -> None:
    server.unknown = {"n0.test", "n49.test"}
    collector = build("swiftfederation", server, **MANY)
    await read(collector)
    server.requests.clear()

    for _ in range(3):
        await read(collector)

    assert server.asked == [NAMES[1:49]] * 3


@pytest.mark.parametrize("count", [1, 2, 7, 50])
async def test_calls_are_bounded_however_many_names_are_unknown(
    build: Build, server: Server, count: int
) -> None:
    server.unknown = set(NAMES[::-1][:count])
    collector = build("swiftfederation", server, **MANY)
    if count == 50:
        with pytest.raises(RequestRefused, match="50 of 50 domains not known to the vendor"):
            await read(collector)
    else:
        assert len(resources(await read(collector))) == 50 - count

    assert len(server.requests) <= min(99, 1 + 12 * count)


async def test_a_failure_on_the_way_keeps_what_was_found(build: Build, server: Server) -> None:
    """The next poll goes on from there, and a long search ends whatever its deadline."""
    server.unknown = {"n0.test"}
    collector = build("swiftfederation", server, **MANY)
    with anyio.move_on_after(9 / 128):
        await read(collector)
    assert ["n0.test"] in server.asked
    server.requests.clear()

    await read(collector)

    assert server.asked == [NAMES[1:]]


async def test_names_are_states_and_inventory(build: Build, server: Server, clock: LoopClock) -> None:
    server.unknown = {"b.test"}
    domains = ["A.test", "b.test", "*.c.test"]
    collector = build("swiftfederation", server, **{**SETTINGS, "domains": domains})
    await states(collector)
    batch = await checks(collector, clock)

    assert (batch.stream, batch.width, batch.complete) == ("domains", 0, True)
    assert resources(batch) == domains
    assert [found(batch, entity) for entity in range(3)] == [1, 0, 1]
    assert batch.remark == "1 of 3 domains not known to the vendor: b.test"
    (listing,) = batch.listings
    assert (listing.kind, listing.complete) == (ItemKind.DOMAIN, True)
    assert [(item.id, item.facts["status"]) for item in listing.items] == [
        ("a.test", "online"),
        ("b.test", "not_found"),
    ]
    (exemplar,) = batch.exemplars
    assert exemplar.entity == 1
    assert exemplar.facts == {
        "domain": "b.test",
        "answer": "HTTP 404 ServiceName.NotFound (trace trace-1)",
    }


async def test_one_refusal_proves_nothing(build: Build, server: Server, clock: LoopClock) -> None:
    collector = build("swiftfederation", server, **SETTINGS)
    await read(collector)
    server.replies = [failure(404, "ServiceName.NotFound")] * 2
    with structlog.testing.capture_logs() as logs:
        assert resources(await read(collector)) == ["b.test"]
        doubtful = await states(collector)
        after = await checks(collector, clock)

    assert resources(doubtful) == ["a.test", "b.test"]
    assert np.isnan(found(doubtful, 0))
    assert found(doubtful, 1) == 1
    (listing,) = doubtful.listings
    assert ([item.id for item in listing.items], listing.complete) == (["b.test"], False)
    assert not doubtful.exemplars
    assert doubtful.remark == "1 of 2 domains not known to the vendor: a.test"
    assert [found(after, 0), found(after, 1)] == [1, 1]
    assert after.remark == ""
    assert resources(await read(collector)) == ["a.test", "b.test"]
    assert logs == []


async def test_each_reading_of_states_asks_for_some_of_the_names(build: Build, server: Server) -> None:
    """A stream that answers without asking would call a dead vendor well."""
    names = [f"n{number}.test" for number in range(120)]
    collector = build("swiftfederation", server, **{**SETTINGS, "domains": names})
    await read(collector)
    server.requests.clear()

    for _ in range(4):
        await states(collector)

    assert server.asked == [names[:50], names[50:100], names[100:], names[:50]]
    server.replies = [NetworkFailed("reset")] * 3
    with pytest.raises(NetworkFailed):
        await states(collector)


async def test_two_streams_that_start_together_search_once(build: Build, server: Server) -> None:
    server.unknown = {"n17.test"}
    collector = build("swiftfederation", server, **MANY)
    async with anyio.create_task_group() as group:
        group.start_soon(read, collector)
        group.start_soon(states, collector)

    assert server.asked.count(["n17.test"]) == 1


async def test_an_unknown_name_is_asked_for_again_ever_more_rarely(
    build: Build, server: Server, clock: LoopClock
) -> None:
    server.unknown = {"b.test"}
    collector = build("swiftfederation", server, **SETTINGS)
    await read(collector)
    began, asked = clock.now(), list[int]()
    for _ in range(5 * 60):
        clock.shift += MINUTE
        server.requests.clear()
        await states(collector)
        asked += [(clock.now() - began) // MINUTE] * server.asked.count(["b.test"])

    assert asked == [4, 9, 19, 39, 79, 139, 199, 259]


async def test_many_unknown_names_are_asked_for_in_bounded_calls(
    build: Build, server: Server, clock: LoopClock
) -> None:
    names = [f"n{number}.test" for number in range(200)]
    collector = build("swiftfederation", server, **{**SETTINGS, "domains": names})
    server.unknown = set(names[:150])
    await read(collector)
    server.requests.clear()

    for count in (50, 100, 150):
        batch = await checks(collector, clock)
        assert batch.values[0, 1, :150].tolist() == pytest.approx(
            [1] * count + [np.nan] * (150 - count), nan_ok=True
        )
        assert len(server.requests) <= 99
        server.requests.clear()


async def test_a_search_that_was_cut_short_repeats_no_refused_call(build: Build, server: Server) -> None:
    server.unknown = {"n17.test"}
    collector = build("swiftfederation", server, **MANY)
    refusal = failure(404, "ServiceName.NotFound")
    server.replies = [refusal, refusal, *[NetworkFailed("reset")] * 3]
    with pytest.raises(NetworkFailed):
        await read(collector)
    refused = server.asked[:2]

    assert len(resources(await read(collector))) == 49
    assert all(server.asked.count(group) == 1 for group in refused)


async def test_a_name_that_vanishes_later_is_found_out(
    build: Build, server: Server, clock: LoopClock
) -> None:
    collector = build("swiftfederation", server, **MANY)
    await read(collector)
    server.unknown = {"n3.test"}

    batch = await read(collector)

    assert "n3.test" not in resources(batch)
    assert found(await checks(collector, clock), 3) == 0


async def test_what_another_call_could_not_learn_is_not_told_as_unknown(build: Build, server: Server) -> None:
    collector = build("swiftfederation", server, **SETTINGS)
    server.replies = [NetworkFailed("reset")] * 3

    with pytest.raises(NetworkFailed):
        await states(collector)


async def test_a_404_of_another_kind_names_no_name(build: Build, server: Server) -> None:
    server.replies = [failure(404, "Customer.NotFound")]
    collector = build("swiftfederation", server, **SETTINGS)

    with pytest.raises(RequestRefused):
        await read(collector)

    assert resources(await read(collector, WINDOW)) == ["a.test", "b.test"]


def test_a_clock_that_was_set_back_keeps_no_name_away() -> None:
    roster = Roster(["a", "b"])
    roster.answered(["a"])
    roster.refused("b", 10 * RETRY, "404")

    assert roster.to_check(10 * RETRY + 1, 50) == ["a"]
    assert roster.to_check(5 * RETRY, 50) == ["b"]
    assert not roster.refused("b", 5 * RETRY, "404")
    assert roster.refused("b", 5 * RETRY + DOUBT, "404")
