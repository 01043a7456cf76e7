"""The configuration, and the rules it puts in force."""

from collections.abc import Collection
from pathlib import Path

from watcher import config
from watcher.config import Config
from watcher.document.secrets import SecretUrl
from watcher.engine.engine import BoundRule
from watcher.notify import apprise_sender
from watcher.rulebook.loader import bind
from watcher.rulebook.packs import load_rules, pack_files


def load(path: Path) -> Config:
    """The configuration in a file.

    Raises:
        ConfigurationError: everything that is wrong with it.
    """
    return config.load_config(path, url_check=_url_problem)


def load_receiver(path: Path, name: str) -> Config:
    """A configuration of one receiver alone, whatever is wrong with the rest of the file.

    Raises:
        ConfigurationError: everything that is wrong with it.
    """
    return config.load_receiver(path, name, url_check=_url_problem)


def _url_problem(url: str) -> str | None:
    return apprise_sender.problems(SecretUrl(url))


def rules(settings: Config | None) -> list[BoundRule]:
    """The rules that judge, bound to their detectors; without a configuration the shipped ones."""
    return [bind(rule) for rule in (settings.rules if settings else load_rules(pack_files()))]


def secrets(settings: Config) -> Collection[str]:
    """Every secret value that is known: what no output may show."""
    return settings.secret_values()
