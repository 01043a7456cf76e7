"""The forms of Leaseweb's answers: JSON, and errors of the service, of the gateway, and of a validator."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import uuid4

import orjson
from aiohttp import web

from watcher.simulate.chance import stable_id

GATEWAY_CODE: Final = "APP00800"
_MESSAGES: Final[Mapping[int, str]] = {
    400: "The API could not interpret your request correctly.",
    401: "You are not authorized to view this resource.",
    403: "Access to the requested resource is forbidden.",
    404: "Resource not found",
}


class Refused(Exception):
    """The call is answered with this status, in the service's form."""

    def __init__(self, status: int, message: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Unprocessable(Exception):
    """A parameter has a wrong type, which the framework itself refuses."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name
        self.message = message


def answer(body: object, status: int = 200) -> web.Response:
    """Any JSON."""
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json")


def refuse(status: int, message: str = "") -> web.Response:
    """An error as the service writes it: its code is HTTP's status, as text."""
    said = message or _MESSAGES.get(status, "Simulated failure")
    return answer(
        {"correlationId": str(uuid4()), "errorCode": str(status), "errorDetails": {}, "errorMessage": said},
        status,
    )


def gateway(status: int, code: str = GATEWAY_CODE) -> web.Response:
    """An error as the gateway before it writes it."""
    return answer(
        {
            "errorCode": code,
            "errorMessage": "The connection with the DB cannot be established.",
            "correlationId": str(uuid4()),
            "userMessage": "Cannot handle your request at the moment. Please try again later.",
            "reference": f"https://developer.leaseweb.com/errors/{code}",
        },
        status,
    )


def bare(status: int) -> web.Response:
    """What sibling APIs say of a missing key."""
    return answer({"errorMessage": "Unauthorized"}, status)


def denied() -> web.Response:
    """What sibling APIs say of a key that may not see this."""
    return answer({"errorCode": "ACCESS_DENIED", "errorMessage": "Access denied"}, 403)


def unprocessable(name: str, message: str) -> web.Response:
    """A validator's list of what is wrong; no document shows it, the framework's own words do."""
    detail = [{"loc": ["query", name], "msg": message, "type": "value_error"}]
    return answer({"detail": detail}, 422)


def envelope(kind: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """A resource as pairs. Their order is not stable at the vendor: here it differs by id."""
    pairs = [{"key": key, "value": value} for key, value in values.items()]
    turn = int(stable_id("order", values["id"]), 16) % len(pairs)
    return {"resourceType": kind, "data": [*pairs[turn:], *pairs[:turn]]}


def page(key: str, rows: Sequence[Any], *, total: int, limit: int, offset: int) -> dict[str, Any]:
    """A part of a list, and what it says of the whole."""
    return {key: list(rows), "_metadata": {"totalCount": total, "limit": limit, "offset": offset}}
