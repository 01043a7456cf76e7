"""A Slack app's posts, against a workspace that answers as Slack documents."""

import aiohttp
import pytest
from structlog.testing import capture_logs

from tests.notify.doubles import OPEN, MemoryThreads, T, due, incident, resolved
from tests.notify.slack_server import CHANNEL, TOKEN, Workspace
from watcher.errors import DeliveryError, DeliveryFailed, DeliveryRejected
from watcher.model.incident import Incident
from watcher.model.message import Message, Telling
from watcher.model.time import MINUTE
from watcher.notify.receivers import SlackSettings
from watcher.notify.render import Renderer
from watcher.notify.senders.posting import Poster
from watcher.notify.senders.slack import SlackSender
from watcher.notify.stages import DIGEST, Plan, Reason


def message(*subjects: Incident, kind: str = "opened") -> Message:
    telling = Telling.OPENED if kind == DIGEST else Telling(kind)
    rows = tuple(due(one, telling, row=number) for number, one in enumerate(subjects, 1))
    return Renderer({}).message(Plan(kind, subjects, rows, Reason.TOLD), now=T + 12 * MINUTE)


@pytest.fixture
def threads() -> MemoryThreads:
    return MemoryThreads()


@pytest.fixture
def sender(workspace: Workspace, session: aiohttp.ClientSession, threads: MemoryThreads) -> SlackSender:
    settings = SlackSettings.model_validate({"token": TOKEN, "channel": CHANNEL, "api_url": workspace.url})
    return SlackSender("chat/0", settings, Poster(session), threads=threads)


async def test_one_incident_is_one_thread_and_its_end_is_seen_in_the_channel(
    workspace: Workspace, sender: SlackSender
) -> None:
    first = await sender.send(message(OPEN))
    await sender.send(message(OPEN, kind="reminder"))
    last = await sender.send(message(resolved(), kind="resolved"))

    opening, reminder, ending = workspace.posts
    assert (first, last) == ("posted", "posted in its thread")
    assert "thread_ts" not in opening
    assert (reminder["thread_ts"], reminder["reply_broadcast"]) == (opening["ts"], False)
    assert (ending["thread_ts"], ending["reply_broadcast"]) == (opening["ts"], True)


async def test_a_post_has_the_title_the_blocks_the_colour_and_its_key(
    workspace: Workspace, sender: SlackSender
) -> None:
    told = message(OPEN)

    await sender.send(told)

    [post] = workspace.posts
    assert post["text"] == told.title
    assert post["attachments"] == [{"color": "#b42318", "blocks": told.blocks}]
    assert post["metadata"]["event_payload"] == {"key": told.key}


async def test_each_incident_of_a_digest_goes_on_in_the_digest_s_thread(
    workspace: Workspace, sender: SlackSender
) -> None:
    await sender.send(message(OPEN, incident(id="id-b"), kind=DIGEST))
    await sender.send(message(resolved(), kind="resolved"))

    digest, ending = workspace.posts
    assert ending["thread_ts"] == digest["ts"]


async def test_where_the_thread_is_gone_a_new_one_begins(
    workspace: Workspace, sender: SlackSender, threads: MemoryThreads
) -> None:
    await sender.send(message(OPEN))
    workspace.posts.clear()
    workspace.posts.append({"ts": "1.0"})

    assert await sender.send(message(resolved(), kind="resolved")) == "posted"
    assert threads.tokens["chat/0", OPEN.id] == workspace.posts[-1]["ts"]


async def test_where_slack_refuses_the_blocks_the_words_go_without_them(
    workspace: Workspace, sender: SlackSender
) -> None:
    workspace.refusals = ["invalid_blocks"]

    with capture_logs() as logs:
        await sender.send(message(OPEN))

    [post] = workspace.posts
    assert "attachments" not in post
    assert OPEN.id in post["text"]
    assert "Usual:" in post["text"]
    assert [line["event"] for line in logs] == ["blocks_refused"]


async def test_words_of_a_vendor_call_nobody(workspace: Workspace, sender: SlackSender) -> None:
    await sender.send(message(incident(summary="<!channel> 5xx & more")))

    assert "&lt;!channel&gt; 5xx &amp; more" in workspace.posts[0]["text"]


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        ("not_in_channel", DeliveryFailed, "Slack refused: not_in_channel; invite the app to the channel"),
        ("invalid_auth", DeliveryFailed, "Slack refused: invalid_auth; check the token"),
        ("fatal_error", DeliveryFailed, "Slack refused: fatal_error"),
        ("msg_too_long", DeliveryRejected, "Slack refused: msg_too_long"),
    ],
)
async def test_a_refusal_says_what_would_mend_it(
    workspace: Workspace, sender: SlackSender, error: str, kind: type[DeliveryError], words: str
) -> None:
    workspace.refusals = [error]

    with pytest.raises(kind) as caught:
        await sender.send(message(OPEN))

    assert str(caught.value) == words


async def test_slack_s_own_pace_is_kept(workspace: Workspace, sender: SlackSender) -> None:
    workspace.limited = 30

    with pytest.raises(DeliveryFailed) as caught:
        await sender.send(message(OPEN))

    assert caught.value.retry_after == 30.0
    assert TOKEN not in str(caught.value)


async def test_without_the_book_nothing_is_posted_outside_its_thread(
    workspace: Workspace, sender: SlackSender, threads: MemoryThreads
) -> None:
    threads.down = True

    with pytest.raises(DeliveryFailed, match="its thread cannot be looked up"):
        await sender.send(message(OPEN))

    assert workspace.posts == []


async def test_a_thread_that_cannot_be_kept_is_no_reason_to_post_again(
    workspace: Workspace, sender: SlackSender, threads: MemoryThreads
) -> None:
    digest = message(OPEN, incident(id="id-b"), kind=DIGEST)
    threads.down = True

    with capture_logs() as logs:
        assert await sender.send(digest) == "posted"

    assert len(workspace.posts) == 1
    assert [line["event"] for line in logs] == ["thread_not_kept"]


async def test_what_is_no_slack_is_said_to_be_none(
    session: aiohttp.ClientSession, workspace: Workspace, threads: MemoryThreads
) -> None:
    url = workspace.url.removesuffix("/api")
    settings = SlackSettings.model_validate({"token": TOKEN, "channel": CHANNEL, "api_url": url})

    with pytest.raises(DeliveryFailed, match="it answered 404 Not Found"):
        await SlackSender("chat/0", settings, Poster(session), threads=threads).send(message(OPEN))
