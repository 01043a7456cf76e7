"""The real Postgres, for restarts."""

from tests.databases import postgres_server

__all__ = ["postgres_server"]
