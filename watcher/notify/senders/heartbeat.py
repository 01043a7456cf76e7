"""The ping of a dead man's switch: whoever watches it raises the alarm when it stays away."""

from functools import partial

import aiohttp

from watcher.document.secrets import SecretUrl
from watcher.model.time import SECOND
from watcher.notify.senders.posting import Poster, ensure_taken, revealed, texts_of


class HeartbeatSender:
    """One address that is asked again and again; what it answers is not looked at beyond its status."""

    def __init__(self, url: SecretUrl, session: aiohttp.ClientSession) -> None:
        """`session` is shared and its owner's to close."""
        self._url = url
        self._poster = Poster(session, timeout=10 * SECOND)

    async def ping(self) -> None:
        """Say that all is well.

        Raises:
            DeliveryError: it did not arrive.
        """
        ensure_taken(await self._poster.get(revealed(self._url)), hidden=partial(texts_of, self._url))
