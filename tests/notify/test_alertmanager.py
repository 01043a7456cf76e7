"""Alertmanager, the real one of Debian: alerts stand, rise, resolve and survive its restart."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import pytest

from tests.notify.alertmanagers import Alertmanager, alertmanager
from tests.notify.doubles import OPEN, SPIKE, MemoryThreads, due
from watcher.errors import DeliveryError, DeliveryFailed, DeliveryRejected
from watcher.model.incident import Incident, Resolution, Status
from watcher.model.message import Message, Telling
from watcher.model.rule import Severity
from watcher.model.time import HOUR, MINUTE, SECOND, parse_rfc3339
from watcher.notify.receivers import AlertmanagerSettings
from watcher.notify.render import Renderer
from watcher.notify.senders.alertmanager import AlertmanagerSender, alert
from watcher.notify.senders.posting import Poster
from watcher.notify.stages import Plan, Reason
from watcher.notify.story import Guidance
from watcher.notify.voice import Voice
from watcher.runtime.clock import SystemClock

VOICE = Voice(public_url="https://watch.example.com")
RENDERER = Renderer({"http_5xx_spike": Guidance("Visitors see errors.", "Call.")}, voices={"mail/0": VOICE})


def standing(**changes: Any) -> Incident:  # noqa: ANN401 - any field of an incident
    """`OPEN`, ten minutes ago by the clock that Alertmanager has too."""
    now = SystemClock().now()
    began: dict[str, Any] = {"opened_at": now - 10 * MINUTE, "detected_at": now - 5 * MINUTE}
    return replace(OPEN, **began | changes)


def over(subject: Incident, **changes: Any) -> Incident:  # noqa: ANN401
    ended: dict[str, Any] = {"status": Status.RESOLVED, "resolution": Resolution.RECOVERED}
    return replace(subject, **ended | {"resolved_at": SystemClock().now() - MINUTE} | changes)


def message(subject: Incident, kind: str = "opened") -> Message:
    plan = Plan(kind, (subject,), (due(subject, Telling(kind)),), Reason.TOLD)
    return RENDERER.message(plan, now=SystemClock().now())


def sender(url: str, session: aiohttp.ClientSession, threads: MemoryThreads) -> AlertmanagerSender:
    settings = AlertmanagerSettings.model_validate({"url": url, "expires": "1h"})
    poster = Poster(session, timeout=2 * SECOND)
    return AlertmanagerSender("am/0", settings, poster, threads=threads, clock=SystemClock())


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Alertmanager]:
    async with alertmanager(tmp_path) as found:
        yield found


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what another process does."""
    with anyio.fail_after(20):
        while True:
            if condition():
                return
            await anyio.sleep(0.02)


async def test_an_incident_stands_there_as_an_alert(
    running: Alertmanager, session: aiohttp.ClientSession
) -> None:
    subject = standing()
    before = SystemClock().now()

    assert await sender(running.url, session, MemoryThreads()).send(message(subject)) == "accepted 1 alert"

    [alert] = await running.alerts(session)
    assert alert["labels"] == {
        "alertname": "http_5xx_spike",
        "severity": "critical",
        "incident": subject.id,
        "resource": "shop",
        "source": "cdnv",
        "vendor": "cdnvideo",
    }
    assert alert["annotations"] == {
        "summary": subject.summary,
        "description": SPIKE.text,
        "why": "Visitors see errors.",
        "runbook": "Call.",
    }
    assert alert["generatorURL"] == f"https://watch.example.com/incidents/{subject.id}"
    assert alert["status"]["state"] == "active"
    assert parse_rfc3339(alert["startsAt"]) == subject.opened_at
    assert before + HOUR <= parse_rfc3339(alert["endsAt"]) <= SystemClock().now() + HOUR


async def test_its_end_is_told_to_those_whom_alertmanager_tells(
    running: Alertmanager, session: aiohttp.ClientSession
) -> None:
    target, subject = sender(running.url, session, MemoryThreads()), standing()

    await target.send(message(subject))
    await until(lambda: running.states() == [("firing", "critical")])
    await target.send(message(over(subject), "resolved"))
    await until(lambda: len(running.states()) > 1)

    assert running.states() == [("firing", "critical"), ("resolved", "critical")]
    assert await running.alerts(session) == []


async def test_what_was_withdrawn_stands_no_longer(
    running: Alertmanager, session: aiohttp.ClientSession
) -> None:
    target, subject = sender(running.url, session, MemoryThreads()), standing()
    await target.send(message(subject))

    gone = replace(subject, status=Status.WITHDRAWN, resolution=Resolution.CORRECTED)
    await target.send(message(gone, "withdrawn"))

    assert await running.alerts(session) == []


async def test_a_rise_replaces_the_alert_and_the_end_ends_what_stands(
    running: Alertmanager, session: aiohttp.ClientSession
) -> None:
    target, subject = sender(running.url, session, MemoryThreads()), standing(severity=Severity.WARNING)

    await target.send(message(subject))
    await target.send(message(replace(subject, severity=Severity.CRITICAL), "rose"))

    [alert] = await running.alerts(session)
    assert alert["labels"]["severity"] == "critical"
    await target.send(message(over(replace(subject, severity=Severity.WARNING)), "resolved"))
    assert await running.alerts(session) == []


async def test_what_stands_is_told_again_after_alertmanager_forgot_it(
    tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    subject = standing()
    threads = MemoryThreads(subject)
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    async with alertmanager(tmp_path / "first") as running:
        await sender(running.url, session, threads).send(message(subject))
        await until(lambda: running.states() == [("firing", "critical")])
    async with alertmanager(tmp_path / "second") as running:
        target = sender(running.url, session, threads)

        assert await running.alerts(session) == []
        assert await target.resend(lambda incident: RENDERER.facts(incident, "mail/0")) == 1
        [alert] = await running.alerts(session)
        assert alert["labels"]["incident"] == subject.id

        threads.book[subject.id] = over(subject)
        assert await target.resend(lambda incident: RENDERER.facts(incident, "mail/0")) == 1
        assert await running.alerts(session) == []


async def test_what_ended_long_ago_is_told_again_no_more(
    running: Alertmanager, session: aiohttp.ClientSession
) -> None:
    subject = standing()
    threads = MemoryThreads(over(subject, resolved_at=SystemClock().now() - HOUR))
    await threads.keep("am/0", {subject.id: "critical"})

    told = await sender(running.url, session, threads).resend(
        lambda incident: RENDERER.facts(incident, "mail/0")
    )

    assert told == 0


def test_an_alert_of_what_flaps_says_how_often_it_came_back() -> None:
    facts = RENDERER.facts(standing(returns=4, flapping=True), "am/0")

    assert alert(facts, "warning", ends=0)["annotations"]["flapping"] == "came back 4 times"


async def test_a_drill_is_marked_as_one(running: Alertmanager, session: aiohttp.ClientSession) -> None:
    await sender(running.url, session, MemoryThreads()).send(message(standing(drill=True)))

    [alert] = await running.alerts(session)
    assert alert["labels"]["drill"] == "true"


async def test_a_trial_asks_whether_it_is_an_alertmanager_and_raises_nothing(
    running: Alertmanager, session: aiohttp.ClientSession
) -> None:
    trial = RENDERER.trial("am/0", now=SystemClock().now())

    answer = await sender(running.url, session, MemoryThreads()).send(trial)

    assert answer == "answers; no alert was raised"
    assert await running.alerts(session) == []


async def test_what_it_calls_invalid_is_rejected_with_its_words(
    running: Alertmanager, session: aiohttp.ClientSession
) -> None:
    broken = message(replace(standing(), summary=""))
    facts = dict(broken.facts) | {"labels": {}, "rule": "", "id": "", "severity": ""}

    with pytest.raises(DeliveryRejected, match=r"it answered 400 Bad Request: .*label"):
        await sender(running.url, session, MemoryThreads()).send(replace(broken, facts=facts))


@pytest.mark.parametrize(
    ("url", "down", "error", "words"),
    [
        ("http://127.0.0.1:1", False, DeliveryFailed, "no connection"),
        ("http://127.0.0.1:1", True, DeliveryFailed, "what it was told before cannot be looked up"),
    ],
)
async def test_what_keeps_an_alert_away_is_named(
    session: aiohttp.ClientSession, url: str, *, down: bool, error: type[DeliveryError], words: str
) -> None:
    threads = MemoryThreads()
    threads.down = down

    with pytest.raises(error, match=words):
        await sender(url, session, threads).send(message(standing()))
