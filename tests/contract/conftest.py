"""The databases, for the tests of the store."""

from tests.databases import database, database_url, hand, postgres_server

__all__ = ["database", "database_url", "hand", "postgres_server"]
