"""The ways to deliver, as the configuration has them: a sender, a voice and a manner for each target."""

from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
from jinja2 import FileSystemLoader

from watcher.config import Config
from watcher.document.secrets import SecretUrl
from watcher.model.hand import Threads
from watcher.model.ports import Clock, Sender
from watcher.notify import apprise_sender
from watcher.notify.apprise_sender import AppriseSender
from watcher.notify.manner import Manner
from watcher.notify.receivers import (
    AlertmanagerSettings,
    ReceiverSettings,
    SlackSettings,
    Target,
    WebhookSettings,
)
from watcher.notify.render import Renderer
from watcher.notify.senders.alertmanager import AlertmanagerSender
from watcher.notify.senders.posting import Poster
from watcher.notify.senders.slack import SlackSender
from watcher.notify.senders.webhook import ABREAST, WebhookSender
from watcher.notify.story import Guidance
from watcher.notify.voice import Shape, Voice


@dataclass(frozen=True, slots=True)
class Means:
    """What senders are made with."""

    session: aiohttp.ClientSession
    threads: Threads
    clock: Clock


def senders(config: Config, means: Means) -> Mapping[str, Sender]:
    """By target, `mail/0`."""
    return {
        target: _sender(target, way, receiver, means)
        for receiver in config.receivers
        for target, way in receiver.targets().items()
    }


def manners(config: Config) -> Mapping[str, Manner]:
    """By target: its receiver's rate, whether it takes several incidents at once, and several messages."""
    return {
        target: Manner(
            receiver.rate,
            gathers=not (isinstance(way, SecretUrl) and apprise_sender.is_pager(way)),
            abreast=ABREAST if isinstance(way, WebhookSettings) else 1,
        )
        for receiver in config.receivers
        for target, way in receiver.targets().items()
    }


def renderer(config: Config) -> Renderer:
    """What makes messages: the operator's templates before the shipped ones, each target in its own voice."""
    guidance = {rule.id: Guidance(rule.why, rule.runbook, rule.flapping) for rule in config.rules}
    own = None if config.templates is None else FileSystemLoader(config.templates)
    voices = {
        target: Voice(receiver.zone, config.public_url, _shapes(way))
        for receiver in config.receivers
        for target, way in receiver.targets().items()
    }
    return Renderer(guidance, own, voices=voices)


def _sender(target: str, way: Target, receiver: ReceiverSettings, means: Means) -> Sender:
    poster = Poster(means.session)
    match way:
        case WebhookSettings():
            return WebhookSender(way, poster, means.clock)
        case AlertmanagerSettings():
            return AlertmanagerSender(target, way, poster, threads=means.threads, clock=means.clock)
        case SlackSettings():
            return SlackSender(target, way, poster, threads=means.threads)
        case SecretUrl():
            return AppriseSender(way, attach=receiver.attach)


def _shapes(way: Target) -> frozenset[Shape]:
    match way:
        case SecretUrl():
            return apprise_sender.shapes(way)
        case SlackSettings():
            return frozenset({Shape.BLOCKS})
        case _:
            return frozenset()
