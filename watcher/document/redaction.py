"""The last net under secrets: masks every known value in texts and in log lines."""

import re
from collections.abc import Collection, MutableMapping
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote, quote_plus

from structlog.typing import Processor

from watcher.document.secrets import MASK

_SHORT: Final = 4
"""Below this many characters a secret is masked only where it stands as a word: it would eat any text."""


def redact(text: str, secrets: Collection[str]) -> str:
    """The text without any of the secrets, nor their percent-encoded forms."""
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
    forms = {form for secret in secrets for form in (secret, quote(secret, safe=""), quote_plus(secret))}
    longest_first = sorted(filter(None, forms), key=lambda form: (-len(form), form))
    parts = [_literal(form) for form in longest_first]
    return re.compile("|".join(parts)) if parts else None


def _literal(form: str) -> str:
    escaped = re.escape(form)
    return rf"(?<!\w){escaped}(?!\w)" if len(form) < _SHORT else escaped
