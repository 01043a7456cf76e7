"""Vendor answers into typed values, or an error that says what came instead, without secrets."""

from typing import Final, TypeVar

import msgspec

from watcher.collect.http import Response
from watcher.errors import ContractBroken

T = TypeVar("T")

EXCERPT: Final = 80
"""Characters of an unreadable answer that its error shows."""


def decode_json(response: Response, kind: type[T], *, strict: bool = True, secret: bool = False) -> T:
    """The body as a `kind` (a msgspec Struct, or any type msgspec knows).

    `strict=False` also reads numbers written as strings. `secret` marks an answer that may hold a token:
    its error then quotes nothing of it.

    Raises:
        ContractBroken: not JSON, or not of this shape; never shows a header but the content type.
    """
    try:
        return msgspec.json.decode(response.body, type=kind, strict=strict)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = "nested too deep" if isinstance(error, RecursionError) else str(error)
        raise ContractBroken(
            f"{reason}: {described(response, secret=secret)}", status=response.status
        ) from error


def described(response: Response, *, secret: bool = False) -> str:
    """What an answer looks like: content type, size, and how it begins, on one line."""
    kind = _one_line(response.headers.get("content-type", "no content type").encode())
    size = f"{kind}, {len(response.body)} bytes"
    if secret or not response.body:
        return size
    return f"{size}, begins {_one_line(response.body)!r}"


def _one_line(body: bytes) -> str:
    """The first characters as one printable line; four bytes a character are enough to look at."""
    text = body[: EXCERPT * 4].decode("utf-8", errors="replace")
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(printable.split())[:EXCERPT]
