"""`watcher db`: the database itself."""

from dataclasses import asdict

from watcher.app import book
from watcher.cli.loading import configured
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
