"""The forms of Huawei's answers: JSON, and errors as code and message, as the gateway or IAM writes them."""

from typing import Final
from uuid import uuid4

import orjson
from aiohttp import web

from watcher.simulate.faults import Refusal

REJECTED: Final = "APIG.0301"
THROTTLED: Final = "APIG.0308"
INVALID: Final = "dsc.40000011"
_BY_STATUS: Final = {
    400: INVALID,
    401: REJECTED,
    403: "DSC.00000403",
    404: "APIG.0101",
    429: THROTTLED,
}
_BACKEND: Final = "APIG.0201"


class Refused(Exception):
    """The call is answered with this status, code and message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def rejected(why: str) -> Refused:
    """As the gateway says that it does not know the caller."""
    return Refused(401, REJECTED, f"Incorrect IAM authentication information: {why}")


def invalid() -> Refused:
    """As DSC says that a parameter is wrong; it does not say which."""
    return Refused(400, INVALID, "Invalid parameter")


def answer(body: object, status: int = 200) -> web.Response:
    """Any JSON."""
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json")


def refuse(refused: Refused) -> web.Response:
    """An error as DSC writes it; the gateway's carry the id of the request too."""
    body, request_id = {"error_code": refused.code, "error_msg": refused.message}, uuid4().hex
    if refused.code.startswith("APIG"):
        body["request_id"] = request_id
    response = answer(body, refused.status)
    response.headers["X-Request-Id"] = request_id
    return response


def refuse_login(status: int, title: str, message: str) -> web.Response:
    """An error as IAM writes it."""
    return answer({"error": {"code": status, "message": message, "title": title}}, status)


def usual_code(refusal: Refusal) -> str:
    """Of an error that names none."""
    return _BY_STATUS.get(refusal.status, _BACKEND)


def planted(refusal: Refusal) -> web.Response:
    """An error that the scenario planted."""
    code = refusal.code or usual_code(refusal)
    return refuse(Refused(refusal.status, code, refusal.description))
