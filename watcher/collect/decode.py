"""Vendor answers into typed values, or an error that says what came instead, without secrets."""

import json
import re
from collections.abc import Callable
from typing import Any, Final, TypeVar

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
      | (?P<run>[\w.+/=~-]{16,})""",
    re.IGNORECASE | re.VERBOSE | re.ASCII | re.DOTALL,
)
"""What stands after a name that looks like a secret's, and whatever is as long as a token."""
_PLAIN: Final = re.compile(
    r"""[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}
      | [0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12}
      | (?:[a-z0-9_-]{1,63}\.)+[a-z]{2,24}""",
    re.VERBOSE | re.ASCII,
)
"""UUIDs and names of hosts."""
_PARTS: Final = re.compile(r"[._/=~+-]+")
_PART: Final = re.compile(
    r"""(?:(?:[A-Z]?[a-z]{2,}+|[A-Z]++)*+|[a-z]) \d{0,4} | \d{1,20}[a-z]{0,3} | \d{2,8}T\d{2,6}Z?""",
    re.VERBOSE | re.ASCII,
)
"""Words in any case, perhaps numbered, numbers perhaps with a unit, and times: no key is made of such."""
_PART_LIMIT: Final = 32
_KEY_ENDS: Final = b'":'
_GAPS: Final = (b" :", b"\t:", b"\n:", b"\r:")
"""With one of them before a colon the ends of keys are not all counted."""
_CUT_OFF: Final = re.compile(r"\S+\Z")


def decode_json(
    response: Response,
    kind: type[T],
    *,
    strict: bool = True,
    secret: bool = False,
    keys: Callable[[T], int] | None = None,
) -> T:
    """The body as a `kind` (a msgspec Struct, or any type msgspec knows).

    `strict=False` also reads numbers written as strings. `secret` marks an answer that may hold a token:
    its error then quotes nothing of it. `keys` is how many keys the answer has if it is just as documented,
    for answers so large that looking at each object would take as long as reading them.

    Raises:
        ContractBroken: not JSON, not of this shape, or an object has a key twice, of which nobody knows which
            one is meant; never shows a header but the content type.
    """
    try:
        answer = msgspec.json.decode(response.body, type=kind, strict=strict)
        _check_keys(response.body, -1 if keys is None else keys(answer))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, _Twice) as error:
        reason = "nested too deep" if isinstance(error, RecursionError) else str(error)
        raise ContractBroken(
            f"{reason}: {described(response, secret=secret)}", status=response.status
        ) from error
    return answer


class _Twice(ValueError):
    """An object has a key twice."""


def _check_keys(body: bytes, expected: int) -> None:
    """Refuse an object that has a key twice; where the number of keys is the expected one, none has.

    Raises:
        _Twice: it has.
    """
    if body.count(_KEY_ENDS) != expected or any(gap[:1] in body and gap in body for gap in _GAPS):
        json.loads(body, object_pairs_hook=_only_once)


def _only_once(members: list[tuple[str, Any]]) -> None:
    if len(members) > 1 and len(dict(members)) < len(members):
        names = [name for name, _ in members]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Twice(f"the key {_one_line(masked(twice))!r} stands twice")


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
    """The text without whatever may be a secret in it; names, numbers, times, UUIDs and hosts stay."""
    return _SECRET.sub(_shown, text)


def _shown(found: re.Match[str]) -> str:
    run = found["run"]
    if run is None:
        return f"{found['key']}***"
    pieces = run.split("/") if run.startswith("/") else [run]
    return "/".join(piece if _is_plain(piece) else "***" for piece in pieces)


def _is_plain(text: str) -> bool:
    """Whether a person can read it as words, rather than as a key."""
    parts = _PARTS.split(text)
    return _PLAIN.fullmatch(text) is not None or all(
        len(part) <= _PART_LIMIT and _PART.fullmatch(part) for part in parts
    )


def _masked(body: bytes) -> str:
    """How a body begins. A secret that was cut off may look like none, so the last word is left out then."""
    text = body[:_LOOKED_AT].decode("utf-8", errors="replace")
    whole = text if len(body) <= _LOOKED_AT else _CUT_OFF.sub("", text)
    return masked(whole)


def _one_line(text: str) -> str:
    """The first characters as one printable line."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text[:_LOOKED_AT])
    return " ".join(printable.split())[:EXCERPT]
