"""Vendor answers into typed values, or an error that says what came instead, without secrets."""

import re
from typing import Final, TypeVar

import msgspec

from watcher.collect.http import Response
from watcher.errors import ContractBroken

T = TypeVar("T")

EXCERPT: Final = 80
"""Characters of an unreadable answer that its error shows."""
_LOOKED_AT: Final = 64 * EXCERPT
_SECRET: Final = re.compile(
    r"""(?P<key>[\w-]*(?:pass|token|secret|key|auth|cred|session|sign)[\w-]*["']?\s*[:=]\s*)
        (?:[\[{].*|"[^"]*"?|'[^']*'?|(?:bearer|basic)\s+[^\s,;&<>}"']+|[^\s,;&<>}\]"']+)
      | [\w.+/=~-]{16,}""",
    re.IGNORECASE | re.VERBOSE | re.ASCII | re.DOTALL,
)
"""What stands after a name that looks like a secret's, and whatever is as long as a token."""
_CUT_OFF: Final = re.compile(r"\S+\Z")


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
    """What an answer looks like: content type, size, and how it begins, on one line.

    Nobody knows what a wrong answer holds, so what may be a secret is masked in it before it is cut.
    """
    kind = _one_line(response.headers.get("content-type", "no content type"))
    size = f"{kind}, {len(response.body)} bytes"
    if secret or not response.body:
        return size
    return f"{size}, begins {_one_line(_masked(response.body))!r}"


def masked(text: str) -> str:
    """The text without whatever may be a secret in it."""
    return _SECRET.sub(lambda found: f"{found['key'] or ''}***", text)


def _masked(body: bytes) -> str:
    """How a body begins. A secret that was cut off may look like none, so the last word is left out then."""
    text = body[:_LOOKED_AT].decode("utf-8", errors="replace")
    whole = text if len(body) <= _LOOKED_AT else _CUT_OFF.sub("", text)
    return masked(whole)


def _one_line(text: str) -> str:
    """The first characters as one printable line."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text[:_LOOKED_AT])
    return " ".join(printable.split())[:EXCERPT]
