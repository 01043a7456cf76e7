"""What an answer must be to be good, and what is said of one that is not. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from pydantic_core import SchemaValidator, core_schema

_STATUS: Final = re.compile(r"([1-5])xx|([1-5]\d\d)(?:-([1-5]\d\d))?")


_SHOWN: Final = 120
"""Characters of a redirect's target."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came in the end."""

    status: int
    body: str
    """As far as it was read."""
    location: str = ""
    """Where a redirect leads, as the server wrote it."""


def status_range(text: str) -> range | None:
    """`2xx`, `200` or `200-299`; None where it is no such thing."""
    found = _STATUS.fullmatch(text)
    if found is None:
        return None
    if found[1]:
        return range(int(found[1]) * 100, int(found[1]) * 100 + 100)
    first = int(found[2])
    return range(first, int(found[3] or first) + 1) or None


@lru_cache(maxsize=256)
def body_pattern(regex: str) -> SchemaValidator:
    """By Rust's engine, whose time is linear in the body. It may match anywhere.

    Raises:
        SchemaError: no regular expression, or one with back-references or look-around.
    """
    return SchemaValidator(core_schema.str_schema(pattern=regex, regex_engine="rust-regex"))


def fault(answer: Answer, statuses: Sequence[str], body: str) -> str:
    """Why an answer is not the expected one; empty where it is."""
    if not any(answer.status in (status_range(text) or ()) for text in statuses):
        where = answer.location.partition("?")[0].rpartition("@")[2]  # the rest may hold secrets
        leads = f", leads to {where[:_SHOWN]}" if where.isprintable() and where else ""
        return f"HTTP {answer.status}{leads}; expected {' or '.join(statuses)}"
    if body.startswith("~"):
        fits = body_pattern(body[1:]).isinstance_python(answer.body)
        return "" if fits else f"the body does not match {body}"
    return "" if body in answer.body else f"the body lacks {body!r}"
