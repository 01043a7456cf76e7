"""The hand: local webhooks beside apprise's own, CPU a message, and receivers beside others that hang."""

import logging
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

import anyio
import anyio.to_thread
import apprise
import structlog

from benchmarks.catcher import catcher
from benchmarks.goals import QUICK, Goal, tell
from watcher.document.secrets import SecretUrl
from watcher.model.incident import Change, Evidence, Incident, IncidentKey, Status, Transition
from watcher.model.labels import label_set
from watcher.model.message import Due, Message, Owed, Telling
from watcher.model.ports import Sender, Tick
from watcher.model.rule import Severity
from watcher.model.time import MINUTE, Instant
from watcher.notify.apprise_sender import AppriseSender
from watcher.notify.courier import Courier
from watcher.notify.manner import Manner, Terms
from watcher.notify.rate import Rate
from watcher.notify.receivers import WebhookSettings
from watcher.notify.render import Renderer
from watcher.notify.senders.posting import Poster, sending_session
from watcher.notify.senders.webhook import ABREAST, WebhookSender
from watcher.notify.stages import Plan, Reason
from watcher.notify.story import Guidance
from watcher.notify.voice import Voice
from watcher.runtime.clock import SystemClock
from watcher.runtime.settled import settled
from watcher.store.book import SqlBook
from watcher.store.database import Database
from watcher.store.identity import time_ordered
from watcher.store.lease import Lease
from watcher.store.migrate import upgrade
from watcher.store.outbox import SqlOutbox

MESSAGES: Final = 200 if QUICK else 3_000
PEERS: Final = 50 if QUICK else 500
HANGING: Final = 100
OTHERS: Final = 10
ROUNDS: Final = 10 if QUICK else 60
"""Incidents opened one after the other while the others hang."""

CLOCK: Final = SystemClock()
GUIDANCE: Final = {"http_5xx_spike": Guidance("Visitors see errors.", "Compare with the origin.")}


def incident(number: int) -> Incident:
    """One of the usual size."""
    now = CLOCK.now()
    evidence = Evidence(
        start=now - 5 * MINUTE,
        end=now,
        seen=0.124,
        expected=0.002,
        range=(0.001, 0.004),
        requests=48_210.0,
        text="5xx 12.4 % of 48 210 requests, usually 0.2 %",
        words={"seen": "12.4 %", "expected": "0.2 %", "range": "0.1 % to 0.4 %", "requests": "48 210"},
        parts=({"status": "502", "count": "5 737", "share": "96 %"},),
    )
    key = IncidentKey(
        "http_5xx_spike", label_set({"source": "cdnv", "vendor": "cdnvideo", "resource": f"r{number}"})
    )
    return Incident(
        id=f"01m81q0wc8a21wfgq1{number:08}",
        key=key,
        severity=Severity.CRITICAL,
        status=Status.OPEN,
        summary=f"resource r{number}: 5xx 12.4 % of 48 210 requests, usually 0.2 %",
        opened_at=now - 5 * MINUTE,
        detected_at=now,
        evidence=evidence,
    )


def message(renderer: Renderer, number: int) -> Message:
    """An opening, rendered."""
    row = Due(number, Telling.OPENED, "hook/0", incident(number), CLOCK.now(), attempts=0, held=False)
    return renderer.message(Plan(Telling.OPENED, (row.incident,), (row,), Reason.TOLD), now=CLOCK.now())


@dataclass(frozen=True, slots=True)
class Pace:
    """Of one way to send."""

    rate: float
    """Messages a second."""
    cpu: float
    """Milliseconds of this process a message."""

    def __str__(self) -> str:
        return f"{self.rate:,.0f} messages/s, {self.cpu:.2f} ms CPU each"


async def ours(url: str) -> Pace:
    """Rendered and posted, signed, as many at once as one lane sends."""
    renderer = Renderer(GUIDANCE, voices={"hook/0": Voice(shapes=frozenset())})
    settings = WebhookSettings.model_validate({"url": f"{url}/hook", "secret": "a secret"})
    numbers = iter(range(MESSAGES))
    async with sending_session() as session:
        sender = WebhookSender(settings, Poster(session), CLOCK)

        async def send_on() -> None:
            for number in numbers:
                await sender.send(message(renderer, number))

        await sender.send(message(renderer, 0))
        began, cpu = time.perf_counter(), time.process_time()
        async with anyio.create_task_group() as tasks:
            for _ in range(ABREAST):
                tasks.start_soon(send_on)
        return _pace(began, cpu, MESSAGES)


async def theirs(url: str) -> Pace:
    """As a program would use apprise: one object, one URL, its defaults, the same words."""
    renderer = Renderer(GUIDANCE, voices={"hook/0": Voice(shapes=frozenset())})
    AppriseSender(SecretUrl.read("json://127.0.0.1/"))  # sets apprise's log up as watcher has it
    told = message(renderer, 0)

    def notify() -> Pace:
        courier: Any = apprise.Apprise()
        courier.add(f"{url.replace('http', 'json', 1)}/hook")
        courier.notify(body=told.text, title=told.title)
        began, cpu = time.perf_counter(), time.process_time()
        for _ in range(PEERS):
            assert courier.notify(body=told.text, title=told.title)
        return _pace(began, cpu, PEERS)

    return await anyio.to_thread.run_sync(notify)


def _pace(began: float, cpu: float, count: int) -> Pace:
    return Pace(count / (time.perf_counter() - began), (time.process_time() - cpu) / count * 1_000)


class Timed:
    """A sender that notes how long after its incident was committed a message had been taken."""

    def __init__(self, inner: Sender, committed: dict[str, float], delays: list[float]) -> None:
        self._inner = inner
        self._committed = committed
        self._delays = delays

    async def send(self, message: Message) -> str:
        """Send, and note it."""
        answer = await self._inner.send(message)
        at = time.perf_counter()
        self._delays += [at - self._committed[str(facts["summary"])] for facts in message.incidents]
        return answer


async def beside_hanging(url: str) -> Sequence[float]:
    """Seconds from a commit until the others' servers have the message, while 100 targets never answer."""
    committed: dict[str, float] = {}
    delays: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hand.db"
        async with (
            await Database.open(f"sqlite:///{path}", clock=CLOCK) as database,
            sending_session() as session,
        ):
            await upgrade(database)
            lease = Lease(database)
            await lease.acquire()
            hang = _hook(f"{url}/hang")
            senders: dict[str, Sender] = {
                f"hang/{n}": WebhookSender(hang, Poster(session), CLOCK) for n in range(HANGING)
            }
            fine = WebhookSender(_hook(f"{url}/hook"), Poster(session), CLOCK)
            senders |= {f"fine/{n}": Timed(fine, committed, delays) for n in range(OTHERS)}
            manners = {target: Manner(Rate(10_000, MINUTE), abreast=ABREAST) for target in senders}
            courier = Courier(
                SqlOutbox(database),
                senders,
                renderer=Renderer(GUIDANCE, voices={target: Voice(shapes=frozenset()) for target in senders}),
                clock=CLOCK,
                rng=Random(1),  # noqa: S311 - jitter
                terms=Terms(manners=manners),
            )
            book = SqlBook(database, lease, time_ordered())
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(courier.run)
                now = CLOCK.now()
                owed = [Owed(target, now) for target in senders if target.startswith("hang")]
                await book.commit(Tick(now, changes=[(_opening(ROUNDS), owed)]))
                courier.notify()
                await anyio.sleep(2)  # by now all of them hang
                for number in range(ROUNDS):
                    opening, now = _opening(number), CLOCK.now()
                    committed[opening.summary] = time.perf_counter()
                    await book.commit(Tick(now, changes=[(opening, [Owed(one, now) for one in senders])]))
                    courier.notify()
                    await anyio.sleep(0.5)
                with anyio.move_on_after(20):
                    while len(delays) < ROUNDS * OTHERS:  # noqa: ASYNC110 - a list has no event
                        await anyio.sleep(0.05)
                tasks.cancel_scope.cancel()
    assert len(delays) == ROUNDS * OTHERS, "messages are missing"
    return sorted(delays)


def _hook(url: str) -> WebhookSettings:
    return WebhookSettings.model_validate({"url": url, "secret": "a secret"})


def _opening(number: int) -> Transition:
    one = incident(number)
    return Transition(
        change=Change.OPENED,
        key=one.key,
        severity=one.severity,
        was=one.opened_at,
        opened_at=one.opened_at,
        resolved_at=None,
        decided_at=_at(one),
        summary=one.summary,
        evidence=one.evidence,
    )


def _at(one: Incident) -> Instant:
    return one.detected_at


async def main() -> None:
    """Each thrice, in turns: the machine may be busy with something else."""
    with catcher() as url:
        mine, peers = [], []
        for _ in range(3):
            peers.append(await theirs(url))
            mine.append(await ours(url))
        best, peer = max(mine, key=lambda pace: pace.rate), max(peers, key=lambda pace: pace.rate)
        for name, paces in (("watcher's webhook", mine), ("apprise's json://", peers)):
            print(f"{name}: {'; '.join(map(str, paces))}", flush=True)
        with settled():  # as a daemon is
            delays = await beside_hanging(url)
    p50, p99 = delays[len(delays) // 2], delays[min(len(delays) - 1, int(len(delays) * 0.99))]
    spread = f"median {p50 * 1e3:.0f} ms, p99 {p99 * 1e3:.0f} ms"
    print(f"beside {HANGING} hanging targets: {len(delays)} messages, {spread}")
    tell(
        Goal("5.2", "local webhooks, times apprise's own rate", 5, best.rate / peer.rate, "x", at_least=True),
        Goal("5.2", "local webhooks, CPU a message with its rendering", 0.6, best.cpu, "ms"),
        Goal("5.2", f"beside {HANGING} hanging targets, the others' p99", 200, p99 * 1e3, "ms"),
    )


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = "127.0.0.1"
    anyio.run(main)
