"""A day without network: what is owed by then is told by severity, in few messages, and none is lost."""

import os
import resource
import sys
from collections import Counter
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Final

import anyio
import pytest

from tests.conftest import LoopClock
from tests.store.building import Store, key, opened, resolved
from watcher.document.secrets import SecretUrl
from watcher.model.message import Owed
from watcher.model.ports import Tick
from watcher.model.rule import Severity
from watcher.model.time import HOUR, MINUTE, SECOND, Instant
from watcher.notify.courier import Courier
from watcher.notify.health import OUTAGE
from watcher.notify.manner import Manner, Terms
from watcher.notify.rate import Rate
from watcher.notify.receivers import WebhookSettings
from watcher.notify.render import Renderer
from watcher.notify.senders.posting import Poster, sending_session
from watcher.notify.senders.webhook import WebhookSender
from watcher.notify.stages import DIGEST_SIZE
from watcher.simulate.webhook_catcher import Hook, webhook_catcher
from watcher.store.database import Database
from watcher.store.migrate import upgrade

OWED: Final = int(os.environ.get("WATCHER_TEST_OWED", "20_000"))
"""Incidents; the figures in the notes are of 100 000, which take minutes on a busy machine."""
A_TICK: Final = 5_000
A_CLAIM: Final = 1_000
TARGET: Final = "hook/0"
RATE: Final = Rate(100, 10 * SECOND)
"""Messages, so that the test is over in a minute; the usual 30/1m needs a quarter of an hour."""
MEMORY: Final = 150
"""MB that telling may take beyond what was taken before."""


def severity_of(number: int) -> Severity:
    """1 % critical, 19 % warning, the rest info."""
    return Severity.CRITICAL if number % 100 == 0 else Severity.WARNING if number % 5 == 0 else Severity.INFO


async def owe_a_days_worth(store: Store, now: Instant) -> None:
    """Incidents of the last 20 hours; a tenth of them is over."""
    for first in range(0, OWED, A_TICK):
        at = now - 20 * HOUR + first // A_TICK * HOUR
        openings = [
            opened(key(f"r{number:06}"), at=at, severity=severity_of(number))
            for number in range(first, first + A_TICK)
        ]
        owed = [Owed(TARGET, at, route="ops")]
        await store.book.commit(Tick(at, changes=[(one, owed) for one in openings]))
        ends = [resolved(one, end=at + MINUTE) for one in openings[7::10]]
        await store.book.commit(Tick(at + MINUTE, changes=[(one, owed) for one in ends]))


class Receiver:
    """How often each incident has arrived, how severe each message was, and when that is all."""

    def __init__(self) -> None:
        self.ids: Counter[str] = Counter()
        self.severities: list[Severity] = []
        self.whole = anyio.Event()

    def take(self, hook: Hook) -> None:
        incidents = hook.body["incidents"]
        self.ids.update(incident["id"] for incident in incidents)
        self.severities.append(max(Severity.parse(incident["severity"]) for incident in incidents))
        hook.body.clear()  # the catcher keeps it, and what is measured is the memory of who tells
        if len(self.ids) == OWED:
            self.whole.set()


async def drained(store: Store, clock: LoopClock) -> tuple[Receiver, float]:
    """What arrives once the network is back, and how many seconds that takes."""
    receiver = Receiver()
    async with webhook_catcher(on_hook=receiver.take) as catcher, sending_session() as session:
        settings = WebhookSettings(url=SecretUrl.read(catcher.url))
        catcher.status = 503
        rng = Random(1)  # noqa: S311 - jitter, not a secret
        courier = Courier(
            store.outbox,
            {TARGET: WebhookSender(settings, Poster(session), clock)},
            renderer=Renderer({}),
            clock=clock,
            rng=rng,
            terms=Terms({TARGET: Manner(RATE)}),
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(courier.run)
            await anyio.sleep(1)
            refused, catcher.status = catcher.refused, 200
            assert 0 < refused <= OUTAGE
            began = perf_counter()
            await receiver.whole.wait()
            seconds = perf_counter() - began
            courier.stop()
        return receiver, seconds


def memory() -> float:
    """The most that this process has taken so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.mark.timeout(900)
async def test_what_is_owed_after_a_day_without_network_is_told_by_severity_in_digests(
    tmp_path: Path, clock: LoopClock
) -> None:
    """Real SQLite and a real webhook, which takes nothing at first."""
    async with await Database.open(f"sqlite:///{tmp_path / 'watcher.db'}", clock=clock) as database:
        await upgrade(database)
        store = await Store.on(database)
        began = perf_counter()
        await owe_a_days_worth(store, clock.now())
        committed, before = perf_counter() - began, memory()
        receiver, seconds = await drained(store, clock)

    messages = len(receiver.severities)
    sys.stdout.write(
        f"\n{OWED} incidents written in {committed:.1f} s, told in {seconds:.1f} s by {messages} "
        f"messages: {OWED / seconds:,.0f} a second, {memory() - before:.0f} MB more than before\n"
    )
    assert (len(receiver.ids), set(receiver.ids.values())) == (OWED, {1})
    assert receiver.severities == sorted(receiver.severities, reverse=True)
    assert messages <= RATE.count + 1.2 * OWED / DIGEST_SIZE + OWED / A_CLAIM
    assert memory() - before < MEMORY
