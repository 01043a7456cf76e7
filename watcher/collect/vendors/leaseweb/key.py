"""The API key on every request, and what a 401 says of it: that it is wrong, or that it may not see this."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from watcher.collect.credentials import header_value
from watcher.collect.http import Handler, Request, Response
from watcher.collect.vendors.leaseweb.api import NotForThis
from watcher.document.secrets import Secret
from watcher.errors import AuthenticationFailed, PermissionMissing
from watcher.model.time import MINUTE, Duration, Instant

HEADER: Final = "X-LSW-Auth"
BELIEVED: Final[Duration] = 15 * MINUTE
"""For how long an answer proves that a key is no wrong one."""


class Key:
    """Sends the key; read anew each time, so that a changed one is used at once.

    The vendor says the same 401 to a wrong key and to one that may not see a resource. It is the resource
    while others are answered. It is the key where nothing was answered lately, or where two parts of the API
    no longer answer that did, with no answer in between.
    """

    def __init__(self, key: Secret, base: str, now: Callable[[], Instant]) -> None:
        self._key = key
        self._base = base
        self._now = now
        self._value = ""
        self._answered: dict[str, Instant] = {}
        """When each part of the API last answered this key."""
        self._lost: set[str] = set()
        """Parts that answered before and refuse now, since anything was answered."""

    async def __call__(self, request: Request, call_next: Handler) -> Response:
        """Answer what the vendor does.

        Raises:
            PermissionMissing: the key is good, and may not see this.
            CollectError: as the vendor does.
        """
        value = header_value(self._key)
        if value != self._value:
            self._value = value
            self._answered.clear()
            self._lost.clear()
        part = request.url.removeprefix(self._base).strip("/").partition("/")[0]
        try:
            response = await call_next(replace(request, headers={**request.headers, HEADER: value}))
        except AuthenticationFailed as error:
            said = error.__cause__ or error  # where the clocks differ, that is told on top
            if isinstance(said, NotForThis) and self._is_good_elsewhere(part):
                raise PermissionMissing(str(error), status=error.status) from error
            raise
        self._answered[part] = self._now()
        self._lost.clear()
        return response

    def _is_good_elsewhere(self, part: str) -> bool:
        if self._answered.pop(part, None) is not None:
            self._lost.add(part)
        newest = max(self._answered.values(), default=None)
        return len(self._lost) < 2 and newest is not None and self._now() - newest < BELIEVED
