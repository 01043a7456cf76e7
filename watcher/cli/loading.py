"""How a verb gets its configuration: read, with logs set up so that no secret of it can reach them."""

import logging
import sys
from pathlib import Path

from watcher.cli import logs
from watcher.cli.options import DEFAULT_CONFIG
from watcher.config import Config, load_config, load_database, receiver_names
from watcher.document.secrets import SecretUrl
from watcher.errors import ConfigurationError, UserError


def configured(path: Path, *, secrets: bool = True, level: int = logging.WARNING) -> Config:
    """The configuration in a file. With `secrets=False` they need not be there, as for verbs that only read.

    Raises:
        UserError: there is no such file, or something in it is wrong.
    """
    _ensure_there(path)
    logs.set_up(level=level)
    config = _whole(path) if secrets else load_config(path, secrets=False, writes=False)
    logs.set_up(config.secret_values(), level=level)
    return config


def book_of(path: Path) -> SecretUrl:
    """Where the incidents are. Whatever else is wrong in the file, what was found can be read.

    Raises:
        UserError: there is no such file, it is not YAML, or its database is none.
    """
    _ensure_there(path)
    database = load_database(path)
    logs.set_up(database.values(), level=logging.WARNING)
    return database


def receiver_of(path: Path, name: str) -> Config:
    """A configuration of one receiver alone, to try it; what else is wrong in the file is noted on stderr.

    Raises:
        UserError: there is no such file, or something is wrong with that receiver.
        KeyError: none is called so; it holds the names that there are.
    """
    _ensure_there(path)
    logs.set_up(level=logging.WARNING)
    names = receiver_names(path)
    if name not in names:
        raise KeyError(*names)
    from watcher.app.settings import load_receiver  # noqa: PLC0415 - apprise, as below

    config = load_receiver(path, name)
    logs.set_up(config.secret_values(), level=logging.WARNING)
    try:
        load_config(path, secrets=False, writes=False)
    except ConfigurationError as error:
        for problem in error.problems:
            sys.stderr.write(f"note: {problem}\n")
    return config


def _ensure_there(path: Path) -> None:
    if not path.exists():
        start = "; write one with `watcher init`" if path == DEFAULT_CONFIG else ""
        raise UserError(f"{path}: there is no such file; name one with -c FILE or $WATCHER_CONFIG{start}")


def _whole(path: Path) -> Config:
    # Only verbs that use what is configured pay for what checks it all: apprise, the detectors, NumPy.
    from watcher.app.settings import load  # noqa: PLC0415 - see above

    return load(path)
