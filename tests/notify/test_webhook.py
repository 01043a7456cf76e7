"""The generic webhook against a real server: its body, its signature, and what each answer means."""

import base64
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import aiohttp
import pytest
from aiohttp import web

from tests.conftest import LoopClock
from tests.notify.doubles import OPEN, T, due, incident, resolved
from tests.notify.servers import Served
from watcher.errors import DeliveryError, DeliveryFailed, DeliveryRejected
from watcher.model.incident import Incident
from watcher.model.message import Message, Telling
from watcher.model.time import MINUTE, SECOND
from watcher.notify.receivers import WebhookSettings
from watcher.notify.render import Renderer
from watcher.notify.senders.posting import Poster
from watcher.notify.senders.webhook import WebhookSender
from watcher.notify.stages import DIGEST, Plan, Reason
from watcher.notify.story import Guidance

PASSWORD = "hunter2hunter2"


@dataclass
class Server:
    """What arrived, and what the next posts are answered."""

    posts: list[tuple[bytes, Mapping[str, str]]] = field(default_factory=list)
    answers: list[web.Response] = field(default_factory=list)
    url: str = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.posts.append((await request.read(), request.headers))
        return self.answers.pop(0) if self.answers else web.Response(status=204)


@pytest.fixture
async def server(served: Served) -> Server:
    found = Server()
    found.url = f"{await served(found.answer)}/hooks/{PASSWORD}"
    return found


def message(*subjects: Incident, kind: str = "opened") -> Message:
    telling = Telling.OPENED if kind == DIGEST else Telling(kind)
    rows = tuple(due(one, telling, row=number) for number, one in enumerate(subjects, 1))
    guidance = {"http_5xx_spike": Guidance("Visitors see errors.", "Call the origin.")}
    return Renderer(guidance).message(Plan(kind, subjects, rows, Reason.TOLD), now=T + 12 * MINUTE)


def sender(url: str, session: aiohttp.ClientSession, **settings: object) -> WebhookSender:
    return WebhookSender(
        WebhookSettings.model_validate({"url": url, **settings}), Poster(session, timeout=SECOND), LoopClock()
    )


async def test_a_webhook_gets_the_incident_whole(server: Server, session: aiohttp.ClientSession) -> None:
    told = message(OPEN)

    answer = await sender(server.url, session).send(told)

    [(body, headers)] = server.posts
    said = json.loads(body)
    assert answer == "accepted with 204"
    assert headers["Content-Type"] == "application/json"
    assert headers["X-Watcher-Key"] == headers["webhook-id"] == told.key
    assert headers["Idempotency-Key"] == f'"{told.key}"'
    assert {name: said[name] for name in said if name != "incidents"} == {
        "version": 1,
        "key": told.key,
        "kind": "opened",
        "severity": "critical",
        "recovery": False,
        "title": told.title,
        "text": told.text,
    }
    [facts] = said["incidents"]
    assert facts["id"] == OPEN.id
    assert (facts["why"], facts["runbook"]) == ("Visitors see errors.", "Call the origin.")
    assert (facts["key"], facts["title"]) == (told.key, told.title)


@pytest.fixture(scope="module")
def schema() -> Any:  # noqa: ANN401 - as JSON is
    root = Path(__file__).resolve().parent.parent.parent
    return json.loads((root / "docs" / "webhook.schema.json").read_text())


def keys_of(schema: dict[str, object]) -> set[str]:
    properties = schema["properties"]
    assert isinstance(properties, dict)
    return set(properties)


async def test_the_body_has_the_keys_that_its_schema_documents(
    server: Server,
    session: aiohttp.ClientSession,
    schema: Any,  # noqa: ANN401
) -> None:
    await sender(server.url, session).send(
        message(resolved(peak=OPEN.evidence, affected=12.0), kind="resolved")
    )

    said = json.loads(server.posts[0][0])
    [facts] = said["incidents"]
    assert set(said) == set(schema["required"]) <= keys_of(schema)
    assert set(facts) <= keys_of(schema["$defs"]["incident"])
    assert set(facts) >= set(schema["$defs"]["incident"]["required"])
    assert set(facts["evidence"]) == keys_of(schema["$defs"]["evidence"])


async def test_a_signed_body_can_be_proved(server: Server, session: aiohttp.ClientSession) -> None:
    raw = b"0123456789abcdef01234567"
    encoded = f"whsec_{base64.b64encode(raw).decode()}"

    await sender(server.url, session, secret=encoded).send(message(OPEN))
    await sender(server.url, session, secret="any words").send(message(OPEN))

    for (body, headers), secret in zip(server.posts, (raw, b"any words"), strict=True):
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        proof = base64.b64encode(hmac.digest(secret, signed, "sha256")).decode()
        assert headers["webhook-signature"] == f"v1,{proof}"
        assert abs(int(headers["webhook-timestamp"]) - LoopClock().now() // SECOND) < 60


async def test_every_attempt_at_a_message_carries_the_same_key_and_body(
    server: Server, session: aiohttp.ClientSession
) -> None:
    server.answers = [web.Response(status=503)]
    told = message(OPEN)
    target = sender(server.url, session)

    with pytest.raises(DeliveryFailed):
        await target.send(told)
    await target.send(told)

    (first, one), (second, two) = server.posts
    assert first == second
    assert one["webhook-id"] == two["webhook-id"]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (500, DeliveryFailed),
        (503, DeliveryFailed),
        (429, DeliveryFailed),
        (401, DeliveryFailed),
        (403, DeliveryFailed),
        (404, DeliveryFailed),
        (307, DeliveryFailed),
        (400, DeliveryRejected),
        (410, DeliveryRejected),
        (413, DeliveryRejected),
        (422, DeliveryRejected),
    ],
)
async def test_each_answer_says_whether_to_try_again(
    server: Server, session: aiohttp.ClientSession, status: int, error: type[DeliveryError]
) -> None:
    server.answers = [web.Response(status=status, text=f"no such field, {PASSWORD}")]

    with pytest.raises(error) as caught:
        await sender(server.url, session, headers={"Authorization": PASSWORD}).send(message(OPEN))

    assert f"it answered {status} " in str(caught.value)
    assert "no such field, ***" in str(caught.value)
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize("token", ["t0k/en+with & words", "plain-words-here", "pin"])
@pytest.mark.parametrize("form", [str, quote_plus, lambda text: quote(text, safe=""), json.dumps])
async def test_what_a_receiver_echoes_of_its_own_address_is_hidden(
    server: Server,
    session: aiohttp.ClientSession,
    monkeypatch: pytest.MonkeyPatch,
    token: str,
    form: Callable[[str], str],
) -> None:
    monkeypatch.setenv("HOOK_TOKEN", token)
    server.answers = [web.Response(status=500, text=f"no hook: <{form(token)}> of spinning shop")]

    with pytest.raises(DeliveryFailed) as caught:
        await sender(f"{server.url}?x={{env:HOOK_TOKEN}}&format=shop", session).send(message(OPEN))

    assert str(caught.value).replace('"', "").endswith("Error: no hook: <***> of spinning shop")


async def test_a_token_in_the_path_is_hidden_and_plain_words_are_not(
    server: Server, session: aiohttp.ClientSession
) -> None:
    path = server.url.partition("//")[2].partition("/")[2]
    server.answers = [web.Response(status=404, text=f"Cannot POST /{path}?a=S3CR3T-1 as hooks has it")]

    with pytest.raises(DeliveryFailed) as caught:
        await sender(f"{server.url}?a=S3CR3T-1", session).send(message(OPEN))

    assert str(caught.value).endswith("Cannot POST /hooks/***?a=*** as hooks has it")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "120"}, 120.0),
        ({"Retry-After": "Sun, 22 Nov 2026 03:01:00 GMT", "Date": "Sun, 22 Nov 2026 03:00:15 GMT"}, 45.0),
        ({"Retry-After": "soon"}, None),
        ({}, None),
    ],
)
async def test_a_receiver_that_asks_for_time_is_given_it(
    server: Server, session: aiohttp.ClientSession, headers: dict[str, str], seconds: float | None
) -> None:
    server.answers = [web.Response(status=429, headers=headers)]

    with pytest.raises(DeliveryFailed) as caught:
        await sender(server.url, session).send(message(OPEN))

    assert caught.value.retry_after == seconds


async def test_a_redirect_is_not_followed_with_what_is_secret(
    server: Server, session: aiohttp.ClientSession
) -> None:
    server.answers = [web.Response(status=301, headers={"Location": server.url})]

    with pytest.raises(DeliveryFailed, match="redirects are not followed: write the address it leads to"):
        await sender(server.url, session).send(message(OPEN))

    assert len(server.posts) == 1


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:1/hooks/x", "no connection: Connection refused"),
        ("http://no-such-host.invalid/hooks/x", "its name does not resolve"),
        ("https://127.0.0.1:{port}/hooks/x", "it speaks no TLS at this port"),
    ],
)
async def test_what_keeps_a_post_from_its_receiver_is_named_and_its_address_is_not(
    server: Server, session: aiohttp.ClientSession, url: str, words: str
) -> None:
    port = server.url.split(":")[2].split("/")[0]

    with pytest.raises(DeliveryFailed) as caught:
        await sender(url.format(port=port), session).send(message(OPEN))

    assert str(caught.value) == words


async def test_headers_and_address_may_be_secrets_that_change(
    server: Server, session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = WebhookSender(
        WebhookSettings.model_validate(
            {"url": {"env": "HOOK_URL"}, "headers": {"X-Auth": {"env": "HOOK_AUTH"}}}
        ),
        Poster(session),
        LoopClock(),
    )

    with pytest.raises(DeliveryFailed, match="HOOK_AUTH is not set"):
        await target.send(message(OPEN))
    monkeypatch.setenv("HOOK_AUTH", "one")
    monkeypatch.setenv("HOOK_URL", server.url)
    await target.send(message(OPEN))
    monkeypatch.setenv("HOOK_AUTH", "two")
    await target.send(message(OPEN))

    assert [headers["X-Auth"] for _, headers in server.posts] == ["one", "two"]


async def test_a_digest_is_one_post_with_every_incident(
    server: Server, session: aiohttp.ClientSession
) -> None:
    subjects = [incident(id=f"id-{n:03}") for n in range(50)]

    await sender(server.url, session).send(message(*subjects, kind=DIGEST))

    [(body, _)] = server.posts
    assert [facts["id"] for facts in json.loads(body)["incidents"]] == [one.id for one in subjects]


async def test_the_environment_s_proxy_is_used_but_for_hosts_that_it_leaves_out(
    server: Server, session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = server.url.partition("/hooks")[0]
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    await sender("http://hooks.example.invalid/hooks/x", session).send(message(OPEN))
    await sender(server.url, session).send(message(OPEN))

    assert [headers["Host"] for _, headers in server.posts] == [
        "hooks.example.invalid",
        proxy.removeprefix("http://"),
    ]
