"""The forms of Alibaba Cloud's answers: JSON or XML, and errors with a `Code`."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Final, TypeAlias
from uuid import uuid4

import orjson
from aiohttp import web

Value: TypeAlias = "str | Sequence[Value] | Mapping[str, Value]"

HOST: Final = "cdn.aliyuncs.com"
HELP: Final = "https://api.example.com/troubleshoot?q="


class Refused(Exception):
    """The call is answered with this status, code and message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def answer(body: Mapping[str, Value], *, xml: bool, root: str, status: int = 200) -> web.Response:
    """An answer with a request id of its own; `root` is the outermost element of XML."""
    identified = {"RequestId": str(uuid4()).upper(), **body}
    if not xml:
        content = orjson.dumps(identified)
        return web.Response(status=status, body=content, headers={"Content-Type": "application/json"})
    text = f'<?xml version="1.0" encoding="UTF-8"?>{"".join(_elements(root, identified))}'
    headers = {"Content-Type": "text/xml;charset=utf-8"}  # spelled so: an official SDK compares it
    return web.Response(status=status, body=text.encode(), headers=headers)


def refuse(refused: Refused, *, xml: bool = False) -> web.Response:
    """An error as the vendor writes it."""
    body = {
        "HostId": HOST,
        "Code": refused.code,
        "Message": refused.message.encode(errors="replace").decode(),  # may repeat what came
        "Recommend": HELP + refused.code,
    }
    return answer(body, xml=xml, root="Error", status=refused.status)


def _elements(name: str, value: Value) -> Iterator[str]:
    """A list is its element repeated; the vendor's lists have names of their own inside objects."""
    if isinstance(value, str):
        yield f"<{name}>{escape(value, quote=False)}</{name}>"
    elif isinstance(value, Mapping):
        inner = "".join(part for key, one in value.items() for part in _elements(key, one))
        yield f"<{name}>{inner}</{name}>"
    else:
        for one in value:
            yield from _elements(name, one)
