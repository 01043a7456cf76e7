"""Migrations, run in the process on the database's own writer; scripts lie in `alembic/` at the root.

Alembic is imported only where there is something to do: it costs most of a second.
"""

from importlib.resources import files
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, text

from watcher.store.database import Database, refuse_newer, schema_version
from watcher.store.tables import SCHEMA

_LOCK: Final = 0x77617463  # "watc": one upgrade at a time among all who share a server's database


async def current(database: Database) -> str | None:
    """The revision the database stands at; None where it is empty."""
    return await database.read(schema_version)


async def upgrade(database: Database) -> str | None:
    """Bring the schema to `SCHEMA` in one transaction; answer the revision it stood at before.

    Raises:
        DatabaseUnusable: the schema is newer than this watcher.
        StoreUnavailable: the database could not be written.
    """
    before = await current(database)
    if before == SCHEMA:
        return before

    def run(connection: Connection) -> str | None:
        if connection.dialect.name == "postgresql":
            # Released with the transaction; on SQLite BEGIN IMMEDIATE is the lock.
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        version = schema_version(connection)
        refuse_newer(version, database.address)
        if version != SCHEMA:
            _upgrade(connection)
        return version

    return await database.write(run)


def scripts() -> Path:
    """Where the migrations are: inside an installed wheel, or beside the package in a checkout."""
    package = Path(str(files("watcher")))
    installed = package / "_alembic"
    return installed if installed.is_dir() else package.parent / "alembic"


def _upgrade(connection: Connection) -> None:
    from alembic.config import Config  # noqa: PLC0415 - see the module's docstring

    from alembic import command  # noqa: PLC0415 - see the module's docstring

    config = Config()
    config.set_main_option("script_location", str(scripts()).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
