"""`watcher db`: the database itself."""

from dataclasses import asdict
from pathlib import Path

from watcher.app import book
from watcher.cli.loading import book_of, configured
from watcher.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from watcher.cli.screen import say, show_json


async def upgrade(*, config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> int:
    """Bring the schema up to date; `watcher run` does the same at its start."""
    database = configured(config, secrets=False).database
    done = await book.upgrade(database)
    if json:
        show_json({"database": str(database)} | asdict(done))
        return 0
    since = "" if done.before == done.schema else f", upgraded from {done.before or 'nothing'}"
    say(f"{database}: at {done.schema}{since}")
    return 0


async def backup(file: Path, /, *, config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> int:
    """Copy the database while the daemon runs: SQLite into FILE and its samples beside, Postgres by pg_dump.

    Parameters
    ----------
    file:
        A file that is not there yet.
    """
    database = book_of(config)
    copies = await book.backup(database, file)
    if json:
        files = [{"file": str(one.path), "bytes": one.bytes} for one in copies]
        show_json({"database": str(database), "files": files})
        return 0
    for one in copies:
        say(f"{one.path}: {one.bytes / 2**20:.1f} MB")
    return 0
