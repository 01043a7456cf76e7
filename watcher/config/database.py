"""Whether the database's URL is one watcher can use, as far as that shows without opening it."""

import os
import re
from pathlib import Path
from typing import Final

from watcher.document.node import Document
from watcher.document.secrets import SecretUrl
from watcher.errors import ConfigurationError, Problem, SecretUnavailable

_SQLITE: Final = re.compile(r"(?P<scheme>sqlite(?:\+\w+)?:///)(?P<path>[^?]+)(?P<query>\?.*)?")
_HINT: Final = "write sqlite:///watcher.db or postgresql://user@host/db"


def checked_database(document: Document, url: SecretUrl, *, writes: bool) -> SecretUrl:
    """The URL with a relative SQLite path made absolute: it starts at the file's folder.

    Who only reads the book can do so from a file that nobody may write.

    Raises:
        ConfigurationError: another kind of database, or one that cannot be written by who `writes` it.
    """
    try:
        plain = url.reveal()
    except SecretUnavailable:
        return url  # told by validation, where secrets must be there
    scheme = plain.partition("://")[0].partition("+")[0]
    if scheme == "postgresql":
        return url
    found = _SQLITE.fullmatch(plain)
    if found is None:
        what = "database: not a database watcher knows" if scheme != "sqlite" else "database: names no file"
        raise ConfigurationError([_problem(document, what, _HINT)])
    if found["path"] == ":memory:":
        raise ConfigurationError([_problem(document, "database: memory is lost at exit", _HINT)])
    path = document.folder.absolute() / found["path"]
    if writes and (why := _unwritable(path)):
        what = f"database: {path} cannot be written: {why}"
        raise ConfigurationError([_problem(document, what, "choose another path, or change its rights")])
    return SecretUrl(f"{found['scheme']}{path}{found['query'] or ''}")


def _problem(document: Document, what: str, hint: str) -> Problem:
    return document.problem(("database",), what, hint)


def _unwritable(path: Path) -> str:
    """Why the file cannot be written, or made with the folders it lacks; empty when it can."""
    if path.is_dir():
        return "it is a folder"
    if path.exists():
        return "" if os.access(path, os.W_OK) else "its rights forbid it"
    parent = next((folder for folder in path.parents if folder.exists()), path.parent)
    if not parent.is_dir():
        return f"{parent} is not a folder"
    return "" if os.access(parent, os.W_OK | os.X_OK) else f"the rights of {parent} forbid it"
