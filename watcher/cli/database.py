"""`watcher db`: the database itself."""

from watcher.app import book
from watcher.cli.loading import configured
from watcher.cli.options import DEFAULT_CONFIG, ConfigOption
from watcher.cli.screen import say


async def upgrade(*, config: ConfigOption = DEFAULT_CONFIG) -> int:
    """Bring the schema up to date; `watcher run` does the same at its start."""
    settings = configured(config, secrets=False)
    say(f"{settings.database}: {await book.upgrade(settings.database)}")
    return 0
