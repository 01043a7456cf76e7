"""The configuration, and the rules it puts in force."""

from collections.abc import Collection
from pathlib import Path

from watcher.config import Config, load_config
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
    return load_config(path, url_check=lambda url: apprise_sender.problems(SecretUrl(url)))


def rules(config: Config | None) -> list[BoundRule]:
    """The rules that judge, bound to their detectors; without a configuration the shipped ones."""
    return [bind(rule) for rule in (config.rules if config else load_rules(pack_files()))]


def secrets(config: Config) -> Collection[str]:
    """Every secret value that is known: what no output may show."""
    return config.secret_values()
