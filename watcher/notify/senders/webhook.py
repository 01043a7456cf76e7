"""The generic webhook: our own JSON, signed as Standard Webhooks has it, with a key that is always the same.

The shape of the body is `docs/webhook.schema.json`. The signature is base64 of HMAC-SHA256 over
``{webhook-id}.{webhook-timestamp}.{body}`` (https://www.standardwebhooks.com), so that receivers have a
library for it in most languages.
"""

import base64
import binascii
import hmac
from collections.abc import Collection, Mapping
from functools import partial
from typing import Final

import orjson

from watcher.errors import DeliveryFailed
from watcher.model.message import Message
from watcher.model.ports import Clock
from watcher.model.time import SECOND
from watcher.notify.receivers import ENCODED, WebhookSettings
from watcher.notify.senders.posting import Poster, ensure_taken, revealed, texts_of

ABREAST: Final = 3
"""Messages that go to one address at once."""
VERSION: Final = 1
"""Of the body's shape; keys are added within it, none is taken away or changed."""


class WebhookSender:
    """One address."""

    def __init__(self, settings: WebhookSettings, poster: Poster, clock: Clock) -> None:
        """Secrets are revealed at each send, so that a changed file is followed."""
        self._settings = settings
        self._poster = poster
        self._clock = clock

    async def send(self, message: Message) -> str:
        """Deliver; the answer names the status.

        Raises:
            DeliveryFailed: no answer, 5xx, 429 and what a person may mend (401, 403, 404).
            DeliveryRejected: 400, 410 and other refusals of the message itself.
        """
        body = payload(message)
        extra = {name: revealed(value) for name, value in self._settings.headers.items()}
        headers = extra | self._signed(message.key, body)
        answer = await self._poster.post(revealed(self._settings.url), body, headers)
        ensure_taken(answer, hidden=partial(self._secrets, extra))
        return f"accepted with {answer.status}"

    def _secrets(self, extra: Mapping[str, str]) -> Collection[str]:
        """Texts that a receiver may echo and nobody should read."""
        key = () if self._settings.secret is None else self._settings.secret.values()
        return {*texts_of(self._settings.url), *extra.values(), *key}

    def _signed(self, key: str, body: bytes) -> dict[str, str]:
        timestamp = str(self._clock.now() // SECOND)
        headers = {
            "Idempotency-Key": f'"{key}"',
            "X-Watcher-Key": key,
            "webhook-id": key,
            "webhook-timestamp": timestamp,
        }
        if self._settings.secret is None:
            return headers
        secret = _key(revealed(self._settings.secret))
        return headers | {"webhook-signature": signature(secret, key, timestamp, body)}


def payload(message: Message) -> bytes:
    """The body: one JSON object."""
    return orjson.dumps(
        {
            "version": VERSION,
            "key": message.key,
            "kind": message.kind,
            "severity": str(message.severity),
            "recovery": message.recovery,
            "title": message.title,
            "text": message.text,
            "incidents": message.incidents,
        }
    )


def signature(secret: bytes, key: str, timestamp: str, body: bytes) -> str:
    """``v1,`` and base64 of the HMAC."""
    digest = hmac.digest(secret, f"{key}.{timestamp}.".encode() + body, "sha256")
    return f"v1,{base64.b64encode(digest).decode()}"


def _key(secret: str) -> bytes:
    if not secret.startswith(ENCODED):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(ENCODED), validate=True)
    except binascii.Error as error:
        raise DeliveryFailed(f"the webhook's secret begins with {ENCODED} and is not base64") from error
