"""The ways to deliver: one sender a target."""

from collections.abc import Mapping

from watcher.config import Config
from watcher.notify.apprise_sender import AppriseSender


def senders(config: Config) -> Mapping[str, AppriseSender]:
    """By target, `mail/0`."""
    return {
        target: AppriseSender(url)
        for receiver in config.receivers
        for target, url in receiver.targets().items()
    }
