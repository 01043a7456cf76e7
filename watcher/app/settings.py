"""The configuration, and the rules it puts in force."""

from collections.abc import Collection, Iterator
from pathlib import Path

from watcher.config import Config, load_config
from watcher.document.secrets import SecretUrl
from watcher.engine.engine import BoundRule
from watcher.errors import ConfigurationError, Problem, SecretUnavailable
from watcher.notify import apprise_sender
from watcher.rulebook.loader import bind
from watcher.rulebook.packs import load_rules, pack_files


def load(path: Path) -> Config:
    """The configuration in a file.

    Raises:
        ConfigurationError: everything that is wrong with it.
    """
    return load_config(path, url_check=lambda url: apprise_sender.problems(SecretUrl(url)))


def ensure_can_tell(config: Config, receiver: str) -> None:
    """Pass where what one receiver refers to is there and can be used, whatever is wrong with others.

    Raises:
        ConfigurationError: everything that is wrong with it.
    """
    if problems := list(_problems_of(config, receiver)):
        raise ConfigurationError(problems)


def _problems_of(config: Config, receiver: str) -> Iterator[Problem]:
    at = [one.name for one in config.receivers].index(receiver)
    for place, secret in config.secrets():
        if place[:2] != ("receivers", at):
            continue
        try:
            secret.reveal()
        except SecretUnavailable as error:
            yield config.problem(place, str(error), error.hint)
        else:
            wrong = (
                apprise_sender.problems(secret) if isinstance(secret, SecretUrl) and "urls" in place else None
            )
            if wrong is not None:
                yield config.problem(place, f"urls[{place[-1]}]: {wrong}")


def rules(config: Config | None) -> list[BoundRule]:
    """The rules that judge, bound to their detectors; without a configuration the shipped ones."""
    return [bind(rule) for rule in (config.rules if config else load_rules(pack_files()))]


def secrets(config: Config) -> Collection[str]:
    """Every secret value that is known: what no output may show."""
    return config.secret_values()
