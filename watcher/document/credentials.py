"""Where a URL holds credentials, read with suspicion: what may be a secret is taken for one.

Those who use URLs disagree on where the user's part ends: SQLAlchemy takes `/ ? #` into a password, browsers
do not. So it is the longest one that any of them might read.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple
from urllib.parse import unquote, unquote_plus

SECRET_NAME: Final = re.compile(r"pass|token|secret|key|auth|cred|url|proxy|sign|code|otp", re.IGNORECASE)
"""Names of settings and query fields whose value may be a secret."""

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_FIELD: Final = re.compile(r"[?&](?P<name>[^=&?]*)=(?P<value>[^&]*)")
_HOST: Final = re.compile(r"(\[[^\]]*\]|[^:@]*)(:\d{1,5})?")
_FILES: Final = frozenset({"sqlite"})
"""Schemes of paths, in which nobody is named."""
_NAMED: Final = frozenset({"postgresql", "mailto", "mailtos"})
"""Schemes where what has no colon behind it is a name; elsewhere it may be a token."""


class Span(NamedTuple):
    """A part of a URL that may be a secret."""

    start: int
    end: int
    sure: bool
    """Whether it is one by the plain reading, too: no host and port with a path behind."""


def scheme(url: str) -> str:
    """Without the driver (`postgresql+asyncpg`), in lower case; empty where there is none."""
    found = _SCHEME.match(url)
    return found[1].lower().partition("+")[0] if found else ""


def spans(url: str, vouched: re.Pattern[str]) -> list[Span]:
    """What to hide of a URL, in order and apart. What matches `vouched` is known to be no secret.

    The user's part is the longest there may be, unless the shortest is vouched for.
    """
    plain = vouched.sub(lambda found: "_" * len(found[0]), url)

    def secret(span: Span) -> bool:
        return vouched.sub("", url[span.start : span.end]) != ""

    start, shortest, longest = _start(plain), plain.find("@"), plain.rfind("@")
    of_the_user = _read(plain, start, shortest)
    if not any(span.end > span.start and not secret(span) for span in of_the_user):
        of_the_user = _read(plain, start, longest)
    return _apart(filter(secret, [*of_the_user, *_of_the_query(plain)]))


def texts(url: str) -> Iterator[str]:
    """Every text in a URL that may be a secret, as written and decoded.

    Each `@` may be the one that ends the user's part, so there is a reading for each.
    """
    start = _start(url)
    readings = [span for at in re.finditer("@", url) for span in _read(url, start, at.start())]
    for span in (*readings, *_of_the_query(url)):
        part = url[span.start : span.end]
        for text in (part, part.partition(":")[2] if span.start == start else ""):
            yield from (text, unquote(text), unquote_plus(text))


def _apart(found: Iterable[Span]) -> list[Span]:
    """In order; those that overlap are one."""
    apart: list[Span] = []
    for span in sorted(found):
        if apart and span.start <= apart[-1].end:
            last = apart.pop()
            apart.append(Span(last.start, max(last.end, span.end), last.sure or span.sure))
        else:
            apart.append(span)
    return apart


def _read(url: str, start: int, end: int) -> list[Span]:
    """The secret in a user's part: what is behind its first colon, or all of it where nothing is."""
    if end < start or scheme(url) in _FILES:
        return []
    user, colon, password = url[start:end].partition(":")
    sure = scheme(url) == "postgresql" or not _reads_as_host(url[start:])
    named = scheme(url) in _NAMED
    if password and (named or not re.search("[/?#@]", user)):
        return [Span(end - len(password), end, sure)]
    return [] if named else [Span(start, end if password else end - len(colon), sure)]


def _reads_as_host(rest: str) -> bool:
    """Whether what comes before the path is a host and perhaps a port, as RFC 3986 has it."""
    return _HOST.fullmatch(re.split("[/?#]", rest, maxsplit=1)[0]) is not None


def _of_the_query(url: str) -> Iterator[Span]:
    for field in _FIELD.finditer(url):
        if SECRET_NAME.search(unquote(field["name"])):
            yield Span(*field.span("value"), True)


def _start(url: str) -> int:
    found = _SCHEME.match(url)
    return found.end() if found else 0
