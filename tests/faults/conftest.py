"""The real Postgres, for the tests that kill."""

from tests.databases import postgres_server

__all__ = ["postgres_server"]
