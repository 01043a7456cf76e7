"""Kinds of failing call: what many records share once ids, numbers and people are out of them."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Protocol

from watcher.collect.words import printable
from watcher.model.labels import LabelSet, label_set
from watcher.model.time import DAY, Duration, Instant

FORGOTTEN_AFTER: Final[Duration] = DAY
"""How long a kind of call that does not fail any more is still said to fail 0 times."""

_LONGEST_URL: Final = 200
_LONGEST_REASON: Final = 120
_HOST: Final = re.compile(r"^[a-z][a-z0-9+.-]*://[^/]*", re.IGNORECASE)
_UUID: Final = r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
_ID: Final = re.compile(
    rf"\d+|{_UUID}|(?=.*\d)[0-9a-f]{{12,}}|(?=.*\d)[\w.%+=~-]{{20,}}|\S{{32,}}", re.IGNORECASE
)
"""As a whole segment of a path: a number, a UUID, and whatever is too long for a word."""
_TOKEN: Final = re.compile(
    rf"""(?P<time>\d{{4}}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?[\d.,]*(?:Z|[+-]\d\d:?\d\d)?)
      | (?P<id>\b{_UUID}\b)
      | (?<![a-z]\.)\b\w+""",
    re.IGNORECASE | re.VERBOSE,
)
"""What in a text may differ from call to call; what follows a word and a dot (`dsc.40000011`) is a code."""
_DIGITS: Final = 4
"""So many in a word make it an id."""


class Called(Protocol):
    """Of a record: what its signature is made of."""

    @property
    def request_url(self) -> str | None: ...  # noqa: D102 - as the vendor names it
    @property
    def request_method(self) -> str | None: ...  # noqa: D102
    @property
    def response_code(self) -> str | int | None: ...  # noqa: D102
    @property
    def fail_reason(self) -> str | None: ...  # noqa: D102
    @property
    def people(self) -> tuple[str, ...]:
        """Names and ids of who called, and of their account."""
        ...


@dataclass(frozen=True, slots=True)
class Signature:
    """What is the same in all failing calls of a kind."""

    url: str
    method: str = ""
    status: str = ""
    reason: str = ""

    @property
    def labels(self) -> LabelSet:
        """Of the series that counts these calls."""
        pairs = {"url": self.url, "method": self.method, "status": self.status, "reason": self.reason}
        return label_set(pairs)


OTHER: Final = Signature("other")
"""Whatever failed beyond the signatures that are told apart."""


def signature_of(call: Called, project_id: str) -> Signature:
    """The kind of call a failing one is of."""
    people = call.people
    reason = without_people(call.fail_reason or "", people)
    return Signature(
        url=url_template(without_people(call.request_url or "", people), project_id),
        method=printable(call.request_method or "", 16).upper(),
        status=status_of(call.response_code),
        reason=reason_template(reason),
    )


def status_of(code: str | int | None) -> str:
    """The code as a record has it, which may be empty or no number."""
    return "" if code is None else printable(str(code), 32)


def without_people(text: str, people: Iterable[str]) -> str:
    """The text with `{user}` where it names one of them; longer names first: one may be part of another."""
    for who in sorted((who for who in people if who in text), key=len, reverse=True):
        text = re.sub(rf"(?<![A-Za-z0-9_{{]){re.escape(who)}(?![A-Za-z0-9_])", "{user}", text)
    return text


def path_of(url: str) -> str:
    """Without scheme, host, query and fragment."""
    return _HOST.sub("", url).partition("?")[0].partition("#")[0]


def url_template(url: str, project_id: str) -> str:
    """The path with `{project_id}` and `{id}` in place of what differs from call to call."""
    return _url_template(printable(url, 2_000), project_id)  # cut first: the cache keeps what it is asked


@lru_cache(maxsize=4096)
def _url_template(url: str, project_id: str) -> str:
    segments = path_of(url).split("/")
    return "/".join(_segment(segment, project_id) for segment in segments)[:_LONGEST_URL]


def _segment(segment: str, project_id: str) -> str:
    if segment.lower() == project_id:
        return "{project_id}"
    return "{id}" if _ID.fullmatch(segment) else segment


def reason_template(reason: str) -> str:
    """The reason with `{time}`, `{id}` and `{n}` in place of what differs from call to call."""
    return _reason_template(printable(reason, 1_000))


@lru_cache(maxsize=4096)
def _reason_template(reason: str) -> str:
    return _TOKEN.sub(_placeholder, reason)[:_LONGEST_REASON]


def _placeholder(found: re.Match[str]) -> str:
    if found.lastgroup:
        return f"{{{found.lastgroup}}}"
    word = found[0]
    digits = sum(letter.isdigit() for letter in word)
    if digits == len(word):
        return "{n}"
    return "{id}" if digits >= _DIGITS else word


class KnownSignatures:
    """The signatures a source has had within a day, at most so many."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._last: dict[Signature, Instant] = {}

    def __iter__(self) -> Iterator[Signature]:
        return iter(self._last)

    def count(self, calls: Mapping[Signature, int], at: Instant) -> Mapping[Signature, int]:
        """Failed calls of the bin that starts at `at`, by signatures that are known from now on."""
        self._last = {one: last for one, last in self._last.items() if last > at - FORGOTTEN_AFTER}
        counted: dict[Signature, int] = {}
        for signature, count in calls.items():
            one = signature if signature in self._last or len(self._last) < self._most else OTHER
            self._last[one] = max(at, self._last.get(one, at))
            counted[one] = counted.get(one, 0) + count
        return counted

    def known(self, signature: Signature) -> Signature:
        """Itself, or `OTHER` where it is not told apart."""
        return signature if signature in self._last else OTHER
