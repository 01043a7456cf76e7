"""Database URLs, and what is said about them."""

import sys
from pathlib import Path

import pytest

from tests.databases import HandClock
from watcher.errors import DatabaseUnusable
from watcher.store.address import PostgresServer, SqliteFile, parse_address
from watcher.store.database import Database


def test_a_file_is_named_by_its_path() -> None:
    assert parse_address("sqlite:///var/watcher.db") == SqliteFile(Path("var/watcher.db"))
    assert parse_address("sqlite:////var/watcher.db") == SqliteFile(Path("/var/watcher.db"))


def test_a_server_is_named_without_its_password() -> None:
    address = parse_address("postgresql://me:tr0ub4dor@db.example:6543/watcher?sslmode=require")

    assert isinstance(address, PostgresServer)
    assert address.ssl == "require"
    assert str(address) == "database postgresql://me@db.example:6543/watcher"
    assert "tr0ub4dor" not in repr(address)


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("mysql://u:tr0ub4dor@h/d", "mysql:// is not supported; write sqlite:///path"),
        ("tr0ub4dor", "not a URL; write sqlite:///path"),
        ("postgresql://u:tr0ub4dor@h:port/d", "not a URL"),
        ("sqlite://", "needs the path of a file"),
        ("sqlite:///:memory:", "needs the path of a file"),
        ("postgresql://u:tr0ub4dor@h", "names no database"),
        (
            "postgresql://u:tr0ub4dor@h/d?tls=1",
            "unknown option 'tls' in the URL; known are host, port, sslmode",
        ),
    ],
)
def test_a_url_that_cannot_be_used_says_what_would_be_right(url: str, what: str) -> None:
    with pytest.raises(DatabaseUnusable) as caught:
        parse_address(url)

    assert what in str(caught.value)
    assert "tr0ub4dor" not in str(caught.value)


async def test_a_server_that_does_not_answer_is_named_without_its_password() -> None:
    with pytest.raises(DatabaseUnusable, match="check that the server runs") as caught:
        await Database.open("postgresql://me:tr0ub4dor@127.0.0.1:1/watcher", clock=HandClock())

    assert "postgresql://me@127.0.0.1:1/watcher" in str(caught.value)
    assert "tr0ub4dor" not in str(caught.value)


async def test_postgres_without_its_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)

    with pytest.raises(DatabaseUnusable, match=r"pip install 'watcher\[postgres\]'"):
        await Database.open("postgresql://me@127.0.0.1:1/watcher", clock=HandClock())
