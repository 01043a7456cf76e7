"""What watcher sees of its own telling: whether each target takes messages, as samples that a rule judges."""

from collections.abc import Mapping
from random import Random

import anyio
import pytest

from tests.notify.doubles import MemoryOutbox, RecordingSender, T, incident
from watcher.errors import DeliveryFailed, DeliveryRejected
from watcher.model.message import Telling
from watcher.model.ports import Clock
from watcher.model.sample import Poll
from watcher.model.time import MINUTE
from watcher.notify.courier import Courier
from watcher.notify.health import Outcomes
from watcher.notify.own_sight import METRIC, PATIENCE, OwnSight, poll_of
from watcher.notify.render import Renderer
from watcher.notify.routing import OWN_SOURCE


def values(poll: Poll | None) -> Mapping[str, float]:
    """By target, what the poll's one bin says."""
    if poll is None:
        return {}
    batch = poll.batches[0]
    return {dict(one)["target"]: float(batch.values[0, 0, at]) for at, one in enumerate(batch.entities)}


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        (Outcomes(), {}),
        (Outcomes(arrived=3), {"mail/0": 1.0}),
        (Outcomes(arrived=1, missed=2, failing_since=T - MINUTE), {"mail/0": 1.0}),
        (Outcomes(missed=2, failing_since=T - MINUTE), {}),
        (Outcomes(missed=2, failing_since=T - PATIENCE), {"mail/0": 0.0}),
        (Outcomes(failing_since=T - PATIENCE), {"mail/0": 0.0}),
        (Outcomes(missed=1, failing_since=T, given_up_at=T), {"mail/0": 0.0}),
        (Outcomes(arrived=9, given_up_at=T - MINUTE), {"mail/0": 0.0}),
        (Outcomes(given_up_at=T - 4 * MINUTE), {"mail/0": 1.0}),
        (Outcomes(given_up_at=T - 60 * MINUTE), {}),
        (Outcomes(failing_since=T - 4 * MINUTE, given_up_at=T - 4 * MINUTE), {}),
    ],
)
def test_a_target_is_up_where_messages_arrive_and_down_where_none_do_for_long_or_one_was_given_up(
    outcomes: Outcomes, expected: Mapping[str, float]
) -> None:
    assert values(poll_of({"mail/0": outcomes}, T)) == expected


def test_the_bin_is_the_minute_before_and_says_why() -> None:
    poll = poll_of(
        {"mail/0": Outcomes(arrived=1), "hook/0": Outcomes(given_up_at=T, words="410 gone")}, T + 5
    )

    assert poll is not None
    batch = poll.batches[0]
    assert (batch.source, batch.vendor, batch.metrics) == (OWN_SOURCE, OWN_SOURCE, ((METRIC, ()),))
    assert (list(batch.starts), batch.settled_until, batch.width) == ([T - MINUTE], T, MINUTE)
    assert [(one.entity, one.facts) for one in batch.exemplars] == [(1, {"reason": "410 gone"})]
    assert (poll.sight.source, poll.sight.up, poll.sight.caught_up) == (OWN_SOURCE, True, True)


@pytest.mark.looptime
async def test_an_outage_of_a_target_is_seen_after_ten_minutes_and_its_end_in_the_next(clock: Clock) -> None:
    outbox, polls = MemoryOutbox(), list[Poll]()
    sender = RecordingSender(*[DeliveryFailed("connection refused")] * 1_000)
    outbox.owe(incident(), Telling.OPENED, "mail/0", at=clock.now())
    rng = Random(1)  # noqa: S311 - jitter, not a secret
    courier = Courier(outbox, {"mail/0": sender}, renderer=Renderer({}), clock=clock, rng=rng)

    async def keep(poll: Poll) -> None:
        polls.append(poll)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(courier.run)
        tasks.start_soon(OwnSight(courier.outcomes, keep, clock).run)
        await anyio.sleep(20.5 * 60)
        sender.failures = []
        await anyio.sleep(30 * 60)
        tasks.cancel_scope.cancel()

    seen = [values(poll)["mail/0"] for poll in polls]
    assert seen[:10] == [0.0] * 10
    assert (seen[-1], seen.count(1.0)) == (1.0, 1)


@pytest.mark.looptime
async def test_a_message_that_is_refused_for_good_is_seen_in_the_same_minute(clock: Clock) -> None:
    outbox, polls = MemoryOutbox(), list[Poll]()
    outbox.owe(incident(), Telling.OPENED, "mail/0", at=clock.now())
    rng = Random(1)  # noqa: S311 - jitter, not a secret
    sender = RecordingSender(DeliveryRejected("550 no such user"))
    courier = Courier(outbox, {"mail/0": sender}, renderer=Renderer({}), clock=clock, rng=rng)

    async def keep(poll: Poll) -> None:
        polls.append(poll)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(courier.run)
        tasks.start_soon(OwnSight(courier.outcomes, keep, clock).run)
        await anyio.sleep(61)
        tasks.cancel_scope.cancel()

    assert [values(poll) for poll in polls] == [{"mail/0": 0.0}]
    assert polls[0].batches[0].exemplars[0].facts == {"reason": "550 no such user"}
