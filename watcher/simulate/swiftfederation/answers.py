"""The forms of SwiftFederation's answers: bare JSON, errors as `code` and `message`, a trace id on each."""

from collections.abc import Mapping
from typing import Final
from uuid import uuid4

import orjson
from aiohttp import web

_CODES: Final[Mapping[int, str]] = {
    400: "Request.BadRequest",
    401: "Signature.NotMatch",
    403: "Permission.Forbidden",
    404: "ServiceName.NotFound",
    405: "Request.MediaTypeNotSupported",
}
_MESSAGES: Final[Mapping[str, str]] = {
    "Request.BadRequest": "Bad request.",
    "ServiceNames.Invalid": "Domains is empty or invalid.",
    "Time.Invalid": "StartTime or EndTime is required.",
    "IntervalType.Invalid": "Interval type must be minute or day.",
    "TimeRange.Exceeded": "The difference between EndTime and StartTime cannot exceed 24 hours.",
    "TimeRange.EndBeforeStart": "End time must be later than start time.",
    "GetOriginHttpCodes.OperationFailed": "Get Origin Http Codes failed.",
    "ServiceName.NotFound": "Domain is not found.",
}
"""Word for word; those of the gateway are not published."""


class Refused(Exception):
    """The call is answered with this status and code."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


def answer(body: object, status: int = 200) -> web.Response:
    """Any JSON."""
    return web.Response(
        status=status,
        body=orjson.dumps(body),
        content_type="application/json",
        charset="utf-8",
        headers={"x-sfd-trace-id": uuid4().hex},
    )


def usual_code(status: int) -> str:
    """Of an error that names none."""
    return _CODES.get(status, "Server.InternalError" if status >= 500 else "Request.Refused")


def refuse(status: int, code: str = "", message: str = "") -> web.Response:
    """An error as the vendor writes it; without a code, with one that fits the status."""
    code = code or usual_code(status)
    return answer({"code": code, "message": _MESSAGES.get(code) or message or f"{code}."}, status)
