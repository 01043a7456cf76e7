"""What a receiver echoes of its own address reaches nobody, whichever sender posts there."""

from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web

from tests.conftest import LoopClock
from tests.notify.doubles import OPEN, T, due
from tests.notify.servers import Served
from watcher.document.secrets import SecretUrl
from watcher.errors import DeliveryFailed
from watcher.model.message import Message, Telling
from watcher.model.time import MINUTE, SECOND
from watcher.notify.receivers import AlertmanagerSettings, SlackSettings, WebhookSettings
from watcher.notify.render import Renderer
from watcher.notify.senders.alertmanager import AlertmanagerSender
from watcher.notify.senders.heartbeat import HeartbeatSender
from watcher.notify.senders.posting import Poster
from watcher.notify.senders.slack import SlackSender
from watcher.notify.senders.webhook import WebhookSender
from watcher.notify.stages import Plan, Reason

TOKEN = "s3cr3t/in+a query"


class NoThreads:
    """Nothing was told before."""

    async def token(self, _target: str, _incident_id: str) -> None:
        return

    async def keep(self, _target: str, _tokens: object) -> None:
        return

    async def standing(self, _target: str, *, ended_since: object) -> tuple[()]:
        del ended_since
        return ()


async def answer(request: web.Request) -> web.Response:
    """An error that quotes the request, decoded and not."""
    return web.Response(status=500, text=f"wrong token {dict(request.query)} in {request.raw_path}")


@pytest.fixture
async def echoing(served: Served) -> str:
    return f"{await served(answer)}/hook?token={{env:ECHOED}}"


def message() -> Message:
    plan = Plan("opened", (OPEN,), (due(OPEN, Telling.OPENED, row=1),), Reason.TOLD)
    return Renderer({}).message(plan, now=T + 12 * MINUTE)


async def by_webhook(url: SecretUrl, session: aiohttp.ClientSession) -> object:
    return await WebhookSender(WebhookSettings(url=url), Poster(session, timeout=SECOND), LoopClock()).send(
        message()
    )


async def by_alertmanager(url: SecretUrl, session: aiohttp.ClientSession) -> object:
    settings, poster = AlertmanagerSettings(url=url), Poster(session, timeout=SECOND)
    alertmanager = AlertmanagerSender("a/0", settings, poster, threads=NoThreads(), clock=LoopClock())
    return await alertmanager.send(message())


async def by_slack(url: SecretUrl, session: aiohttp.ClientSession) -> object:
    settings = SlackSettings.model_validate({"token": "xoxb-1-2", "channel": "ops", "api_url": url})
    return await SlackSender("s/0", settings, Poster(session, timeout=SECOND), threads=NoThreads()).send(
        message()
    )


async def by_heartbeat(url: SecretUrl, session: aiohttp.ClientSession) -> object:
    return await HeartbeatSender(url, session).ping()  # type: ignore[func-returns-value]


@pytest.mark.parametrize("tell", [by_webhook, by_alertmanager, by_slack, by_heartbeat])
async def test_a_token_of_the_query_is_hidden_in_what_the_answer_quotes(
    echoing: str,
    session: aiohttp.ClientSession,
    monkeypatch: pytest.MonkeyPatch,
    tell: Callable[[SecretUrl, aiohttp.ClientSession], Awaitable[object]],
) -> None:
    monkeypatch.setenv("ECHOED", TOKEN)

    with pytest.raises(DeliveryFailed, match="it answered 500 Internal Server Error: wrong token") as caught:
        await tell(SecretUrl(echoing), session)

    assert "s3cr3t" not in str(caught.value)
    assert "query" not in str(caught.value)
    assert "/hook?token=***" in str(caught.value)
