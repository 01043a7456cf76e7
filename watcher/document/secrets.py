"""Secrets by reference: what a file says about where a credential is, read only at the moment of use."""

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from pydantic import GetCoreSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from watcher.document.context import ValidationContext, context_of
from watcher.document.credentials import Span, scheme, spans, texts
from watcher.errors import SecretUnavailable

MASK: Final = "***"

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_REFERENCE: Final = re.compile(r"\{env:\s*([^{}\s]*)\s*\}")
_OPEN_SCHEMES: Final = frozenset(
    {"sqlite", "postgresql", "http", "https", "json", "jsons", "xml", "xmls", "form", "forms"}
    | {"mailto", "mailtos", "syslog", "socks5"}
)
"""Schemes whose secrets stand before the `@` and in the query; in others, `slack://TokenA/...`, anywhere."""

_MAPPING_SCHEMA: Final = [
    {
        "type": "object",
        "properties": {"env": {"type": "string", "description": "environment variable that holds it"}},
        "required": ["env"],
        "additionalProperties": False,
    },
    {
        "type": "object",
        "properties": {"file": {"type": "string", "description": "file that holds it, not world-readable"}},
        "required": ["file"],
        "additionalProperties": False,
    },
]


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """`{env: NAME}`, `{file: path}` or a literal. Only `reveal` gives the value; nothing prints it."""

    env: str = ""
    file: Path | None = None
    text: str = ""
    """The value itself, where it was written literally."""

    @property
    def literal(self) -> bool:
        """Whether the value stands in the file, which `check` warns of."""
        return not self.env and self.file is None

    def reveal(self) -> str:
        """The value now, without one trailing newline.

        Raises:
            SecretUnavailable: the variable or file is absent or empty, or everyone may read the file.
        """
        if self.env:
            return _from_environment(self.env)
        return _from_file(self.file) if self.file is not None else self.text

    def values(self) -> tuple[str, ...]:
        """Every form of the value that a log must not show; none while it is unavailable."""
        try:
            return _forms(self.reveal())
        except SecretUnavailable:
            return ()

    @property
    def reference(self) -> str | dict[str, str]:
        """What a dump shows: where the value is, never the value."""
        if self.env:
            return {"env": self.env}
        return {"file": str(self.file)} if self.file is not None else MASK

    def __repr__(self) -> str:
        return f"Secret({_shown(self.reference)})"

    def __str__(self) -> str:
        return _shown(self.reference)

    @classmethod
    def read(cls, value: object, context: ValidationContext | None = None) -> "Secret":
        """From what YAML held; relative files start at the context's folder.

        Raises:
            PydanticCustomError: another shape, or not available though the context asks for that.
        """
        match value:
            case Secret():
                return value
            case str() if value:
                return cls(text=value)
            case {"env": str() as name, **rest} if not rest and _NAME.fullmatch(name):
                secret = cls(env=name)
            case {"file": str() as path, **rest} if not rest and path:
                secret = cls(file=_resolved(path, context))
            case _:
                raise _refused("expected a secret", "write {env: NAME} or {file: path}; quote a number")
        if context is not None and context.secrets:
            _ensure(secret)
        return secret

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: type[Any], _handler: GetCoreSchemaHandler) -> CoreSchema:
        return _schema(cls)

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: CoreSchema, _handler: object) -> JsonSchemaValue:
        return {"anyOf": [{"type": "string"}, *_MAPPING_SCHEMA]}


@dataclass(frozen=True, slots=True, repr=False)
class SecretUrl:
    """A URL that may hold secrets: text with `{env:NAME}` in it, or a reference to the whole of it."""

    template: str = ""
    whole: Secret | None = None

    @property
    def literal(self) -> bool:
        """Whether what is probably a secret stands in the file."""
        return self.whole is None and (self._opaque or any(span.sure for span in self._hidden()))

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """What it refers to."""
        if self.whole is not None:
            return (self.whole,)
        return tuple(Secret(env=name) for name in _REFERENCE.findall(self.template))

    def reveal(self) -> str:
        """The URL now; each `{env:NAME}` is replaced by its value, percent-encoded.

        Raises:
            SecretUnavailable: something it refers to is absent or empty.
        """
        if self.whole is not None:
            return self.whole.reveal()
        return _REFERENCE.sub(lambda found: quote(_from_environment(found[1]), safe=""), self.template)

    def values(self) -> tuple[str, ...]:
        """Every text a log must not show; what is unavailable is left out."""
        parts = [form for secret in self.secrets for form in secret.values()]
        try:
            url = self.reveal()
        except SecretUnavailable:
            return tuple(parts)
        if scheme(url) not in _OPEN_SCHEMES or self.whole is not None:
            parts.append(url)
        return tuple(dict.fromkeys(part for part in (*parts, *texts(url)) if part))

    def masked(self) -> str:
        """For people: references stay as they are, what may be a secret or an opaque URL is hidden."""
        if self.whole is not None:
            return str(self.whole)
        if self._opaque:
            return f"{scheme(self.template)}://{MASK}"
        shown = self.template
        for span in reversed(self._hidden()):
            shown = f"{shown[: span.start]}{MASK}{shown[span.end :]}"
        return shown

    @property
    def _opaque(self) -> bool:
        """Whether any part of the template may be a secret."""
        return scheme(self.template) not in _OPEN_SCHEMES and _REFERENCE.search(self.template) is None

    def _hidden(self) -> list[Span]:
        return spans(self.template, _REFERENCE)

    @property
    def reference(self) -> str | dict[str, str]:
        """What a dump shows."""
        return self.whole.reference if self.whole is not None else self.masked()

    def __repr__(self) -> str:
        return f"SecretUrl({self.masked()})"

    def __str__(self) -> str:
        return self.masked()

    @classmethod
    def read(cls, value: object, context: ValidationContext | None = None) -> "SecretUrl":
        """From what YAML held.

        Raises:
            PydanticCustomError: not a URL, or not available though the context asks for that.
        """
        if isinstance(value, SecretUrl):
            return value
        if isinstance(value, dict):
            return cls(whole=Secret.read(value, context))
        if not isinstance(value, str) or not scheme(value):
            raise _refused("expected a URL", "write scheme://..., with {env:NAME} for a secret in it")
        url = cls(template=value)
        for secret in url.secrets:
            if not _NAME.fullmatch(secret.env):
                raise _refused(f"{secret.env!r} names no environment variable", "write {env:NAME}")
            if context is not None and context.secrets:
                _ensure(secret)
        return url

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: type[Any], _handler: GetCoreSchemaHandler) -> CoreSchema:
        return _schema(cls)

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: CoreSchema, _handler: object) -> JsonSchemaValue:
        return {"anyOf": [{"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9+.-]*://"}, *_MAPPING_SCHEMA]}


def _schema(cls: type[Secret] | type[SecretUrl]) -> CoreSchema:
    return core_schema.with_info_plain_validator_function(
        lambda value, info: cls.read(value, context_of(info)),
        serialization=core_schema.plain_serializer_function_ser_schema(lambda secret: secret.reference),
    )


def _refused(what: str, hint: str) -> PydanticCustomError:
    return PydanticCustomError("watcher", "{what}", {"what": what, "hint": hint})


def _ensure(secret: Secret) -> None:
    try:
        secret.reveal()
    except SecretUnavailable as error:
        raise _refused(str(error), error.hint) from error


def _resolved(path: str, context: ValidationContext | None) -> Path:
    return context.folder / path if context is not None else Path(path)


def _from_environment(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        state = "is empty" if name in os.environ else "is not set"
        raise SecretUnavailable(f"environment variable {name} {state}", hint="set it before watcher starts")
    return value.removesuffix("\n")


def _from_file(path: Path) -> str:
    try:
        if path.stat().st_mode & stat.S_IROTH:
            raise SecretUnavailable(f"secret file {path} can be read by everyone", hint=f"chmod o-r {path}")
        value = path.read_text(encoding="utf-8-sig").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        word = error.strerror if isinstance(error, OSError) else "it is not text"
        raise SecretUnavailable(
            f"secret file {path} cannot be read: {word}", hint="check the path"
        ) from error
    if not value:
        raise SecretUnavailable(f"secret file {path} is empty", hint="write the secret into it")
    return value


def _forms(value: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((value, quote(value, safe=""), quote(value))))


def _shown(reference: str | dict[str, str]) -> str:
    if isinstance(reference, str):
        return reference
    return "{" + ", ".join(f"{kind}: {where}" for kind, where in reference.items()) + "}"
