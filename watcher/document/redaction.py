"""The last net under secrets: masks every known value in texts and in log lines."""

import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Collection, Iterator, MutableMapping
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote, quote_plus

from structlog.typing import Processor

from watcher.document.secrets import MASK

_SHORT: Final = 4
"""A secret of fewer characters is masked only where it stands as a word, and not in base64, where it would be
a letter or two: more would eat any text."""


def redact(text: str, secrets: Collection[str]) -> str:
    """The text without any of the secrets, in none of the forms that programs write them in.

    Those are: percent-encoded, escaped as in JSON and in Python, base64, and with other white space between
    the words.
    """
    pattern = _pattern(frozenset(secrets))
    return text if pattern is None else pattern.sub(MASK, text)


def redactor(secrets: Collection[str]) -> Processor:
    """A structlog processor that masks the secrets in every field, however deep.

    `secrets` is looked at on each line, so that values learned later (tokens) can be added to it. Put it
    after `format_exc_info` (a traceback is a field too) and right before the renderer.
    """

    def mask(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        for name, value in event.items():
            event[name] = _masked(value, secrets)
        return event

    return mask


def _masked(value: Any, secrets: Collection[str]) -> Any:  # noqa: ANN401 - a log field may hold anything
    match value:
        case str():
            return redact(value, secrets)
        case bool() | int() | float() | None:
            return value
        case dict():
            return {_masked(name, secrets): _masked(item, secrets) for name, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_masked(item, secrets) for item in value]
        case _:
            shown = repr(value)
            clean = redact(shown, secrets)
            return value if clean == shown else clean


@lru_cache(maxsize=8)
def _pattern(secrets: frozenset[str]) -> re.Pattern[str] | None:
    forms = {form.strip() for secret in secrets for form in _forms(secret)} - {""}
    longest_first = sorted(forms, key=lambda form: (-len(form), form))
    return re.compile("|".join(map(_literal, longest_first))) if forms else None


def _forms(secret: str) -> Iterator[str]:
    """Fifteen at most."""
    if not secret.strip():
        return
    coded = secret.encode("utf-8", "surrogateescape")
    yield from (secret, quote(coded, safe=""), quote_plus(coded))
    yield from (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1])
    escaped = repr(f'"{secret}')[2:-1]  # with a double quote in it, it stands in single quotes
    yield from (escaped, escaped.replace("\\'", "'"), repr(coded)[2:-1])
    if len(coded) >= _SHORT:
        yield from _in_base64(coded)


def _in_base64(coded: bytes) -> Iterator[str]:
    """Without padding, which some leave out: alone, and within more, as Basic authentication sends it.

    What stands before it shifts its bits in one of three ways. Characters it shares with its neighbours are
    left out.
    """
    for encode in (b64encode, urlsafe_b64encode):
        yield encode(coded).decode().rstrip("=")
        for before in range(3):
            first, last = -(-before * 8 // 6), (before + len(coded)) * 8 // 6
            yield encode(bytes(before) + coded).decode()[first:last]


def _literal(form: str) -> str:
    words = r"\s+".join(map(re.escape, form.split()))
    return rf"(?<!\w){words}(?!\w)" if len(form) < _SHORT else words
