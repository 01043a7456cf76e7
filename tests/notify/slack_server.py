"""A Slack workspace that answers `chat.postMessage` as its documentation says, refusals included."""

from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

TOKEN: Final = "xoxb-1234567890-abcdefghij"
CHANNEL: Final = "C0123456789"
METHOD: Final = "/api/chat.postMessage"
LIMITS: Final = {"blocks": 50, "section": 3_000, "text": 40_000}


@dataclass
class Workspace:
    """One channel, the messages in it by `ts`, and what the next posts are refused with."""

    url: str = ""
    posts: list[dict[str, Any]] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    limited: int | None = None
    """Seconds that the next post is asked to wait."""

    async def post_message(self, request: web.Request) -> web.Response:
        if request.path != METHOD:
            return web.Response(status=404)
        if self.limited is not None:
            wait, self.limited = self.limited, None
            headers = {"Retry-After": str(wait)}
            return web.json_response({"ok": False, "error": "ratelimited"}, status=429, headers=headers)
        body = await request.json()
        error = self.refusals.pop(0) if self.refusals else self._error(request, body)
        if error:
            return web.json_response({"ok": False, "error": error})
        ts = f"1790000000.{len(self.posts):06}"
        self.posts.append(body | {"ts": ts})
        return web.json_response(
            {"ok": True, "channel": CHANNEL, "ts": ts, "message": {"text": body["text"]}}
        )

    def _error(self, request: web.Request, body: dict[str, Any]) -> str:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return "invalid_auth"
        if body.get("channel") != CHANNEL:
            return "channel_not_found"
        if not body.get("text") and not body.get("blocks"):
            return "no_text"
        if len(body["text"]) > LIMITS["text"]:
            return "msg_too_long"
        if not self._knows(body.get("thread_ts")):
            return "thread_not_found"
        blocks = [block for one in body.get("attachments", []) for block in one["blocks"]]
        return "" if self._shows(blocks) else "invalid_blocks"

    def _knows(self, thread: str | None) -> bool:
        return thread is None or any(post["ts"] == thread for post in self.posts)

    @staticmethod
    def _shows(blocks: list[dict[str, Any]]) -> bool:
        texts = [block["text"]["text"] for block in blocks if block["type"] == "section"]
        return len(blocks) <= LIMITS["blocks"] and all(0 < len(one) <= LIMITS["section"] for one in texts)
