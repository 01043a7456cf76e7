"""The forms of CDNvideo's answers: JSON, and errors as `status` and `description`."""

import orjson
from aiohttp import web


class Refused(Exception):
    """The call is answered with this status and description."""

    def __init__(self, status: int, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.description = description


def answer(body: object, status: int = 200) -> web.Response:
    """Any JSON."""
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json")


def refuse(status: int, description: str) -> web.Response:
    """An error as the vendor writes it."""
    return answer({"status": status, "description": description}, status)
