"""Runs migrations on the connection that `watcher.store.migrate` hands over; there is no ini file."""

from sqlalchemy import Connection

from alembic import context
from watcher.store.tables import metadata


def run(connection: Connection) -> None:
    """Bring the schema to the revision asked for, inside the caller's transaction."""
    # SQLite cannot alter most of a table in place: batch mode copies it.
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


run(context.config.attributes["connection"])
