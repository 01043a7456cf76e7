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
"""A secret of fewer characters is not masked in base64, where it would be a letter or two of any text."""
_WORD: Final = 6
"""One of fewer is masked only where it stands as a word: `***istrator` would spoil the text and tell the
password."""


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
    forms = {form.strip(): len(form.strip()) < _WORD for secret in secrets for form in _forms(secret)}
    forms |= dict.fromkeys((form for secret in secrets for form in _in_base64(secret)), False)
    longest_first = sorted(forms.keys() - {""}, key=lambda form: (-len(form), form))
    found = [_literal(form, word=forms[form]) for form in longest_first]
    return re.compile("|".join(found)) if found else None


def _forms(secret: str) -> Iterator[str]:
    """Seven at most."""
    if not secret.strip():
        return
    coded = secret.encode("utf-8", "surrogateescape")
    yield from (secret, quote(coded, safe=""), quote_plus(coded))
    yield from (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1])
    escaped = repr(f'"{secret}')[2:-1]  # with a double quote in it, it stands in single quotes
    yield from (escaped, escaped.replace("\\'", "'"), repr(coded)[2:-1])


def _in_base64(secret: str) -> Iterator[str]:
    """Without padding, which some leave out: alone, and within more, as Basic authentication sends it.

    What stands before it shifts its bits in one of three ways. Characters it shares with its neighbours are
    left out.
    """
    coded = secret.encode("utf-8", "surrogateescape")
    if not secret.strip() or len(coded) < _SHORT:
        return
    for encode in (b64encode, urlsafe_b64encode):
        yield encode(coded).decode().rstrip("=")
        for before in range(3):
            first, last = -(-before * 8 // 6), (before + len(coded)) * 8 // 6
            yield encode(bytes(before) + coded).decode()[first:last]


def _literal(form: str, *, word: bool) -> str:
    words = r"\s+".join(map(re.escape, form.split()))
    return rf"(?<!\w){words}(?!\w)" if word else words
