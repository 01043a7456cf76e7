"""Slack, PagerDuty and Opsgenie through apprise: what they are really posted, caught by a server of our own.

apprise has their addresses in its modules and no option for them, so these are set there for a test.
"""

from dataclasses import dataclass, field
from typing import Any

import apprise.plugins.opsgenie
import apprise.plugins.pagerduty
import apprise.plugins.slack
import pytest
from aiohttp import web

from tests.notify.doubles import OPEN, T, due, incident, resolved, withdrawn
from tests.notify.servers import Mailbox, Served
from watcher.document.secrets import SecretUrl
from watcher.errors import DeliveryFailed
from watcher.model.incident import Incident
from watcher.model.message import Message, Telling
from watcher.model.rule import Severity
from watcher.model.time import MINUTE
from watcher.notify.apprise_sender import AppriseSender, is_pager, shapes
from watcher.notify.render import Renderer
from watcher.notify.stages import Plan, Reason
from watcher.notify.voice import Shape

SLACK = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
PAGER = f"pagerduty://{'k' * 32}@{'a' * 20}"
OPSGENIE = "opsgenie://a2b3c4d5-1111-2222-3333-444455556666"


@dataclass
class Services:
    """What was posted, and what the next posts are answered."""

    posts: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)
    answers: list[tuple[int, str]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        status, text = self.answers.pop(0) if self.answers else (202, '{"requestId": "r"}')
        self.posts.append((request.path, dict(request.query), await request.json()))
        return web.Response(status=status, text=text)

    @property
    def bodies(self) -> list[Any]:
        return [body for _, _, body in self.posts]


@pytest.fixture
async def services(served: Served, monkeypatch: pytest.MonkeyPatch) -> Services:
    found = Services()
    base = await served(found.answer)
    monkeypatch.setitem(apprise.plugins.pagerduty.PAGERDUTY_API_LOOKUP, "us", f"{base}/pagerduty")
    monkeypatch.setitem(apprise.plugins.opsgenie.OPSGENIE_API_LOOKUP, "us", f"{base}/opsgenie")
    monkeypatch.setattr(apprise.plugins.slack.NotifySlack, "webhook_url", f"{base}/slack")
    return found


def message(subject: Incident, kind: str = "opened") -> Message:
    plan = Plan(kind, (subject,), (due(subject, Telling(kind)),), Reason.TOLD)
    return Renderer({}).message(plan, now=T + 12 * MINUTE)


async def send(url: str, told: Message) -> str:
    return await AppriseSender(SecretUrl.read(url)).send(told)


async def test_pagerduty_triggers_and_resolves_one_incident_by_its_id(services: Services) -> None:
    await send(PAGER, message(OPEN))
    await send(PAGER, message(OPEN, "reminder"))
    await send(PAGER, message(resolved(), "resolved"))

    assert [(body["event_action"], body["dedup_key"]) for body in services.bodies] == [
        ("trigger", OPEN.id),
        ("trigger", OPEN.id),
        ("resolve", OPEN.id),
    ]
    assert OPEN.summary in services.bodies[0]["payload"]["summary"]


async def test_what_was_withdrawn_stops_ringing_at_pagerduty(services: Services) -> None:
    await send(PAGER, message(withdrawn(), "withdrawn"))

    [body] = services.bodies
    assert (body["event_action"], body["dedup_key"]) == ("resolve", OPEN.id)


async def test_opsgenie_opens_an_alert_by_the_incident_s_id_and_closes_it(services: Services) -> None:
    await send(OPSGENIE, message(incident(severity=Severity.INFO)))
    await send(OPSGENIE, message(resolved(), "resolved"))

    (_, _, opened), (path, query, closed) = services.posts
    assert opened["alias"] == OPEN.id
    assert (path, query) == (f"/opsgenie/{OPEN.id}/close", {"identifierType": "alias"})
    assert closed["note"].startswith("Resolved after 25 min")


async def test_slack_gets_blocks_in_the_colour_of_the_state(services: Services) -> None:
    services.answers = [(200, "ok")]
    told = message(OPEN)

    await send(SLACK, told)

    [attachment] = services.bodies[0]["attachments"]
    assert attachment["blocks"] == told.blocks
    assert (attachment["color"], attachment["fallback"]) == ("#b42318", told.title)


async def test_the_answer_of_a_service_is_the_reason_of_a_failure(services: Services) -> None:
    services.answers = [(404, "channel_is_archived")]

    with pytest.raises(DeliveryFailed, match=r"error=404\.?: channel_is_archived"):
        await send(SLACK, message(OPEN))


async def test_where_slack_refuses_the_blocks_the_words_go_without_them(services: Services) -> None:
    services.answers = [(400, "invalid_blocks"), (200, "ok")]

    await send(SLACK, message(OPEN))

    refused, taken = services.bodies
    assert "blocks" in refused["attachments"][0]
    assert OPEN.id in str(taken)
    assert "context" not in str(taken)


async def test_a_file_goes_along_where_it_is_asked_for(mailbox: Mailbox) -> None:
    await AppriseSender(SecretUrl.read(mailbox.url), attach=True).send(message(OPEN))

    [file] = mailbox.mails[0].iter_attachments()
    assert file.get_filename() == f"{OPEN.id}.json"
    assert OPEN.id in file.get_content().decode()


def test_each_scheme_is_given_the_shapes_it_takes() -> None:
    taken = {url: shapes(SecretUrl.read(url)) for url in (SLACK, PAGER, "mailto://u:p@example.com")}

    assert taken == {
        SLACK: frozenset({Shape.BLOCKS}),
        PAGER: frozenset(),
        "mailto://u:p@example.com": frozenset({Shape.HTML}),
    }
    assert [is_pager(SecretUrl.read(url)) for url in (PAGER, OPSGENIE, SLACK)] == [True, True, False]
