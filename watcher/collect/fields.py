"""Kinds of setting that several vendors have: an API's address, a list of names."""

from typing import Annotated, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from watcher.document.fields import DurationField
from watcher.document.secrets import SecretUrl
from watcher.errors import SecretUnavailable
from watcher.model.time import DAY, MINUTE, Duration


def problem(what: str, hint: str) -> PydanticCustomError:
    """What a validator raises: what is wrong, and what would be right."""
    return PydanticCustomError("watcher", "{what}", {"what": what, "hint": hint})


def _base_url(url: SecretUrl) -> SecretUrl:
    try:
        text = url.reveal()
    except SecretUnavailable:
        return url  # nothing is known of it yet
    if not is_address(text):
        raise problem(
            "base_url is not an HTTP address", "write https://host, with a path where the API has one"
        )
    if "?" in text or "#" in text:
        raise problem("base_url has a query or fragment", "write only scheme, host and path")
    return url


def is_address(text: str) -> bool:
    """Whether a text is an HTTP URL with a host."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    letters = all(letter.isalnum() or letter in "-._:" for letter in host)
    return parts.scheme in {"http", "https"} and bool(host) and letters and port != 0


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise problem("a name stands twice", "list each once")
    return names


def _fine_backfill(span: Duration) -> Duration:
    if not 10 * MINUTE <= span <= 400 * DAY:
        raise problem("out of bounds", "write 10m to 400d")
    return span


BaseUrl: TypeAlias = Annotated[SecretUrl, AfterValidator(_base_url)]
"""Scheme, host and path of an API."""
Names: TypeAlias = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1), AfterValidator(_distinct)
]
"""At least one name, each once."""
FineBackfill: TypeAlias = Annotated[DurationField, AfterValidator(_fine_backfill)]
"""How much of a backfill is read in the finest bins; what is older is a stream of its own."""
