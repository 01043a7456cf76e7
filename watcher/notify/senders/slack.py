"""A Slack app's own posts: one thread an incident, by the `ts` that only `chat.postMessage` gives back."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

import orjson
import structlog

from watcher.errors import DeliveryFailed, DeliveryRejected, StoreUnavailable
from watcher.model.hand import Threads
from watcher.model.message import Message, Telling
from watcher.notify.receivers import SlackSettings
from watcher.notify.senders.posting import Answer, Poster, ensure_taken, revealed, texts_of

QUIET: Final = frozenset({Telling.REMINDER, Telling.UNJUDGED})
"""What is told in the thread alone; everything else is shown in the channel too."""
TEXT_LIMIT: Final = 3_900
"""Characters; Slack cuts at 4000 and asks to stay below."""

_NEVER: Final = frozenset(
    {"msg_too_long", "no_text", "invalid_arg_name", "invalid_arguments", "invalid_charset"}
)
"""The message itself is wrong; whatever else is refused a person may mend."""
_BLOCKS: Final = "block"
"""In every error that is about blocks: the words can go without them."""
_LOST: Final = frozenset(
    {"thread_not_found", "message_not_found", "cannot_reply_to_message", "invalid_thread_ts"}
)
"""The first message is there no longer: a new one begins."""

_log = structlog.get_logger()


class SlackSender:
    """One channel of one workspace."""

    def __init__(self, target: str, settings: SlackSettings, poster: Poster, *, threads: Threads) -> None:
        """The token is revealed at each send, so that a changed file is followed."""
        self._target = target
        self._settings = settings
        self._poster = poster
        self._threads = threads

    async def send(self, message: Message) -> str:
        """Post, in the incident's thread where there is one.

        Raises:
            DeliveryFailed: not posted; `ratelimited` carries how long to wait.
            DeliveryRejected: Slack calls the message itself wrong.
        """
        thread = await self._thread(message)
        said = await self._post(message, thread)
        if said.get("error") in _LOST and thread is not None:
            thread = None
            said = await self._post(message, None)
        if _BLOCKS in str(said.get("error", "")) and message.blocks:
            _log.warning("blocks_refused", target=self._target, error=said["error"])
            said = await self._post(message, thread, plain=True)
        _ensure_posted(said)
        if thread is None:
            await self._keep(message, said)
        return "posted" if thread is None else "posted in its thread"

    async def _post(self, message: Message, thread: str | None, *, plain: bool = False) -> Mapping[str, Any]:
        body = orjson.dumps(self._body(message, thread, plain=plain))
        token = revealed(self._settings.token)
        url = f"{revealed(self._settings.api_url).rstrip('/')}/chat.postMessage"
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json; charset=utf-8"}
        answer = await self._poster.post(url, body, headers)
        return _read(answer, hidden=lambda: {token, *texts_of(self._settings.api_url)})

    def _body(self, message: Message, thread: str | None, *, plain: bool) -> Mapping[str, object]:
        body: dict[str, object] = {
            "channel": self._settings.channel,
            "text": literal(message.title if message.blocks and not plain else _cut(message.text)),
            "mrkdwn": False,
            "unfurl_links": False,
            "metadata": {"event_type": "watcher_message", "event_payload": {"key": message.key}},
        }
        if message.blocks and not plain:
            body["attachments"] = [{"color": message.colour, "blocks": [*message.blocks]}]
        if thread is not None:
            body |= {"thread_ts": thread, "reply_broadcast": message.kind not in QUIET}
        return body

    async def _thread(self, message: Message) -> str | None:
        """Of what is told of alone: a digest or a group begins its own."""
        if len(message.incidents) != 1:
            return None
        try:
            return await self._threads.token(self._target, str(message.incidents[0]["id"]))
        except StoreUnavailable as error:
            raise DeliveryFailed(f"its thread cannot be looked up: {error}") from error

    async def _keep(self, message: Message, said: Mapping[str, Any]) -> None:
        """What was posted stays posted; without its `ts` the next word begins a thread of its own."""
        tokens = {str(facts["id"]): str(said["ts"]) for facts in message.incidents} if "ts" in said else {}
        try:
            await self._threads.keep(self._target, tokens)
        except StoreUnavailable as error:
            _log.warning("thread_not_kept", target=self._target, error=str(error))


def _read(answer: Answer, hidden: Callable[[], Collection[str]]) -> Mapping[str, Any]:
    """Slack's own answer, which says with status 200 too that it refused.

    Raises:
        DeliveryFailed: another status, or no answer of Slack's.
    """
    ensure_taken(answer, hidden=hidden)
    try:
        said = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        said = None
    if not isinstance(said, dict) or "ok" not in said:
        raise DeliveryFailed("it answered, and not as Slack's API does")
    return said


def _ensure_posted(said: Mapping[str, Any]) -> None:
    if said["ok"] is True:
        return
    error = str(said.get("error", "no reason"))
    if error in _NEVER:
        raise DeliveryRejected(f"Slack refused: {error}")
    hint = _HINTS.get(error, "")
    raise DeliveryFailed(f"Slack refused: {error}{f'; {hint}' if hint else ''}")


_HINTS: Final = {
    "not_in_channel": "invite the app to the channel",
    "channel_not_found": "check the channel's id, and invite the app to it",
    "missing_scope": "the app needs the scope chat:write",
    "invalid_auth": "check the token",
    "not_authed": "check the token",
    "account_inactive": "the token's app or workspace is gone",
    "token_revoked": "the token was revoked: make another",
    "token_expired": "the token has expired: make another",
    "is_archived": "the channel is archived",
}


def literal(text: str) -> str:
    """Slack reads ``<!channel>`` and ``&amp;`` in any text; a vendor's words are shown as they stand."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_LIMIT else f"{text[: TEXT_LIMIT - 1].rstrip()}…"
