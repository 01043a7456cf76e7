"""The databases, for restarts and acts."""

from tests.databases import database, database_url, hand, postgres_server

__all__ = ["database", "database_url", "hand", "postgres_server"]
